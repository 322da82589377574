"""Which values of lookup-service endpoints change with a node's certificate."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from renewal_worlds import VC1, VC2, issued
from stsfix.remediation.pki.certificates import fingerprint
from stsfix.remediation.renewal.trust_anchors import (
    Followed,
    TrustAnchors,
    followed,
    is_front_of,
    replacements,
)

OLD, NEW = issued("old", -1), issued("new", 700)
STALE, OTHER = issued("stale", -400), issued("other", 9, host=VC2)
FRONT, BACK = f"https://{VC1}/sts/STSService", f"https://{VC1}:5480/vami"


def anchors(*certificates, uri=FRONT, encoding="base64"):
    """Return an endpoint that names these."""
    encoded = encoding == "base64"
    return TrustAnchors(
        dn="cn=Endpoint0",
        uri=uri,
        values=tuple(base64.b64encode(c) if encoded else c for c in certificates),
        certificates=certificates,
        encoding=encoding,
    )


def renewed(*found, new=NEW):
    """Return the values that endpoints get in place of the old certificate."""
    made = replacements(found, VC1, olds=frozenset({fingerprint(OLD)}), new=new)
    return [
        tuple(base64.b64decode(v) if r.anchors.encoding == "base64" else v for v in r.values)
        for r in made
    ]


@pytest.mark.parametrize("encoding", ["base64", "der"])
def test_the_old_certificate_becomes_the_new_one(encoding):
    """As the endpoint writes it; other values keep place and bytes."""
    assert renewed(anchors(OTHER, OLD, encoding=encoding)) == [(OTHER, NEW)]


@pytest.mark.parametrize("uri", [BACK, f"https://{VC2}/x", "no uri at all", ""])
def test_it_does_so_wherever_it_stands(uri):
    """The certificate tells whose it is."""
    assert renewed(anchors(OLD, uri=uri)) == [(NEW,)]


def test_an_endpoint_of_a_node_that_had_the_same_certificate_is_left_to_its_own():
    """Whichever port it is; what has another host, or none, is told by the certificate."""
    other, mine = f"https://{VC2.upper()}:5480/vami", f"https://{VC1}:5480/vami"
    found = [anchors(OLD, uri=uri) for uri in (other, mine, "https://[", "https://balancer/x")]

    made = replacements(
        found, VC1, olds=frozenset({fingerprint(OLD)}), new=NEW, sharers=[VC2.upper()]
    )

    assert [r.anchors.uri for r in made] == [mine, "https://[", "https://balancer/x"]


def test_a_stale_certificate_of_the_node_goes_behind_its_port_443_only():
    """There nothing shows it any more; elsewhere somebody may."""
    assert renewed(anchors(STALE)) == [(NEW,)]
    assert renewed(anchors(STALE, uri=BACK)) == []


def test_what_is_right_or_somebody_elses_is_left_alone():
    """Nothing is written for it."""
    assert renewed(anchors(NEW), anchors(OTHER), anchors(b"noise")) == []


def test_a_certificate_is_named_once():
    """Two values that become one are one: vmdird refuses doubles (measured, 4)."""
    assert renewed(anchors(OLD, STALE, OTHER)) == [(NEW, OTHER)]


def at(place, *certificates):
    """Return an endpoint of its own DN that names these."""
    return replace(anchors(*certificates), dn=f"cn={place}")


WRITERS = (at("One", NEW, OTHER), at("Two", NEW), at("Three", OTHER))


@pytest.mark.parametrize(
    ("held", "found"),
    [
        (WRITERS, Followed(is_behind=False)),
        ((at("one", OTHER, NEW), at("two", NEW)), Followed(is_behind=False)),
        ((at("One", NEW, STALE), at("Two", NEW)), Followed(is_behind=False)),
        ((at("One", NEW), at("Two", OLD)), Followed(is_behind=True)),
        ((at("One", NEW), at("Two", NEW, OLD)), Followed(is_behind=True)),
        ((at("One", NEW), at("Two", STALE)), Followed(is_behind=True)),
        ((at("One", NEW),), Followed(is_behind=False, missing=1)),
        ((*WRITERS, at("Four", OLD)), Followed(is_behind=False, stale=1)),
        ((*WRITERS[:2], at("Three", OLD)), Followed(is_behind=False, stale=1)),
        ((at("Three", OTHER),), Followed(is_behind=True, missing=2)),
        ((), Followed(is_behind=True, missing=2)),
    ],
)
def test_a_directory_is_behind_where_it_does_not_name_what_was_written(held, found):
    """Elsewhere it may differ, in values, order and the spelling of a DN."""
    olds, news = frozenset({fingerprint(OLD)}), frozenset({fingerprint(NEW)})

    assert followed(held, WRITERS, news=news, olds=olds) == found


def test_nobody_is_behind_where_nothing_was_written():
    """No machine certificate is new: the lookup service is as it was."""
    assert followed((), WRITERS, news=frozenset(), olds=frozenset()) == Followed(is_behind=False)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (FRONT, True),
        (FRONT.upper().replace("HTTPS", "https"), True),
        (f"https://{VC1}:443/", True),
        (BACK, False),
        (f"http://{VC1}/", False),
        (f"https://{VC2}/", False),
        ("https://[", False),
        ("https://vc1.lab.example:x/", False),
    ],
)
def test_fronts(uri, expected):
    """Only https on 443 of the very node; nonsense is none."""
    assert is_front_of(uri, VC1) is expected

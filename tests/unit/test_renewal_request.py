"""Subject, names and dates of what VMCA is asked to sign."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renewal_worlds import VC1, issued, vmca
from sts_material import DOMAIN, NOW, days, key
from stsfix.lab import pki
from stsfix.remediation.model import Renewal
from stsfix.remediation.pki.certificates import Certificate, parse
from stsfix.remediation.renewal.request import (
    VALIDITY,
    described,
    renewal_request,
    with_one_name,
)

MACHINE = Renewal(
    node=VC1,
    store="MACHINE_SSL_CERT",
    alias="__MACHINE_CERT",
    sha256="ab" * 32,
    signer=VC1,
    pnid=VC1,
)
VPXD = Renewal(
    node=VC1,
    store="vpxd",
    alias="vpxd",
    sha256="ab" * 32,
    signer=VC1,
    pnid=VC1,
    machine_id="1111-aaaa",
    principal="vpxd-1111-aaaa",
)


def old(*names) -> Certificate:
    """Return the certificate that is replaced."""
    found = parse(issued("old", -1, names=names or (VC1,)))
    assert isinstance(found, Certificate)
    return found


def asked(renewal=MACHINE, certificate=None, *, root=None):
    """Return what VMCA would be asked now."""
    return renewal_request(
        renewal,
        certificate or old(),
        domain=DOMAIN,
        key=key("leaf"),
        authorities=[root or vmca()],
        now=NOW,
    )


def test_a_machine_is_named_by_its_pnid():
    """Country, place and organization are certool's unless the old certificate has better."""
    assert asked().request.subject == (
        ("CN", VC1),
        ("C", "US"),
        ("L", "Palo Alto"),
        ("ST", "California"),
        ("O", "VMware"),
        ("OU", "VMware Engineering"),
    )


def test_a_solution_user_is_named_by_store_domain_and_machine_id():
    """As certool's genCIScert does, so that the STS finds one account for it."""
    subject = asked(VPXD).request.subject

    assert subject[:3] == (("CN", "vpxd"), ("DC", "vsphere"), ("DC", "local"))
    assert ("OU", "mID-1111-aaaa") in subject


def test_names_of_the_old_certificate_are_kept_and_the_pnid_added():
    """Also addresses."""
    request = asked(certificate=old("alias.example", "192.0.2.7")).request

    assert request.dns_names == ("alias.example", VC1)
    assert request.ip_addresses == ("192.0.2.7",)


def test_a_node_deployed_by_its_address_keeps_that():
    """Its PNID is an address, and no DNS name."""
    renewal = replace(MACHINE, pnid="192.0.2.7")

    request = asked(renewal, certificate=old("vc1.lab.example")).request

    assert request.ip_addresses == ("192.0.2.7",)
    assert request.subject[0] == ("CN", "192.0.2.7")
    assert request.dns_names == ("vc1.lab.example",)


def test_a_wildcard_is_left_out_and_told():
    """VMCA does not sign it."""
    found = asked(certificate=old("*.lab.example", VC1))

    assert found.request.dns_names == (VC1,)
    assert described(found.lost) == "without the name *.lab.example, which VMCA does not sign"


def test_several_names_can_be_given_up_for_the_pnid():
    """With one name there is nothing to give up."""
    several = asked(certificate=old("alias.example", VC1))

    fewer = with_one_name(several, VC1, "no")

    assert fewer is not None
    assert fewer.request.dns_names == (VC1,)
    assert "alias.example" in described(fewer.lost)
    assert with_one_name(asked(), VC1, "no") is None


def test_dates_are_backdated_and_end_with_the_root():
    """Two years, and never past the root's end."""
    request = asked().request
    short = asked(root=vmca(end=100, name="short")).request

    assert request.not_after == NOW + VALIDITY
    assert request.not_before == NOW - timedelta(days=1)
    assert short.not_after == days(100)


def test_an_ended_root_signs_nothing():
    """There is no validity left."""
    with pytest.raises(ValueError, match="no validity is left"):
        asked(root=vmca(end=-1, name="ended"))


@settings(max_examples=50)
@given(value=st.text(max_size=80))
def test_any_subject_of_an_old_certificate_gives_one_that_certool_can_write(value):
    """What it cannot write becomes its default."""
    try:
        made = pki.vmca_root(
            key("leaf"), domain=DOMAIN, host=value, not_before=days(-1), not_after=days(9)
        )
    except ValueError:
        return
    certificate = parse(pki.der(made))
    assert isinstance(certificate, Certificate)

    subject = dict(asked(certificate=certificate).request.subject)

    assert subject["O"] in {value, "VMware"}

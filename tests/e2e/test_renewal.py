"""A run that renews other certificates, too, by the command line: what it says, whom it trusts.

One lab, one run: it is stopped by a store that refuses, resumed, looked at with the old pins and
the new ones, and taken back. The tests judge what was seen on the way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from lab_bench import Bench, build
from stsfix.lab import judge, judge_certificates
from stsfix.lab.faults import Rule
from stsfix.plugin.exit_codes import exit_code
from stsfix.remediation.errors import VecsError

if TYPE_CHECKING:
    from stsfix.lab.judge_certificates import StoredCertificate
    from stsfix_command import Ended

pytestmark = [pytest.mark.e2e, pytest.mark.lab]

VC1 = "vc1.lab.example"


def stored(bench: Bench) -> set[StoredCertificate]:
    """Return every certificate of every store."""
    return set(judge_certificates.stored(bench.lab))


def machine_leaf(bench: Bench) -> str:
    """Return the fingerprint of the machine certificate in the node's store."""
    (found,) = (c for c in stored(bench) if c.store == "MACHINE_SSL_CERT")
    return found.sha256


def node_table(text: str) -> str:
    """Return the part of domain.toml that is about nodes."""
    return "".join(part for part in re.split(r"(?m)^(?=\[)", text) if part.startswith("[nodes"))


@dataclass
class Story:
    """What was seen, in this order."""

    before: set[StoredCertificate]
    refused: Ended
    wished: Ended
    document: dict[str, Any]
    plain_document: dict[str, Any]
    untouched: bool
    stopped: Ended
    refusals: int
    left_when_stopped: list[str]
    resumed: Ended
    renewed: dict[str, Any]
    renewed_leaf: str
    status: dict[str, Any]
    by_old_pin: Ended
    by_new_pin: Ended
    rolled_back: Ended
    after: set[StoredCertificate]
    by_old_pin_again: Ended
    status_again: dict[str, Any]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Tell of a node on which machine SSL and solution users have expired, too; it is pinned."""
    with build("sts-and-machine-ssl-expired", topology="embedded") as lab:
        bench = Bench(lab, tmp_path_factory.mktemp("renewal"))
        told: dict[str, Any] = {"before": stored(bench)}
        told |= _looked_at(bench)
        told |= _renewed(bench)
        told |= _believed(bench, told["resumed"])
        told["rolled_back"] = bench.stsfix.run("rollback", "--yes")
        told["after"] = stored(bench)
        told["by_old_pin_again"] = bench.stsfix.run("preflight", "--renew", "expired")
        told["status_again"] = bench.stsfix.run("status", "--json").json()
        return Story(**told)


def _looked_at(bench: Bench) -> dict[str, Any]:
    told = {
        "refused": bench.stsfix.run("run", "--yes"),
        "wished": bench.stsfix.run("preflight", "--renew", "expired"),
        "document": bench.stsfix.run("preflight", "--json", "--renew", "expired").json(),
        "plain_document": bench.stsfix.run("preflight", "--json").json(),
    }
    return told | {"untouched": bench.writes() == [] and bench.everything() == bench.before}


def _renewed(bench: Bench) -> dict[str, Any]:
    lab = bench.lab
    rule = Rule(protocol="guest", call="vecs-cli entry create", nth=7)
    lab.faults.add(rule)
    told: dict[str, Any] = {"stopped": bench.stsfix.run("run", "--yes", "--renew", "expired")}
    told |= {"refusals": rule.seen, "left_when_stopped": judge.leftovers(lab)}
    lab.faults.clear()
    told["resumed"] = bench.stsfix.run("resume")
    extensions = lab.nodes[VC1].disk.extensions.values()
    told["renewed"] = {
        "expired": judge_certificates.expired(lab),
        "apart": judge_certificates.apart(lab),
        "refusals": judge_certificates.refusals(lab, VC1),
        "login": judge.login_refusal(lab, VC1),
        "backups": {c.alias for c in stored(bench) if c.store == "BACKUP_STORE"},
        "thumbprints": {e.thumbprint for e in extensions if e.ext_id.startswith("com.vmware.")},
        "leftovers": judge.leftovers(lab),
        "exposed": judge.exposed(lab),
    }
    return told | {"renewed_leaf": machine_leaf(bench)}


def _believed(bench: Bench, resumed: Ended) -> dict[str, Any]:
    """Look with the old pin and with the new one, and leave the old one in domain.toml."""
    (old,) = set(re.findall(r"sha256:[0-9a-f]{64}", node_table(bench.text)))
    (pin,) = set(re.findall(r'tls = "(sha256:[0-9a-f]{64})"', resumed.out))
    told = {
        "status": bench.stsfix.run("status", "--json").json(),
        "by_old_pin": bench.stsfix.run("preflight"),
    }
    bench.set_config(lambda text: text.replace(old, pin))
    told["by_new_pin"] = bench.stsfix.run("preflight")
    bench.config.write_text(bench.text, "utf-8")
    return told


def test_a_sound_domain_is_not_renewed(tmp_path):
    """--renew expired finds nothing that has expired: the run is one for the STS, and says so."""
    with build("expired", topology="embedded") as lab:
        plain = Bench(lab, tmp_path)
        before = stored(plain)

        ended = plain.stsfix.run("run", "--yes", "--renew", "expired")

        assert ended.code == 0
        assert stored(plain) == before
        assert "No TLS certificate changed: nothing has to be registered again" in ended.said
        assert "renew-certificates" not in ended.said
        assert plain.stsfix.run("status", "--json").json()["run"]["renewal"] is None


def test_without_the_option_it_is_told_which_one(story):
    """What has expired forbids a plain run, and the advice is the way on."""
    assert story.refused.code == 2
    assert "stsfix run --renew expired" in story.refused.said
    assert story.wished.code in {0, 1}
    assert "stsfix run --renew expired -c domain.toml" in story.wished.said
    assert story.untouched


def test_preflight_says_as_json_what_would_be_renewed(story):
    """Every certificate with its store, its signer and why; null where nothing was asked."""
    found = story.document["renewal"]["certificates"]

    assert {c["why"] for c in found} == {"out of its time"}
    assert {c["signer"] for c in found} == {VC1}
    assert [c["store"] for c in found if c["principal"] is None] == ["MACHINE_SSL_CERT"]
    assert story.plain_document["renewal"] is None


def test_a_store_that_refuses_stops_the_run(story):
    """The exit code is that of stores, and nothing is left on the node."""
    assert story.refusals >= 7
    assert story.stopped.code == exit_code(VecsError(VC1, ""))
    assert story.left_when_stopped == []


def test_resume_renews_the_rest(story):
    """Stores, accounts, trust anchors and extensions agree with what the node shows."""
    (old,) = {c.sha256 for c in story.before if c.store == "MACHINE_SSL_CERT"}
    sets = {"backups", "thumbprints"}
    backups, thumbprints = (story.renewed[name] for name in sorted(sets))

    assert story.resumed.code == 0, story.resumed.said
    assert {
        name: value for name, value in story.renewed.items() if value and name not in sets
    } == {}
    assert story.renewed_leaf != old
    assert backups >= {"bkp___MACHINE_CERT", "bkp_machine", "bkp_vpxd-extension"}
    assert len(thumbprints) <= 3  # of the new pairs, and none for those without


def test_the_new_pins_are_printed_and_are_the_right_ones(story):
    """Until the operator takes them over, the node is refused; then it is known again."""
    assert story.status["run"]["renewal"]["pins"] == {VC1: f"sha256:{story.renewed_leaf}"}
    assert "NODE-TLS" in story.by_old_pin.out
    assert "stsfix status" in story.by_old_pin.said
    assert "NODE-TLS" not in story.by_new_pin.out


def test_a_rollback_is_believed_by_the_old_pin_again(story):
    """What the run made is trusted no more, and what domain.toml says is."""
    assert story.rolled_back.code == 0, story.rolled_back.said
    assert story.after == story.before
    assert "NODE-TLS" not in story.by_old_pin_again.out
    assert story.status_again["run"]["renewal"] is None

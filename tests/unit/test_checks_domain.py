"""Findings about the domain that no lab can show follow from the inventory alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from error_leaves import error_leaves
from memory_hypervisor import MemoryClock, MemoryHost
from sts_material import chain_entry, credential, credential_entry, leaf
from stsfix.lab import pki
from stsfix.remediation.checks.domain import CHECKS, UNREADABLE
from stsfix.remediation.inventory import Inventory, Location, NodeInventory, Problem
from stsfix.remediation.model import (
    DirServer,
    Role,
    RootDse,
    Severity,
    StsEntries,
    StsEntry,
    Topology,
)
from stsfix.remediation.nodes.node_facts import VCenterAbout
from stsfix.snapshot.errors import HostLoginError
from stsfix.snapshot.model import HostRef

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ESX = MemoryHost("esx1.lab.example", MemoryClock())
VM = ESX.observe_vms([ESX.add_vm("vc1")])[0]
HOST = ESX.observe_host()


ROOT = RootDse(
    domain_dn="dc=vsphere,dc=local",
    admin_dn="",
    server_dn="",
    site="s",
    version="8.0.3",
    functional_level=4,
)


def node(fqdn="vc1", **changes):
    """Return a sound embedded node on ESX."""
    sound = NodeInventory(
        fqdn=fqdn,
        role=Role.EMBEDDED,
        role_verified=True,
        vm=VM,
        location=Location(live=(VM.summary,)),
    )
    return replace(sound, **changes)


def findings(*nodes, hosts=(HOST,), **changes):
    """Return what the checks find."""
    inventory = Inventory(
        domain="vsphere.local",
        taken=NOW,
        nodes=nodes,
        hosts=hosts,
        topology=changes.pop("topology", None),
        problems=changes.pop("problems", ()),
    )
    return [finding for check in CHECKS for finding in check(inventory)]


def found(*nodes, hosts=(HOST,), **changes):
    """Return ids and subjects of what the checks find."""
    return [(f.id, f.subject) for f in findings(*nodes, hosts=hosts, **changes)]


def server(name, *partners):
    """Return a directory server entry."""
    return DirServer(name=name, site="s", invocation_id=f"id-{name}", partners=partners)


def test_a_sound_domain_has_no_finding():
    """Nothing is made up."""
    assert found(node()) == []


@pytest.mark.parametrize(("error", "rule"), UNREADABLE.items())
def test_what_could_not_be_read_is_told_by_its_cause(error, rule):
    """Each error has its own finding, about the same subject."""
    problem = Problem(subject="vc1", error=error, text="it failed")

    assert found(node(), problems=(problem,)) == [(rule, "vc1")]


def test_an_expired_password_of_a_host_has_an_advice_of_its_own():
    """The host said so: nobody is sent to look for lockdown mode."""
    text = str(HostLoginError(HostRef("esx1"), "root", "PasswordExpired"))
    problem = Problem(subject="esx1", error="HostLoginError", text=text)

    (finding,) = findings(node(), problems=(problem,))

    assert finding.id == "HOST-LOGIN"
    assert finding.advice.startswith("Set a new password")


def test_an_error_nobody_thought_of_is_told_too():
    """Silence would mean that all is well."""
    problem = Problem(subject="vc1", error="BrandNewError", text="it failed")

    assert found(node(), problems=(problem,)) == [("NOT-CHECKED", "vc1")]


@pytest.mark.parametrize(
    ("subject", "rule"), [("vc1", "GUEST-UNAVAILABLE"), ("esx1", "NOT-CHECKED")]
)
def test_a_host_that_refuses_keeps_everybody_out_of_a_guest(subject, rule):
    """Of a node that means no way in; of the host itself something was not read."""
    problem = Problem(subject=subject, error="HostRestrictedError", text="it refuses")

    assert found(node(), problems=(problem,)) == [(rule, subject)]


def test_known_errors_are_errors_of_the_product():
    """A renamed class would fall back to the vague finding."""
    assert set(UNREADABLE) <= {leaf.__name__ for leaf in error_leaves()}


def listing(*servers):
    """Return what one directory says of a domain of two controllers."""
    return Topology(
        domain="vsphere.local", controllers=("vc1", "vc2"), computers=(), servers=servers
    )


@pytest.mark.parametrize(
    ("mine", "theirs", "alone"),
    [
        (["vc2"], ["vc1"], []),
        ([], ["vc1"], []),  # one way, which is another finding
        ([], [], ["vc1", "vc2"]),
        (None, [], ["vc2"]),
        (None, None, []),
    ],
    ids=["both ways", "one way", "apart", "one not read", "none read"],
)
def test_a_directory_that_replicates_with_nobody_blocks(mine, theirs, alone):
    """Each directory is believed of its own agreements only: what it says of others may be old."""
    old = listing(server("vc1", "vc2"), server("vc2", "vc1"))
    one = None if mine is None else listing(server("vc1", *mine), server("vc2", "vc1"))
    two = None if theirs is None else listing(server("vc1", "vc2"), server("vc2", *theirs))

    ids = found(node(listed=one), node("vc2", listed=two), topology=old)

    assert ids == [("REPL-NO-PARTNER", name) for name in alone]


@pytest.mark.parametrize(
    ("kind", "severity"), [("chain", Severity.BLOCKS), ("credential", Severity.WARNS)]
)
def test_an_entry_without_certificate_is_told(kind, severity):
    """Every chain is looked at by the STS, of the credentials only the one that signs."""
    empty = StsEntry(kind=kind, dn="cn=Entry-1", index=1, chain=(), object_guid="g", usn=1)
    entries = {"credential": (), "chain": (), kind: (empty,)}
    inventory = Inventory(
        domain="vsphere.local",
        taken=NOW,
        nodes=(
            node(
                sts=StsEntries(
                    node="vc1", credentials=entries["credential"], chains=entries["chain"]
                )
            ),
        ),
        hosts=(HOST,),
        topology=None,
        problems=(),
    )

    told = [f for check in CHECKS for f in check(inventory) if f.id == "STS-EMPTY-CHAIN"]

    assert [(f.subject, f.severity) for f in told] == [("cn=Entry-1", severity)]


@pytest.mark.parametrize(
    ("kind", "chain", "severity"),
    [
        ("chain", (b"noise",), Severity.BLOCKS),
        ("chain", (pki.der(leaf("old")), b"noise"), Severity.BLOCKS),
        ("credential", (b"noise",), Severity.WARNS),
    ],
)
def test_a_chain_that_cannot_be_read_forbids_a_repair(kind, chain, severity):
    """An STS reads every chain whole, and a repair leaves such a one alone."""
    entry = StsEntry(kind=kind, dn="cn=Entry-1", index=1, chain=chain, object_guid="g", usn=1)
    held = {"credential": (), "chain": (), kind: (entry,)}
    inventory = Inventory(
        domain="vsphere.local",
        taken=NOW,
        nodes=(
            node(sts=StsEntries(node="vc1", credentials=held["credential"], chains=held["chain"])),
        ),
        hosts=(HOST,),
        topology=None,
        problems=(),
    )

    told = [f for check in CHECKS for f in check(inventory) if f.id == "STS-MALFORMED-CERTIFICATE"]

    assert [(f.severity, f.evidence.partition(":")[0]) for f in told] == [
        (severity, f"certificate {len(chain)} of {len(chain)}")
    ]


def test_nobody_says_that_a_key_is_not_that_of_noise():
    """Whose key it is cannot be told where the certificate cannot be read."""
    noise = StsEntry(
        kind="credential",
        dn="cn=Entry-1",
        index=1,
        chain=(b"noise",),
        object_guid="g",
        usn=1,
        key_matches=False,
    )
    entries = StsEntries(node="vc1", credentials=(noise,), chains=())

    told = {rule for rule, subject in found(node(sts=entries)) if subject == "cn=Entry-1"}

    assert told == {"STS-MALFORMED-CERTIFICATE"}


def test_a_credential_that_begins_with_a_ca_has_the_chain_of_the_same_certificates():
    """What begins with the same CA alone is told as what a repair leaves: nobody's that is here."""
    signer, authority = credential("old", start=-900, end=-220).chain
    sts = StsEntries(
        node="vc1",
        credentials=(credential_entry(1, (authority, signer)),),
        chains=(chain_entry(1, (signer, authority)), chain_entry(7, (authority,))),
    )

    told = [s.partition(",")[0] for rule, s in found(node(sts=sts)) if rule == "STS-FOREIGN-CHAIN"]

    assert told == ["cn=TrustedCertChain-7"]


@pytest.mark.parametrize(
    ("end", "rule", "told"), [(-220, "STS-EXPIRING", True), (-300, "STS-EXPIRED", False)]
)
def test_vcenters_own_refresh_is_named_only_while_the_certificate_works(end, rule, told):
    """Without a login nobody can call it."""
    chain = credential("signer", start=-900, end=end).chain
    entries = tuple(
        StsEntry(kind=kind, dn=f"cn={kind}", index=1, chain=chain, object_guid="g", usn=1)
        for kind in ("credential", "chain")
    )
    sts = StsEntries(node="vc1", credentials=entries[:1], chains=entries[1:])
    about = VCenterAbout(version="8.0.3", build="1")

    found = {f.id: f.advice for f in findings(node(sts=sts, about=about))}

    assert ("?action=refresh" in found[rule]) is told


@pytest.mark.parametrize(
    ("manager", "expected"),
    [
        ("vc1", []),
        ("VC1", []),
        ("192.0.2.1", []),
        ("vcenter.example", [("HOST-MANAGED-ELSEWHERE", "esx1.lab.example")]),
        (None, []),
    ],
    ids=["by name", "in capitals", "by address", "elsewhere", "by nobody"],
)
def test_only_a_vcenter_outside_the_domain_is_elsewhere(manager, expected):
    """The domain's own vCenters are off during the run, so they move nothing."""
    vm = replace(VM, summary=replace(VM.summary, addresses=("192.0.2.1",)))

    result = found(node(vm=vm), hosts=(replace(HOST, managed_by=manager),))

    assert result == expected


def test_a_host_without_nodes_may_be_managed_by_anybody():
    """It is not worked on."""
    other = replace(HOST, host=HostRef("esx2.lab.example"), managed_by="vcenter.example")

    assert found(node(), hosts=(HOST, other)) == []


@pytest.mark.parametrize(
    ("error", "root_dse", "gone"),
    [
        ("DirectoryUnreachableError", None, True),
        ("DirectoryFaultError", None, False),
        ("DirectoryUnreachableError", ROOT, False),
    ],
    ids=["silent", "answers with an error", "answered once"],
)
def test_a_node_that_may_be_gone_is_told_what_to_do_about_it(error, root_dse, gone):
    """No VM and no answer: the way to remove what is still listed, and nothing of it otherwise."""
    lost = node(vm=None, location=Location(), root_dse=root_dse)
    problem = Problem(subject=lost.fqdn, error=error, text="it failed")

    (finding,) = [f for f in findings(lost, problems=(problem,)) if f.id == "NODE-NOT-FOUND"]

    assert ("A node that is gone" in finding.advice) is gone
    assert "instance UUID" in finding.advice


def test_a_registration_that_nobody_holds_is_named():
    """The operator learns where it is."""
    stale = replace(VM.summary, connection="inaccessible")
    lost = node(vm=None, location=Location(stale=(stale,)))
    inventory = Inventory(
        domain="d", taken=NOW, nodes=(lost,), hosts=(HOST,), topology=None, problems=()
    )

    (finding,) = [f for check in CHECKS for f in check(inventory)]

    assert finding.id == "NODE-NOT-FOUND"
    assert "vc1 on esx1.lab.example (inaccessible)" in finding.evidence

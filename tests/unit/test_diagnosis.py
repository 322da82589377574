"""Causes follow from evidence alone: proven ones, ones that only a line names, and history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings

from any_evidence import EVIDENCE
from memory_hypervisor import MemoryClock, MemoryHost
from sts_material import NODE, NOW, chain_entry, credential_entry, days, entries, key, leaf, root
from stsfix.lab import pki
from stsfix.remediation.diagnosis.causes import BY_ID, CAUSES
from stsfix.remediation.diagnosis.diagnose import diagnose
from stsfix.remediation.diagnosis.evidence import Evidence, NodeEvidence, TokenAnswer, WebAnswer
from stsfix.remediation.diagnosis.log_lines import line_time
from stsfix.remediation.diagnosis.log_signatures import BY_ID as KINDS
from stsfix.remediation.diagnosis.log_signatures import SIGNATURES
from stsfix.remediation.diagnosis.model import Confidence, Outcome
from stsfix.remediation.diagnosis.nodes import WORKSTATION
from stsfix.remediation.inventory import Inventory, NodeInventory
from stsfix.remediation.inventory_certificates import (
    DirectoryCertificates,
    NodeCertificates,
    ShownCertificate,
    SolutionUser,
    UnreadPart,
)
from stsfix.remediation.model import Role, Topology
from stsfix.remediation.nodes.log_script import LogQuote, LogReading
from stsfix.remediation.nodes.node_facts import ClockReading, DiskSpace, NodeFacts, Unread
from stsfix.remediation.ports import ServiceReport
from stsfix.snapshot.model import PowerState

OTHER = "vc2.lab.example"
ESX = MemoryHost("esx1.lab.example", MemoryClock())
VM = ESX.observe_vms([ESX.add_vm("vc1")])[0]
HOST = ESX.observe_host()
RIGHT = ClockReading(skew=timedelta(0), uncertainty=timedelta(0), source="test")
FACTS = NodeFacts(vmdir_state="Normal", vmdird_installed=True, disks=(), services="")
SERVICES = ServiceReport(node=NODE, running=("vpxd",), stopped=())
ROOT = pki.der(root())
TOPOLOGY = Topology(domain="vsphere.local", controllers=(NODE,), computers=(), servers=())


def sts(start=-10.0, end=700.0, name="leaf", number=1, **changes):
    """Return STS entries with one credential, valid that many days from now."""
    made = pki.der(leaf(name, start=start, end=end))
    credential = replace(credential_entry(number, (made, ROOT)), **changes)
    return entries((credential,), (chain_entry(number, (made, ROOT)),))


def tls(end=365.0):
    """Return a machine certificate, DER, that ends in so many days."""
    made = pki.vmca_leaf(
        key("machine"),
        issuer=root(),
        issuer_key=key("root"),
        common_name=NODE,
        not_before=days(-400),
        not_after=days(end),
        names=[NODE],
    )
    return pki.der(made)


def showing(port):
    """Return what a node shows whose certificate on *port* ended yesterday."""
    return NodeCertificates(shown=(ShownCertificate(port=port, leaf=tls(-1)),))


def node(fqdn=NODE, **changes):
    """Return a sound embedded node, read whole."""
    shown = (ShownCertificate(port="https", leaf=tls()),)
    sound = NodeInventory(
        fqdn=fqdn,
        role=Role.EMBEDDED,
        sts=sts(),
        vm=VM,
        services=SERVICES,
        facts=FACTS,
        clock=RIGHT,
        certificates=NodeCertificates(shown=shown),
    )
    return replace(sound, **changes)


def quote(kind, text, *, log="vpxd.log", changed=NOW):
    """Return a line of a log."""
    return LogQuote(
        path=f"/var/log/vmware/vpxd/{log}",
        signature=kind,
        text=text,
        written=line_time(text),
        changed=changed,
    )


def told(*lines, token=None, web=(), **more):
    """Return what a node told besides."""
    return NodeEvidence(
        logs=LogReading(quotes=lines), token=token or TokenAnswer(), web=web, **more
    )


def diagnosis(*nodes, evidence=None, hosts=(), held=None):
    """Return the diagnosis of a domain of *nodes*; *evidence* is by FQDN."""
    given_nodes = nodes or (node(),)
    held = held or DirectoryCertificates(node=NODE)
    inventory = Inventory(
        domain="vsphere.local",
        taken=NOW,
        nodes=given_nodes,
        hosts=hosts,
        topology=TOPOLOGY,
        problems=(),
        certificates=held,
    )
    nodes_told = {n.fqdn: told() for n in given_nodes} | (evidence or {})
    return diagnose(Evidence(inventory=inventory, nodes=nodes_told))


def ids(found):
    """Return the ids of the causes in their order."""
    return [named.cause.id for named in found.causes]


def refusal(first, last, at=NOW, zone="UTC"):
    """Return the text of InvalidTimeRange as the STS writes it."""
    form = f"%a %b %d %H:%M:%S {zone} %Y"
    return (
        "Cause:ns0:InvalidTimeRange: The token authority rejected an issue request :: Signing "
        f"certificate is not valid at {at:{form}}, cert validity: TimePeriod "
        f"[startTime={first:{form}}, endTime={last:{form}}]"
    )


def stamped(text, moment=NOW):
    """Return *text* as a line that was written at *moment*."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z [pool-2  ERROR x opId=] {text}"


def test_a_sound_domain_has_no_cause():
    """And says what was seen to work."""
    found = diagnosis()

    assert ids(found) == []
    assert any("issues tokens" in sentence for sentence in found.sound)


def with_chain(*ders):
    """Return sound STS entries with one trusted chain more."""
    sound = sts()
    return replace(sound, chains=(*sound.chains, chain_entry(2, ders)))


OF_OLD = (ROOT, pki.der(leaf("of-old", start=-800, end=-3)))
"""A chain in the wrong order, as upgrades left them."""


def with_pair(credential, chain):
    """Return sound STS entries with an old credential and one trusted chain more."""
    sound = with_chain(*chain)
    return replace(sound, credentials=(credential_entry(0, credential), *sound.credentials))


EXPIRED = sts(start=-800, end=-3)
STOPPED = ServiceReport(node=NODE, running=("vmdird",), stopped=("vmware-vpxd", "vmcam"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sts": EXPIRED}, ["STS-EXPIRED"]),
        ({"sts": sts(start=5)}, ["STS-NOT-YET-VALID"]),
        ({"sts": entries((), ())}, ["STS-NO-CREDENTIAL"]),
        ({"sts": sts(key_matches=False)}, ["STS-KEY-MISMATCH"]),
        ({"sts": sts(chain=(b"noise",))}, ["STS-ENTRY-BROKEN"]),
        ({"sts": sts(chain=())}, ["STS-ENTRY-BROKEN"]),
        ({"sts": replace(sts(), chains=())}, ["STS-UNTRUSTED"]),
        ({"sts": with_chain()}, ["STS-ENTRY-BROKEN"]),
        ({"sts": with_chain(b"noise")}, ["STS-ENTRY-BROKEN"]),
        ({"sts": with_chain(pki.der(leaf("old", end=90)), b"noise")}, ["STS-ENTRY-BROKEN"]),
        ({"sts": with_chain(ROOT)}, ["CHAIN-LEAFLESS"]),
        ({"sts": with_chain(*OF_OLD[::-1])}, ["CHAINS-OBSOLETE"]),
        ({"sts": with_pair(OF_OLD, OF_OLD[::-1])}, []),
        ({"sts": EXPIRED, "services": STOPPED}, ["STS-EXPIRED"]),
        ({"services": STOPPED}, ["SERVICES-DOWN"]),
        (
            {
                "certificates": NodeCertificates(
                    shown=(ShownCertificate(port="https", leaf=tls(-1)),)
                )
            },
            ["MACHINE-SSL-EXPIRED"],
        ),
        (
            {
                "certificates": NodeCertificates(
                    shown=(ShownCertificate(port="vami", leaf=tls(-1)),)
                )
            },
            [],
        ),
        ({"facts": replace(FACTS, vmdir_state="Read only")}, ["VMDIR-READ-ONLY"]),
        (
            {
                "facts": replace(
                    FACTS,
                    disks=(DiskSpace(mount="/storage/log", capacity_bytes=10**10, free_bytes=0),),
                )
            },
            ["DISK-FULL"],
        ),
        ({"clock": replace(RIGHT, skew=timedelta(minutes=6))}, ["CLOCK-WRONG"]),
        (
            {"clock": replace(RIGHT, skew=timedelta(minutes=6), uncertainty=timedelta(minutes=2))},
            [],
        ),
        (
            {"vm": replace(VM, summary=replace(VM.summary, power=PowerState.OFF))},
            ["NODE-DOWN"],
        ),
    ],
)
def test_what_was_read_proves_a_cause(changes, expected):
    """One thing wrong is one cause, proven, on its node."""
    found = diagnosis(node(**changes))

    assert ids(found) == expected
    for named in found.causes:
        assert named.confidence is Confidence.PROVEN
        assert named.nodes == (NODE,)
        assert named.proofs
        assert found.outcome is Outcome.CAUSE


def test_the_gravest_cause_comes_first():
    """In the order of the registry, whatever was read first."""
    bad = NodeCertificates(shown=(ShownCertificate(port="https", leaf=tls(-1)),))
    late = replace(RIGHT, skew=timedelta(hours=-2))

    found = diagnosis(node(sts=EXPIRED, certificates=bad, clock=late))

    assert ids(found) == ["STS-EXPIRED", "MACHINE-SSL-EXPIRED", "CLOCK-WRONG"]


def test_nodes_that_share_a_proof_are_named_together():
    """Two directories of one domain say the same."""
    found = diagnosis(node(sts=EXPIRED), node(OTHER, sts=EXPIRED))

    (named,) = found.causes
    assert named.nodes == (NODE, OTHER)
    assert [proof.partition(":")[0] for proof in named.proofs] == [f"{NODE}, {OTHER}"]


def test_solution_users_are_named_by_the_node_in_their_certificates():
    """Each expired account is a proof."""
    user = SolutionUser(name="vpxd-1", subject="", certificates=(tls(-1),))
    held = DirectoryCertificates(node=NODE, solution_users=(user,))

    found = diagnosis(held=held)

    assert ids(found) == ["SOLUTION-USERS-EXPIRED"]
    assert found.causes[0].nodes == (NODE,)


def test_a_line_about_the_expired_certificate_supports_the_cause():
    """Its dates are those of the certificate in force, in whatever zone the node writes them."""
    first, last = leaf("leaf", start=-800, end=-3).not_valid_before_utc, days(-3)
    text = stamped(refusal(first - timedelta(hours=5), last - timedelta(hours=5), zone="EST"))

    found = diagnosis(node(sts=EXPIRED), evidence={NODE: told(quote("signer-dates", text))})

    assert ids(found) == ["STS-EXPIRED"]
    assert [line.text for line in found.causes[0].lines] == [text]
    assert found.history == ()


def test_a_line_about_an_earlier_certificate_is_history():
    """After a repair the logs still hold the old refusals."""
    text = stamped(refusal(days(-800), days(-30)), NOW - timedelta(hours=1))

    found = diagnosis(evidence={NODE: told(quote("signer-dates", text))})

    assert ids(found) == []
    (line,) = found.history
    assert "names a certificate that ended" in line.note
    assert found.outcome is Outcome.NOTHING


def test_a_sound_certificate_that_was_refused_speaks_of_the_clock():
    """The node's clock was outside its validity; if it still is, that is the cause."""
    made = leaf("leaf", start=-10, end=700)
    text = stamped(refusal(made.not_valid_before_utc, made.not_valid_after_utc, at=days(-20)))
    line = {NODE: told(quote("signer-dates", text))}

    past = diagnosis(evidence=line)
    now = diagnosis(node(clock=replace(RIGHT, skew=timedelta(days=-20))), evidence=line)

    assert ids(past) == []
    assert "a clock was wrong" in past.history[0].note
    assert ids(now) == ["CLOCK-WRONG"]
    assert [found.text for found in now.causes[0].lines] == [text]
    assert "is out of its time" in now.causes[0].proofs[0]


def test_without_a_directory_a_recent_line_names_the_cause_alone():
    """It is not proven, and is said to be so."""
    text = stamped(refusal(days(-800), days(-3)), NOW - timedelta(hours=3))
    unread = node(sts=None, role=Role.EMBEDDED)

    found = diagnosis(unread, evidence={NODE: told(quote("signer-dates", text))})

    assert ids(found) == ["STS-EXPIRED"]
    assert found.causes[0].confidence is Confidence.LOG_ONLY
    assert found.causes[0].proofs == ()


def test_an_old_line_names_nothing_alone():
    """What was so a month ago may be mended since."""
    text = stamped(refusal(days(-800), days(-40)), NOW - timedelta(days=30))

    found = diagnosis(node(sts=None), evidence={NODE: told(quote("signer-dates", text))})

    assert ids(found) == []
    assert len(found.history) == 1


def test_a_published_certificate_speaks_where_no_directory_does():
    """SAML metadata are readable without a login, also from a node that is not verified."""
    expired = pki.der(leaf("leaf", start=-800, end=-3))

    found = diagnosis(node(sts=None), evidence={NODE: told(signer=expired)})

    assert ids(found) == ["STS-EXPIRED"]
    assert "could not be verified" in found.causes[0].proofs[0]


def test_an_sts_that_did_not_reload_is_told_from_one_that_has_expired():
    """The directory has a sound certificate, the node publishes the old one."""
    old = pki.der(leaf("old", start=-800, end=-3))

    found = diagnosis(node(certificates=NodeCertificates(published=old)))

    assert ids(found) == ["STS-STALE"]


def test_lines_from_before_the_certificate_ended_are_history():
    """A cause explains only what came after it."""
    before = stamped("Failed to read X509 cert; err: 151441516", days(-20))
    after = stamped("Failed to read X509 cert; err: 151441516", days(-1))
    lines = (quote("x509-read", before), quote("x509-read", after))

    found = diagnosis(node(sts=EXPIRED), evidence={NODE: told(*lines)})

    assert [line.text for line in found.causes[0].lines] == [after]
    assert [line.text for line in found.history] == [before]


def test_times_of_lines_are_the_nodes_own():
    """A node that is a month ahead writes lines of next month."""
    ahead = replace(RIGHT, skew=timedelta(days=30))
    line = quote("disk-full", stamped("No space left on device", days(30)))

    found = diagnosis(
        node(clock=ahead, facts=replace(FACTS, disks=Unread(reason="df said nothing"))),
        evidence={NODE: told(line)},
    )

    assert ids(found) == ["CLOCK-WRONG", "DISK-FULL"]
    assert found.causes[1].confidence is Confidence.LOG_ONLY


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (refusal(days(-800), days(-3)), "STS-STALE"),
        (refusal(days(3), days(800)), "STS-NOT-YET-VALID"),
        (refusal(days(-10), days(700), at=days(800)), "CLOCK-WRONG"),
        ("clock skew between this workstation and the node (MessageExpired: x)", "CLOCK-WRONG"),
        ("sts-token on vc1 failed: RequestFailed: nobody knows", "STS-REFUSES"),
    ],
)
def test_the_sts_itself_says_why_it_refuses(text, expected):
    """Its answer is of now, and is believed where the directory says that all is well."""
    answer = TokenAnswer(error="ProofError", text=text)

    found = diagnosis(evidence={NODE: told(token=answer)})

    assert ids(found) == [expected]


def test_a_refusal_that_is_explained_is_no_cause_of_its_own():
    """That the STS refuses follows from having no credential."""
    answer = TokenAnswer(error="ProofError", text="RequestFailed: no credential")

    found = diagnosis(node(sts=entries((), ())), evidence={NODE: told(token=answer)})

    assert ids(found) == ["STS-NO-CREDENTIAL"]


def test_this_workstation_is_suspected_when_all_others_agree():
    """Three clocks that agree against one."""
    off = replace(RIGHT, skew=timedelta(hours=2))
    host = replace(HOST, clock_skew=timedelta(hours=2, seconds=1))

    found = diagnosis(node(clock=off), node(OTHER, clock=off), hosts=(host,))
    alone = diagnosis(node(clock=off))

    assert found.causes[0].nodes == (WORKSTATION,)
    assert alone.causes[0].nodes == (NODE,)


def test_services_that_nothing_else_keeps_down_are_a_cause():
    """The lowest services run whatever certificates say."""
    low = ServiceReport(node=NODE, running=(), stopped=("vmafdd", "vmdird", "vpxd"))

    found = diagnosis(node(sts=EXPIRED), node(OTHER, services=low))

    assert ids(found) == ["STS-EXPIRED", "SERVICES-DOWN"]
    assert found.causes[1].nodes == (OTHER,)


def test_a_database_that_is_down_is_not_the_work_of_a_certificate():
    """It needs no token; a full partition explains it."""
    down = ServiceReport(node=NODE, running=(), stopped=("vmware-vpostgres", "vmware-vpxd"))
    full = DiskSpace(mount="/storage/db", capacity_bytes=10**10, free_bytes=0)

    alone = diagnosis(node(sts=EXPIRED, services=down))
    filled = diagnosis(node(sts=EXPIRED, services=down, facts=replace(FACTS, disks=(full,))))

    assert ids(alone) == ["STS-EXPIRED", "SERVICES-DOWN"]
    assert ids(filled) == ["STS-EXPIRED", "DISK-FULL"]


def test_services_that_only_a_line_explains_are_no_cause_of_their_own():
    """They do not prove what the line says, either."""
    text = stamped(refusal(days(-800), days(-3)), NOW - timedelta(hours=3))
    line = quote("signer-dates", text)
    blind = node(sts=None, services=STOPPED, certificates=NodeCertificates())

    found = diagnosis(blind, evidence={NODE: told(line, token=UnreadPart(what="", reason=""))})

    assert ids(found) == ["STS-EXPIRED"]
    assert found.causes[0].confidence is Confidence.LOG_ONLY
    assert "services that do not run: vmware-vpxd" in found.causes[0].proofs[0]


def test_pages_are_quoted_for_the_nodes_that_are_named():
    """What another node answers belongs to that node's cause."""
    low = ServiceReport(node=NODE, running=(), stopped=("vmafdd",))
    told_pages = {NODE: told(web=(PAGE,)), OTHER: told(web=(PAGE,))}

    found = diagnosis(
        node(sts=EXPIRED, services=STOPPED), node(OTHER, services=low), evidence=told_pages
    )

    assert ids(found) == ["STS-EXPIRED", "SERVICES-DOWN"]
    assert {line.node for line in found.causes[1].lines} == {OTHER}


def test_a_gateway_has_no_vmdird_to_miss():
    """Its program is not installed."""
    gone = ServiceReport(node=NODE, running=(), stopped=("vmdird",))

    found = diagnosis(node(services=gone, facts=replace(FACTS, vmdird_installed=False)))

    assert ids(found) == []


PAGE = WebAnswer(
    request="GET https://vc1:443/ui/", status=503, text="no healthy upstream", verified=False
)


def test_a_page_without_a_service_counts_where_services_are_not_known():
    """With a cause it goes along as a quote, and says that the node was not verified."""
    blind = {"services": None, "facts": Unread(reason="no transport")}

    alone = diagnosis(node(**blind), evidence={NODE: told(web=(PAGE,))})
    explained = diagnosis(node(sts=EXPIRED, services=STOPPED), evidence={NODE: told(web=(PAGE,))})

    assert ids(alone) == ["SERVICES-DOWN"]
    assert ids(explained) == ["STS-EXPIRED"]
    assert [line.text for line in explained.causes[0].lines] == ["no healthy upstream"]
    assert explained.causes[0].lines[0].note


def test_what_could_not_be_read_is_told_and_never_taken_for_sound():
    """Nothing found and something unread is not nothing wrong."""
    unread = NodeEvidence(
        logs=UnreadPart(what="logs", reason="no transport"),
        web=(UnreadPart(what="GET /ui/", reason="refused"),),
        token=UnreadPart(what="a token from its STS", reason="not sent"),
    )

    found = diagnosis(evidence={NODE: unread})

    assert ids(found) == []
    assert found.outcome is Outcome.UNCHECKED
    assert {part.what for part in found.unchecked} >= {"logs", "GET /ui/", "a token from its STS"}


def test_a_silent_node_is_a_cause():
    """No port answers, and nothing ran in its guest."""
    unread = (UnreadPart(what="the certificate of its https port", reason="refused"),)
    silent = node(
        sts=None,
        vm=None,
        services=None,
        facts=Unread(reason="its VM was not found"),
        certificates=NodeCertificates(unread=unread),
    )

    found = diagnosis(silent, evidence={NODE: NodeEvidence()})

    assert ids(found) == ["NODE-DOWN"]


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.id)
def test_every_cause_can_be_acted_on(cause):
    """It has an advice or a command, lines that exist, and sentences that end."""
    assert cause.advice.endswith(".")
    assert cause.meaning.endswith(".")
    assert set(cause.lines) | set(cause.alone) <= set(KINDS)
    assert set(cause.alone) <= set(cause.lines)


def test_every_kind_of_line_speaks_for_some_cause():
    """A line that is looked for and explains nothing would be noise."""
    assert {s.id for s in SIGNATURES} == {kind for cause in CAUSES for kind in cause.lines}
    assert len(BY_ID) == len(CAUSES)


@settings(max_examples=60)
@given(evidence=EVIDENCE)
def test_any_evidence_gives_a_diagnosis(evidence):
    """Whatever was read: causes in order, each proven or with a line, and equal when repeated."""
    found = diagnose(evidence)

    assert found == diagnose(evidence)
    assert ids(found) == [cause.id for cause in CAUSES if cause.id in ids(found)]
    assert all(named.nodes and (named.proofs or named.lines) for named in found.causes)
    assert all(line.note for line in found.history)
    texts = [line.text for named in found.causes for line in named.lines]
    assert all(text.isprintable() for text in texts + [line.text for line in found.history])

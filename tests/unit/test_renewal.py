"""What a run renews: by dates, by issuer, on which node, signed by whom."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renewal_worlds import (
    MACHINE_IDS,
    PSC,
    USERS,
    VC1,
    VC2,
    accounts,
    entry,
    issued,
    look,
    sha256,
    stores,
)
from sts_material import NOW
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.model import Renew, Renewal, Role
from stsfix.remediation.pki import vecs
from stsfix.remediation.renewal.plan import SOON, Why, plan_renewals

MACHINE = vecs.MACHINE_SSL
STRANGER = "corporate.example"


def plan(*nodes, renew=Renew.EXPIRED, new_root=False, known=None):
    """Return the plan for *nodes* now."""
    return plan_renewals(
        nodes,
        accounts(*nodes) if known is None else known,
        renew=renew,
        new_vmca_root=new_root,
        now=NOW,
    )


def what(found):
    """Return where and why, of everything that is planned."""
    return {(p.renewal.node, p.renewal.store): p.why for p in found.planned}


def rules(found):
    """Return the ids and subjects of what was told."""
    return {(o.rule, o.subject) for o in found.obstacles}


def test_nothing_is_renewed_unless_it_was_asked():
    """A run for the STS credential alone plans nothing, whatever has expired."""
    found = plan(look(ends={MACHINE: -1, "vpxd": -1}), renew=Renew.NONE)

    assert found.is_empty
    assert found.renew is Renew.NONE
    assert found.obstacles == ()


def test_expired_renews_what_is_out_of_its_time_and_what_ends_soon():
    """Everything else is left alone."""
    found = plan(look(ends={MACHINE: -1, "vpxd": SOON.days - 1, "machine": SOON.days + 1}))

    assert what(found) == {(VC1, "vpxd"): Why.ENDING, (VC1, MACHINE): Why.ENDED}
    assert found.obstacles == ()


def test_a_renewal_says_all_that_a_resume_needs():
    """Entry, fingerprint of what was there, who signs, and whose account it is."""
    node = look(ends={"vpxd": -1, MACHINE: -1})

    found = plan(node)

    assert found.renewals == (
        Renewal(
            node=VC1,
            store="vpxd",
            alias="vpxd",
            sha256=sha256(node, "vpxd"),
            signer=VC1,
            pnid=VC1,
            machine_id=MACHINE_IDS[VC1],
            principal=f"vpxd-{MACHINE_IDS[VC1]}",
        ),
        Renewal(
            node=VC1,
            store=MACHINE,
            alias="__MACHINE_CERT",
            sha256=sha256(node, MACHINE),
            signer=VC1,
            pnid=VC1,
        ),
    )


def test_all_renews_everything_that_vmca_issued():
    """Also what is in its time."""
    found = plan(look(), look(VC2), renew=Renew.ALL)

    assert what(found) == {
        (node, store): Why.ASKED for node in (VC1, VC2) for store in (*USERS, MACHINE)
    }


def test_a_management_node_is_signed_for_by_its_psc():
    """It has no VMCA of its own."""
    psc = look(PSC, role=Role.PSC, users=("machine", "vsphere-webclient"))
    vcenter = look(VC1, role=Role.VCENTER, signer=PSC, ends={MACHINE: -1})

    (renewal,) = plan(psc, vcenter).renewals

    assert (renewal.node, renewal.signer) == (VC1, PSC)


def test_a_node_behind_a_load_balancer_is_signed_for_by_the_only_vmca():
    """The name of a load balancer is no node; with several VMCAs nobody can tell which."""
    psc = look(PSC, role=Role.PSC, users=("machine",))
    vcenter = replace(
        look(VC1, role=Role.VCENTER, signer=PSC, ends={MACHINE: -1}), controller="vip.lab.example"
    )

    (renewal,) = plan(psc, vcenter).renewals
    two = plan(psc, look(VC2), vcenter)

    assert renewal.signer == PSC
    assert two.planned == ()
    assert ("RENEW-NOT-READ", f"{MACHINE} on {VC1}") in rules(two)


# ------------------------------------------------------------------ custom CAs


def custom(end):
    """Return a node whose machine certificate somebody else's CA issued."""
    node = look()
    assert node.stores is not None
    others = [e for e in node.stores.entries if e.store != MACHINE]
    own = entry(MACHINE, issued("vc1", end, ca=STRANGER, names=(VC1,)))
    return replace(node, stores=stores(*others, own))


@pytest.mark.parametrize("renew", [Renew.EXPIRED, Renew.ALL])
def test_an_expired_custom_certificate_is_not_replaced_silently(renew):
    """A run that would do it is forbidden until somebody accepts it."""
    found = plan(custom(-1), renew=renew)

    assert ("RENEW-CUSTOM-CA", f"{MACHINE} on {VC1}") in rules(found)
    assert what(found)[VC1, MACHINE] is Why.ENDED


def test_a_custom_certificate_in_its_time_is_left_alone():
    """Also when all are asked for; it is told."""
    found = plan(custom(400), renew=Renew.ALL)

    assert (VC1, MACHINE) not in what(found)
    assert ("RENEW-LEFT", f"{MACHINE} on {VC1}") in rules(found)
    assert plan(custom(400)).obstacles == ()


@pytest.mark.parametrize("new_root", [False, True])
def test_a_windows_node_forbids_a_renewal_and_is_named_once(new_root):
    """One obstacle says so for stores and root alike; nothing of the node is planned."""
    there = look(ends={MACHINE: -1})
    windows = replace(look(VC2), stores=None, vmca=(), windows=True, unread="not asked")

    found = plan(there, windows, new_root=new_root, known=accounts(there))

    told = [o for o in found.obstacles if o.subject == VC2]
    assert [(o.rule, o.evidence, o.mild) for o in told] == [("RENEW-WINDOWS", "not asked", False)]
    assert set(what(found)) == {(VC1, MACHINE)}


def test_a_certificate_of_an_earlier_vmca_root_is_no_custom_one():
    """The root was replaced before; what it issued still names its node."""
    node = look()
    assert node.stores is not None
    others = [e for e in node.stores.entries if e.store != MACHINE]
    old = entry(MACHINE, issued("vc1", -1, root_end=2001))  # another root of VMCA of vc1
    found = plan(replace(node, stores=stores(*others, old)))

    assert what(found) == {(VC1, MACHINE): Why.ENDED}
    assert found.obstacles == ()


# ------------------------------------------------------------------ roots


def test_a_vmca_whose_root_has_ended_cannot_sign():
    """Without a new root nothing it would sign is worth anything."""
    found = plan(look(ends={MACHINE: -1}, root_end=-1))

    assert [(o.rule, o.subject, o.mild) for o in found.obstacles] == [
        ("RENEW-ROOT-ENDED", VC1, False)
    ]
    assert found.new_roots == ()


def test_a_vmca_whose_root_ends_soon_signs_with_a_warning():
    """What it signs ends with it."""
    found = plan(look(ends={MACHINE: -1}, root_end=20))

    assert [(o.rule, o.mild) for o in found.obstacles] == [("RENEW-ROOT-ENDED", True)]


def test_a_new_root_renews_everything_the_old_one_issued():
    """On every node that it signed for, and nothing that another VMCA issued."""
    first, second = look(root_end=-1), look(VC2)

    found = plan(first, second, renew=Renew.NONE, new_root=True)

    assert found.new_roots == (VC1,)
    assert found.renew is Renew.EXPIRED
    assert what(found) == {(VC1, store): Why.NEW_ROOT for store in (*USERS, MACHINE)}
    assert found.obstacles == ()


def test_a_new_root_of_a_psc_renews_its_vcenters():
    """They have no root of their own."""
    psc = look(PSC, role=Role.PSC, users=("machine",), root_end=-1)
    vcenter = look(VC1, role=Role.VCENTER, signer=PSC, root_end=-1)

    found = plan(psc, vcenter, new_root=True)

    assert {node for node, _ in what(found)} == {PSC, VC1}
    assert all(p.renewal.signer == PSC for p in found.planned)


def test_a_root_that_nobody_needs_is_refused():
    """Everything that trusts the old one would have to learn it for nothing."""
    found = plan(look(), look(VC2), new_root=True)

    assert found.is_empty
    assert {rule for rule, _ in rules(found)} == {"RENEW-ROOT-NEEDLESS"}


def test_a_vmca_below_another_ca_gets_no_root_of_its_own_silently():
    """It would part from the company's hierarchy."""
    below = look(root_end=-1)
    above = issued("ca", -1, ca=STRANGER)

    found = plan(replace(below, vmca=(*below.vmca, above)), new_root=True)

    [told] = [o for o in found.obstacles if o.rule == "RENEW-SUBORDINATE"]
    assert told.subject == VC1
    assert told.evidence.startswith("its chain ends ")
    assert "above it is " in told.evidence


def test_a_node_whose_own_vmca_is_unread_is_not_signed_for_by_another():
    """Nobody decides silently that another node's authority issues its certificates."""
    found = plan(replace(look(), vmca=()), look(VC2), renew=Renew.ALL)

    assert {p.renewal.node for p in found.planned} == {VC2}
    assert {o.evidence for o in found.obstacles} == {"the root of its node's VMCA is not known"}


def test_nobody_says_that_no_root_is_needed_while_one_is_unread():
    """What is not known needs no root as little as it needs one."""
    found = plan(replace(look(), vmca=()), look(VC2), new_root=True)

    assert rules(found) == {("RENEW-NOT-READ", VC1)}


def test_without_a_directory_nobody_knows_the_accounts():
    """They are unread, not lost; the machine certificate needs none."""
    found = plan_renewals([look()], None, renew=Renew.ALL, new_vmca_root=False, now=NOW)

    assert {p.renewal.store for p in found.planned} == {vecs.MACHINE_SSL}
    assert {(o.rule, o.subject) for o in found.obstacles} == {("RENEW-NOT-READ", VC1)}


def test_a_vmca_that_could_not_be_read_forbids_a_new_root():
    """Nobody knows whether it needs one."""
    found = plan(replace(look(), vmca=()), look(VC2, root_end=-1), new_root=True)

    assert ("RENEW-NOT-READ", VC1) in rules(found)


# ------------------------------------------------------------------ what is missing


@pytest.mark.parametrize(
    "held",
    [
        None,
        vecs.NodeStores(),
        vecs.NodeStores(
            stores=("machine",), unread=(UnreadPart(what="store vpxd", reason="denied"),)
        ),
    ],
    ids=["not read", "none", "one of them"],
)
def test_stores_that_were_not_read_forbid_a_renewal(held):
    """What is not known cannot be renewed, and is not taken for fine."""
    found = plan(replace(look(), stores=held))

    assert rules(found) == {("RENEW-NOT-READ", VC1)}


def test_a_flood_of_revocation_lists_does_not_matter_here():
    """That store is not renewed."""
    node = look(ends={MACHINE: -1})
    assert node.stores is not None
    unread = (UnreadPart(what=f"store {vecs.CRLS}", reason="too many"),)

    found = plan(replace(node, stores=replace(node.stores, unread=unread)))

    assert what(found) == {(VC1, MACHINE): Why.ENDED}
    assert found.obstacles == ()


def test_a_solution_user_without_an_account_is_told_and_left():
    """Nothing logs in with it; an account found by its certificate counts."""
    node = look(ends={"vpxd": -1})
    assert node.stores is not None
    vpxd = node.stores.entry("vpxd", "vpxd")
    assert vpxd is not None

    without = plan(node, known={})
    by_certificate = plan(node, known={"odd-name": vpxd.certificates})

    assert without.planned == ()
    assert rules(without) == {("RENEW-NO-ACCOUNT", f"vpxd on {VC1}")}
    assert by_certificate.renewals[0].principal == "odd-name"


def test_a_store_with_noise_in_it_is_told():
    """What cannot be read may have expired, too."""
    found = plan(look(users=("machine",), more=(entry("vpxd", b"noise"),)))

    assert rules(found) == {("RENEW-NOT-READ", f"vpxd on {VC1}")}


@pytest.mark.parametrize("store", ["data-encipherment", "SMS", "STS_INTERNAL_SSL_CERT"])
def test_what_is_not_renewed_is_told_with_its_reason(store):
    """As long as it is in its time there is nothing to tell."""
    ended, fine = entry(store, issued(store, -1)), entry(store, issued(store, 400))

    assert rules(plan(look(more=(ended,)))) == {("RENEW-LEFT", f"{store} on {VC1}")}
    assert plan(look(more=(fine,))).obstacles == ()


@settings(max_examples=50)
@given(
    left=st.dictionaries(
        st.sampled_from((*USERS, MACHINE)), st.sampled_from((-400.0, -1.0, 5.0, 29.0, 31.0, 900.0))
    ),
    renew=st.sampled_from((Renew.EXPIRED, Renew.ALL)),
    root_end=st.sampled_from((-1.0, 10.0, 2000.0)),
    new_root=st.booleans(),
)
def test_every_certificate_is_renewed_or_in_its_time(left, renew, root_end, new_root):
    """Nothing that has expired is forgotten, and nothing is planned twice or for another node."""
    node = look(ends=left, root_end=root_end)

    found = plan(node, renew=renew, new_root=new_root)

    planned = [p.renewal.store for p in found.planned]
    assert len(planned) == len(set(planned))
    assert {store for store, end in left.items() if end < SOON.days} <= set(planned)
    assert {p.renewal.node for p in found.planned} <= {VC1}
    if renew is Renew.ALL or (new_root and root_end < SOON.days):
        assert set(planned) == {*USERS, MACHINE}
    assert (root_end < SOON.days and bool(planned) and not new_root) == any(
        o.rule == "RENEW-ROOT-ENDED" for o in found.obstacles
    )

"""vmdir of the lab: two nodes (rows of vmdird measured, section 8)."""

from __future__ import annotations

import copy
import time

import ldap3
import pytest

from stsfix.lab.clock import LabClock
from stsfix.lab.faults import Rule
from stsfix.lab.vmdir import dump, find_entries, get_values, replication_status
from stsfix.lab.vmdir.replication import changes_after
from vmdir_lab import (
    CHAINS,
    CREDENTIAL,
    N1,
    N2,
    TENANT,
    code,
    domain_spec,
    material,
    read,
    running,
)

pytestmark = pytest.mark.lab
REPLACE = ldap3.MODIFY_REPLACE
CHAIN_CLASS = "vmwSTSTenantTrustedCertificateChain"
DIRECTIONS = pytest.mark.parametrize(("writer", "other"), [(N1, N2), (N2, N1)])


@pytest.fixture
def lab():
    """Serve two joined nodes that replicate only when told to."""
    with running(N1, N2) as made:
        yield made


def add_chain(lab, node, number, *certificates):
    """Add TrustedCertChain-<number> on one node and return its DN."""
    dn = f"cn=TrustedCertChain-{number},{CHAINS}"
    values = {"cn": f"TrustedCertChain-{number}", "userCertificate": list(certificates)}
    connection = lab.connect(node=node)
    connection.add(dn, CHAIN_CLASS, values)
    assert code(connection) == 0
    return dn


def certificates(lab, node, dn):
    """Return the certificates a node has, in order."""
    return get_values(lab.stores[node], dn, "userCertificate")


def vector(lab, node):
    """Return the up-to-date vector of a node that has pulled."""
    seen = replication_status(lab.stores[node]).vector
    assert seen is not None
    return seen


def equal(lab):
    """Tell whether both nodes have the same entries below the tenant."""
    return dump(lab.stores[N1], TENANT) == dump(lab.stores[N2], TENANT)


def test_8_joined_nodes_are_equal_and_have_nothing_to_send(lab):
    """After a join both trees are the same, and a pull changes no USN."""
    before = [store.usn for store in lab.stores.values()]

    lab.replicate(3)

    assert equal(lab)
    assert [store.usn for store in lab.stores.values()] == before


@DIRECTIONS
def test_8_add_replace_and_delete_reach_the_partner(lab, writer, other):
    """Value order is kept, objectGUID is equal, uSNChanged is per node."""
    dn = add_chain(lab, writer, 2, b"c", b"a", b"b")
    lab.replicate()
    added = (certificates(lab, other, dn), equal(lab))
    connection = lab.connect(node=writer)
    connection.modify(dn, {"userCertificate": [(REPLACE, [b"b", b"c", b"a"])]})
    lab.replicate()
    replaced = certificates(lab, other, dn)
    connection.delete(dn)
    lab.replicate()

    assert added == ([b"c", b"a", b"b"], True)
    assert replaced == [b"b", b"c", b"a"]
    assert certificates(lab, other, dn) == []
    assert equal(lab)


@DIRECTIONS
def test_8_delete_and_add_again_reach_the_partner(lab, writer, other):
    """The partner has the new entry with the new objectGUID."""
    connection = lab.connect(node=writer)
    made = material()
    connection.delete(CREDENTIAL)
    values = {"cn": "TenantCredential-1", "vmwSTSPrivateKey": b"k", "userCertificate": made.chain}
    connection.add(CREDENTIAL, "vmwSTSTenantCredential", values)

    lab.replicate()

    assert get_values(lab.stores[other], CREDENTIAL, "vmwSTSPrivateKey") == [b"k"]
    assert equal(lab)


def test_8_replication_runs_by_itself():
    """Nodes pull every 30 field seconds without being told."""
    with running(N1, N2, clock=LabClock(600), replication_s=30.0) as lab:
        dn = add_chain(lab, N1, 2, b"a")
        deadline = time.monotonic() + 10

        while not certificates(lab, N2, dn) and time.monotonic() < deadline:
            time.sleep(0.02)

        assert certificates(lab, N2, dn) == [b"a"]


def test_8_status_with_a_partner(lab):
    """Vectors end with a comma and name the partner's invocation id and host."""
    store, partner = lab.stores[N1], lab.stores[N2].identity

    lines = read(lab.connect(), "cn=replicationstatus", "+")["vmwServerRunTimeStatus"]

    usn = store.marks[N2]
    assert f"UtdVector: {partner.invocation_id}:{usn},".encode() in lines
    assert f"RAProcessedUSN Vector: {N2}|{usn},".encode() in lines


def test_8_vector_is_unknown_before_the_first_pull():
    """A node that never pulled says Unknown although its partner copies from it."""
    with running(spec=domain_spec((N1, N2), settled=False)) as lab:
        lab.registry[N2].replicate()

        first, second = (replication_status(lab.stores[n]) for n in (N1, N2))

        assert b"UtdVector: Unknown" in first.lines()
        assert f"RAProcessedUSN Vector: {N2}|0,".encode() in first.lines()
        assert second.vector is not None


def test_8_vector_stays_behind_at_rest(lab):
    """Equal content and no writes, yet UtdVector stays below MaxOriginatingUSN."""
    add_chain(lab, N1, 2, b"a")
    add_chain(lab, N2, 3, b"a")

    lab.replicate(5)

    for node, other in ((N1, N2), (N2, N1)):
        theirs = replication_status(lab.stores[other])
        seen = vector(lab, node)[theirs.invocation_id]
        assert 1 <= theirs.max_originating - seen <= 8
    assert equal(lab)


def test_8_vector_reaches_the_usn_of_the_written_entry(lab):
    """The usable test: partner.UtdVector[writer] >= uSNChanged on the writer. The mark is there."""
    add_chain(lab, N2, 3, b"b")
    dn = add_chain(lab, N1, 2, b"a")
    written = int(read(lab.connect(), dn, "uSNChanged")["uSNChanged"][0])
    me = lab.stores[N1].identity.invocation_id
    before = vector(lab, N2)[me]

    lab.replicate()

    assert before < written <= vector(lab, N2)[me]
    assert lab.stores[N2].marks[N1] == written


def test_8_a_partner_does_not_send_what_the_vector_has(lab):
    """Even from mark 0, and never what the consumer wrote itself."""
    add_chain(lab, N1, 2, b"by n1")
    add_chain(lab, N2, 3, b"by n2")
    lab.replicate(2)
    first, second = lab.stores[N1], lab.stores[N2]
    me = second.identity.invocation_id

    known = changes_after(first, 0, second.vector, me)
    unknown = changes_after(first, 0, {}, me)

    assert known == []
    names = [sent.dn.split(",")[0] for sent in unknown]
    assert "cn=TrustedCertChain-2" in names
    assert "cn=TrustedCertChain-3" not in names


def test_8_metadata_on_the_partner_proves_the_origin(lab):
    """Invocation id and originating USN are the writer's; the first USN is local."""
    add_chain(lab, N2, 7, b"z")
    dn = add_chain(lab, N1, 2, b"a")
    written = read(lab.connect(), dn, "uSNChanged")["uSNChanged"][0].decode()
    lab.replicate()

    meta = read(lab.connect(node=N2), dn, "attributeMetaData", "uSNChanged")

    line = next(m.decode() for m in meta["attributeMetaData"] if m.startswith(b"userCertificate:"))
    local = meta["uSNChanged"][0].decode()
    assert line.startswith(f"userCertificate:{local}:1:{lab.stores[N1].identity.invocation_id}:")
    assert line.endswith(f":{written}")
    assert local != written


def test_8_server_objects_are_not_sent(lab):
    """A node's own server entry differs from the partner's copy of it."""
    add_chain(lab, N2, 2, b"a")
    lab.replicate(3)
    dn = lab.stores[N1].identity.server_dn

    own, copied = (get_values(lab.stores[n], dn, "upToDateVector") for n in (N1, N2))

    assert own != copied


def test_8_partner_down_leaves_the_mark(lab):
    """Writes are answered with 0; they arrive when the partner is back."""
    mark = lab.stores[N1].marks[N2]
    lab.registry[N2].stop()
    dn = add_chain(lab, N1, 2, b"a")
    lab.replicate(2)
    down = (lab.stores[N1].marks[N2], certificates(lab, N2, dn))
    error = lab.registry[N1].replicator.last_errors[N2]

    lab.registry[N2].start()
    lab.replicate()

    assert down == (mark, [])
    assert "cannot be reached" in error
    assert certificates(lab, N2, dn) == [b"a"]
    assert lab.registry[N1].replicator.last_errors == {}


def test_8_fault_rule_stops_the_pull(lab):
    """A rule for replication PULL keeps one node behind."""
    lab.faults.add(Rule(protocol="replication", call="PULL", target=N2))
    dn = add_chain(lab, N1, 2, b"a")

    lab.replicate()
    held = certificates(lab, N2, dn)
    lab.replicate()

    assert (held, certificates(lab, N2, dn)) == ([], [b"a"])


def test_8_concurrent_add_of_one_dn_differs_for_good(lab):
    """Both ADDs give 0; each node keeps its own; replication goes on."""
    dn = add_chain(lab, N1, 2, b"one")
    add_chain(lab, N2, 2, b"two")
    lab.replicate(3)
    later = add_chain(lab, N1, 3, b"x")
    lab.connect().modify(dn, {"userCertificate": [(REPLACE, [b"one again"])]})
    lab.replicate(3)

    assert [certificates(lab, n, dn) for n in (N1, N2)] == [[b"one again"], [b"two"]]
    assert certificates(lab, N2, later) == [b"x"]
    assert lab.registry[N1].replicator.last_errors == {}


def test_8_delete_of_a_conflict_removes_it_on_both(lab):
    """After concurrent ADDs a delete on one node removes the DN on both."""
    dn = add_chain(lab, N1, 2, b"one")
    add_chain(lab, N2, 2, b"two")
    lab.replicate(2)

    lab.connect().delete(dn)
    lab.replicate(2)

    assert [certificates(lab, n, dn) for n in (N1, N2)] == [[], []]


def test_8_concurrent_replace_converges_on_one_pair(lab):
    """Key and certificates come from the same writer on both nodes."""
    for node in (N1, N2):
        changes = {
            "vmwSTSPrivateKey": [(REPLACE, [node.encode()])],
            "userCertificate": [(REPLACE, [node.encode()])],
        }
        lab.connect(node=node).modify(CREDENTIAL, changes)

    lab.replicate(2)

    key = get_values(lab.stores[N1], CREDENTIAL, "vmwSTSPrivateKey")
    assert key in ([N1.encode()], [N2.encode()])
    assert certificates(lab, N1, CREDENTIAL) == key
    assert equal(lab)


def test_8_parts_replaced_on_two_nodes_become_a_mixed_pair(lab):
    """Merge is per attribute: the key of one and the certificates of the other."""
    lab.connect().modify(CREDENTIAL, {"vmwSTSPrivateKey": [(REPLACE, [b"key of n1"])]})
    other = lab.connect(node=N2)
    other.modify(CREDENTIAL, {"userCertificate": [(REPLACE, [b"leaf of n2"])]})

    lab.replicate(2)

    assert get_values(lab.stores[N2], CREDENTIAL, "vmwSTSPrivateKey") == [b"key of n1"]
    assert certificates(lab, N1, CREDENTIAL) == [b"leaf of n2"]
    assert equal(lab)


def test_8_delete_wins_over_a_concurrent_modify(lab):
    """Deleted on n1 while n2 modifies: deleted on both."""
    lab.connect().delete(CREDENTIAL)
    lab.connect(node=N2).modify(CREDENTIAL, {"userCertificate": [(REPLACE, [b"x"])]})

    lab.replicate(3)

    assert [certificates(lab, n, CREDENTIAL) for n in (N1, N2)] == [[], []]
    assert equal(lab)
    for store in lab.stores.values():
        buried = [entry for entry in store.entries.values() if entry.last_dn]
        assert [entry.attributes.get("userCertificate") for entry in buried] == [None]


def revert(lab, snapshots):
    """Stop the nodes of *snapshots*, put copies of their directories back, start them."""
    for node, store in snapshots.items():
        lab.registry[node].stop()
        lab.stores[node] = copy.deepcopy(store)
    for node in snapshots:
        lab.registry[node].start()


def test_8_revert_of_one_node_loses_the_overlap_for_good(lab):
    """n2 keeps what n1 forgot, is refused while ahead, and never gets the writes of the overlap."""
    snapshot = copy.deepcopy(lab.stores[N1])
    lost = [add_chain(lab, N1, n, b"before") for n in range(10, 15)]
    lab.replicate(2)
    revert(lab, {N1: snapshot})
    lab.replicate(3)
    after_revert = [certificates(lab, n, lost[0]) for n in (N1, N2)]

    overlap = add_chain(lab, N1, 20, b"overlap")
    lab.replicate(2)
    error = lab.registry[N2].replicator.last_errors[N1]
    while lab.stores[N1].usn < lab.stores[N2].marks[N1]:
        overlap_code = lab.connect()
        overlap_code.modify(CREDENTIAL, {"userCertificate": [(REPLACE, [b"n"])]})
    late = add_chain(lab, N1, 21, b"late")
    lab.replicate(3)

    assert after_revert == [[], [b"before"]]
    assert error == "53 Partner is ahead of my changes."
    assert lab.registry[N2].replicator.last_errors == {}
    assert certificates(lab, N2, late) == [b"late"]
    assert certificates(lab, N2, overlap) == []
    assert not equal(lab)


def test_8_reverted_node_gets_back_what_its_partner_wrote(lab):
    """Changes that n2 originated after n1's snapshot are sent again."""
    snapshot = copy.deepcopy(lab.stores[N1])
    dn = add_chain(lab, N2, 2, b"by n2")
    lab.replicate(2)

    revert(lab, {N1: snapshot})
    lab.replicate(2)

    assert certificates(lab, N1, dn) == [b"by n2"]


def test_8_coordinated_revert_is_healthy(lab):
    """After all nodes go back together replication works in both directions."""
    add_chain(lab, N1, 2, b"kept")
    lab.replicate(2)
    before = [dump(store, TENANT) for store in lab.stores.values()]
    snapshots = {node: copy.deepcopy(store) for node, store in lab.stores.items()}
    for number in range(30, 35):
        add_chain(lab, N1, number, b"x")
        add_chain(lab, N2, number + 10, b"x")
    lab.connect().delete(CREDENTIAL)
    lab.replicate(3)

    revert(lab, snapshots)
    after = [dump(store, TENANT) for store in lab.stores.values()]
    one, two = add_chain(lab, N1, 50, b"1"), add_chain(lab, N2, 60, b"2")
    lab.replicate(2)

    assert after == before
    assert certificates(lab, N2, one) == [b"1"]
    assert certificates(lab, N1, two) == [b"2"]
    assert equal(lab)
    assert all(not s.replicator.last_errors for s in lab.registry.values())


def test_three_nodes_in_a_line_converge():
    """A change travels over the middle node, and once only."""
    nodes = ("vc1.lab.example", "vc2.lab.example", "vc3.lab.example")
    line = {nodes[0]: nodes[1:2], nodes[1]: (nodes[0], nodes[2]), nodes[2]: nodes[1:2]}
    with running(spec=domain_spec(nodes, partners=line)) as lab:
        dn = add_chain(lab, nodes[0], 2, b"a")
        lab.connect(node=nodes[2]).delete(CREDENTIAL)

        lab.replicate(3)
        usns = [store.usn for store in lab.stores.values()]
        lab.replicate(3)

        dumps = [dump(store, TENANT) for store in lab.stores.values()]
        assert dumps[0] == dumps[1] == dumps[2]
        assert dn.lower() in dumps[2]
        assert [store.usn for store in lab.stores.values()] == usns
        assert find_entries(lab.stores[nodes[0]], TENANT, "vmwSTSTenantCredential") == []


def test_a_thin_line_brings_a_part_with_each_pull(lab):
    """The rest comes with the pulls after it, in order; then both are equal."""
    for number in range(2, 9):
        add_chain(lab, N1, number, b"a")
    lab.registry[N2].replicator.limit = 3

    seen = []
    for _ in range(3):
        lab.registry[N2].replicate()
        seen.append(len(find_entries(lab.stores[N2], CHAINS, CHAIN_CLASS)))

    assert seen == [seen[0], seen[0] + 3, seen[0] + 4]
    assert equal(lab)


def test_a_node_that_only_listens_makes_changes_that_nobody_is_sent(lab):
    """However many it pulls, its partner's vector stays where it was (result.c L315-360)."""
    lab.registry[N1].replicate()
    before = vector(lab, N1)
    for number in range(2, 22):
        add_chain(lab, N1, number, b"a")
        lab.replicate()

    theirs = replication_status(lab.stores[N2])
    assert vector(lab, N1) == before
    assert theirs.max_originating - before[theirs.invocation_id] >= 40

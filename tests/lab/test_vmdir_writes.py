"""vmdir of the lab: writes (rows of vmdird measured, sections 1 and 4)."""

from __future__ import annotations

import copy
import threading

import ldap3
import pytest
from ldap3.core.exceptions import LDAPSessionTerminatedByServerError

from stsfix.lab.vmdir import dump
from vmdir_lab import (
    ADMIN,
    BASE,
    BOB,
    CHAINS,
    CREDENTIAL,
    N1,
    TENANT,
    code,
    domain_spec,
    material,
    read,
    running,
)

pytestmark = pytest.mark.lab
ADD, DELETE, REPLACE = ldap3.MODIFY_ADD, ldap3.MODIFY_DELETE, ldap3.MODIFY_REPLACE
NEW = f"cn=TenantCredential-2,{TENANT}"
SMALL = f"cn=small,{CHAINS}"
CHAIN_CLASS = "vmwSTSTenantTrustedCertificateChain"


@pytest.fixture(params=["D", "B", "A"])
def lab(request):
    """Serve one node of each age."""
    with running(age=request.param) as made:
        yield made


@pytest.fixture
def admin(lab):
    """Bind as Administrator, with an entry of small values at hand."""
    connection = lab.connect()
    connection.add(SMALL, CHAIN_CLASS, {"cn": "small", "userCertificate": [b"x", b"y"]})
    assert code(connection) == 0
    return connection


def credential(number=2, **changes):
    """Return the attributes of a credential, with *changes*."""
    made = material()
    attributes = {
        "cn": f"TenantCredential-{number}",
        "vmwSTSPrivateKey": made.key,
        "userCertificate": list(made.chain),
    }
    return {name: value for name, value in (attributes | changes).items() if value is not None}


def values(connection, dn=SMALL, name="userCertificate"):
    """Return an attribute's values in order."""
    return read(connection, dn, name).get(name, [])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([(REPLACE, [b"a", b"b"]), (ADD, [b"c"])], [b"a", b"b"]),
        ([(REPLACE, [b"a"]), (REPLACE, [b"b"]), (REPLACE, [b"c"])], [b"a"]),
    ],
    ids=["add-is-lost", "first-replace-wins"],
)
def test_1_1_changes_of_one_modify_are_applied_in_reverse(admin, changes, expected):
    """The last change of a MODIFY happens first; the answer is 0 all the same."""
    admin.modify(SMALL, {"userCertificate": changes})

    assert code(admin) == 0
    assert values(admin) == expected


def test_1_1_delete_then_add_leaves_nothing(lab, admin):
    """The attribute is gone, or, when the class needs it, the MODIFY is refused."""
    bob = {"displayName": [(REPLACE, ["old"])]}
    admin.modify(BOB, bob)

    admin.modify(BOB, {"displayName": [(DELETE, []), (ADD, ["new"])]})
    optional = (code(admin), values(admin, BOB, "displayName"))
    admin.modify(SMALL, {"userCertificate": [(DELETE, []), (ADD, [b"n"])]})
    needed = (code(admin), values(admin))

    assert optional == (0, [])
    assert needed == (1 if lab.age == "A" else 65, [b"x", b"y"])


def test_1_1_delete_then_add_of_an_old_value_is_a_duplicate(admin):
    """The ADD comes first and meets the old value: 20."""
    admin.modify(SMALL, {"userCertificate": [(DELETE, []), (ADD, [b"x"])]})

    assert code(admin) == 20
    assert values(admin) == [b"x", b"y"]


@pytest.mark.parametrize("kind", [ADD, DELETE])
def test_1_2_value_level_change_of_a_certificate_fails_at_level_4(lab, admin, kind):
    """D and B answer 1 and change nothing; A does it."""
    made = material().chain
    before = values(admin, CREDENTIAL)
    value = made[0] + b"!" if kind == ADD else made[1]

    admin.modify(CREDENTIAL, {"userCertificate": [(kind, [value])]})

    if lab.age == "A":
        assert code(admin) == 0
        assert values(admin, CREDENTIAL) == ([*before, value] if kind == ADD else [made[0]])
    else:
        assert code(admin) == 1
        assert "MDB_BAD_VALSIZE" in admin.result["message"]
        assert values(admin, CREDENTIAL) == before


def test_1_2_works_at_functional_level_1():
    """With the domain at level 1 a certificate can be added to the others."""
    with running(spec=domain_spec(functional_level=1)) as lab:
        admin = lab.connect()

        admin.modify(CREDENTIAL, {"userCertificate": [(ADD, [b"z" * 700])]})

        assert code(admin) == 0
        assert values(admin, CREDENTIAL)[-1] == b"z" * 700


@pytest.mark.parametrize(("size", "expected"), [(100, 0), (400, 1)])
def test_1_2_only_large_values_fail(size, expected):
    """100 bytes fit into the index and are appended, 400 do not."""
    with running() as lab:
        admin = lab.connect()

        admin.modify(CREDENTIAL, {"userCertificate": [(ADD, [b"z" * size])]})

        assert code(admin) == expected
        assert len(values(admin, CREDENTIAL)) == 3 - expected


def test_1_3_critical_controls_are_ignored(admin):
    """An assertion that does not hold does not stop the write; unknown ones neither."""
    assertion = ("1.3.6.1.1.12", True, b"\xa3\x0b\x04\x02cn\x04\x05other")

    for control in (assertion, ("1.2.3.4.5", True, None)):
        admin.modify(SMALL, {"userCertificate": [(REPLACE, [b"n"])]}, controls=[control])
        assert code(admin) == 0
    written = values(admin)
    admin.delete(TENANT, controls=[("1.2.840.113556.1.4.805", True, None)])

    assert written == [b"n"]
    assert code(admin) == 66


def test_1_4_size_limit_is_silent(admin):
    """Three entries and result 0."""
    admin.search(BASE, "(objectClass=*)", ldap3.SUBTREE, size_limit=3)

    assert code(admin) == 0
    assert len(admin.response) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("objectGUID", b"11111111-1111-1111-1111-111111111111"),
        ("uSNChanged", b"1"),
        ("modifyTimeStamp", b"20200101000000.0Z"),
        ("cn", b"Other"),
    ],
)
def test_1_5_operational_attributes_are_writable(admin, name, value):
    """MODIFY writes them, and the RDN attribute too; the DN stays."""
    admin.modify(SMALL, {name: [(REPLACE, [value])]})

    assert code(admin) == 0
    assert values(admin, SMALL, name) == [value]


def test_4_add_chain_then_credential_then_delete_old(admin):
    """All three give 0 and the tree shows them."""
    made = material()
    chain = {"cn": "TrustedCertChain-2", "userCertificate": list(made.chain)}
    codes = []

    admin.add(f"cn=TrustedCertChain-2,{CHAINS}", CHAIN_CLASS, chain)
    codes.append(code(admin))
    admin.add(NEW, "vmwSTSTenantCredential", credential())
    codes.append(code(admin))
    admin.delete(CREDENTIAL)
    codes.append(code(admin))
    admin.search(TENANT, "(objectClass=vmwSTSTenantCredential)", ldap3.LEVEL)

    assert codes == [0, 0, 0]
    assert [found["dn"] for found in admin.response] == [NEW]


@pytest.mark.parametrize(
    ("dn", "object_class", "attributes", "codes"),
    [
        (CREDENTIAL, "vmwSTSTenantCredential", credential(1), (68, 68)),
        (CREDENTIAL.upper(), "vmwSTSTenantCredential", credential(1), (68, 68)),
        (f"cn=x,cn=missing,{TENANT}", "container", {"cn": "x"}, (32, 32)),
        (NEW, "vmwSTSTenantCredential", credential(cn=None), (65, 1)),
        (NEW, "vmwSTSTenantCredential", credential(vmwSTSPrivateKey=None), (65, 1)),
        (NEW, "vmwSTSTenantCredential", credential(description="x"), (65, 1)),
        (NEW, "vmwSTSTenantCredential", credential(noSuchThing="x"), (16, 1)),
        (NEW, "vmwSTSTenantCredential", credential(2, **{"userCertificate;binary": b"x"}), (16, 1)),
        (NEW, "vmwSTSTenantCredential", credential(vmwSTSPrivateKey=[b"1", b"2"]), (19, 1)),
        (NEW, "vmwSTSTenantCredential", credential(cn=["a", "b"]), (19, 1)),
        (NEW, "vmwSTSTenantCredential", credential(userCertificate=[b"a", b"a"]), (20, 20)),
        (NEW, "noSuchClass", credential(), (1, 1)),
        (NEW, "top", credential(), (19, 1)),
        (NEW, "vmwSTSTenantCredential", credential(createTimeStamp="x"), (19, 19)),
        (NEW, "vmwSTSTenantCredential", credential(modifyTimeStamp="x"), (19, 19)),
        (NEW, "vmwSTSTenantCredential", credential(objectGUID="x"), (19, 1)),
        (NEW, "vmwSTSTenantCredential", credential(creatorsName=ADMIN), (19, 1)),
        (NEW, "vmwSTSTenantCredential", credential(uSNChanged="1"), (19, 1)),
        (NEW, "vmwSTSTenantCredential", credential(entryDN=NEW), (19, 1)),
        (NEW, "vmwSTSTenantCredential", credential(vmwSTSPrivateKey=b"k" * 32768), (0, 0)),
        (NEW, "vmwSTSTenantCredential", credential(vmwSTSPrivateKey=b"k" * 65535), (1, 1)),
        (NEW, "vmwSTSTenantCredential", credential(cn="Other"), (0, 0)),
        (NEW, "vmwSTSTenantCredential", credential(userCertificate=b"no DER"), (0, 0)),
    ],
    ids=[
        "duplicate",
        "duplicate-other-case",
        "parent-missing",
        "rdn-attribute-missing",
        "must-missing",
        "not-allowed",
        "undefined",
        "binary-option",
        "second-key",
        "second-cn",
        "duplicate-value",
        "unknown-class",
        "only-top",
        "create-time",
        "modify-time",
        "guid",
        "creator",
        "usn",
        "entry-dn",
        "32-kB",
        "64-kB",
        "cn-unlike-rdn",
        "no-content-check",
    ],
)
def test_4_add_codes(lab, dn, object_class, attributes, codes):
    """Codes of ADD; A says 1 to most schema errors. matchedDN is empty."""
    admin = lab.connect()

    admin.add(dn, object_class, attributes)

    assert code(admin) == codes[lab.age == "A"]
    assert admin.result["dn"] == ""


def test_4_descriptor_on_add(lab, admin):
    """D and B take it and the entry then has two; A refuses with 21."""
    copied = read(admin, CREDENTIAL)["nTSecurityDescriptor"]

    admin.add(NEW, "vmwSTSTenantCredential", credential(nTSecurityDescriptor=copied))

    assert code(admin) == (21 if lab.age == "A" else 0)
    assert len(values(admin, NEW, "nTSecurityDescriptor")) == (0 if lab.age == "A" else 2)


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"userCertificate": [(REPLACE, [])]}, (65, 1)),
        ({"description": [(ADD, ["x"])]}, (65, 1)),
        ({"noSuchThing": [(ADD, ["x"])]}, (17, 17)),
        ({"userCertificate;binary": [(REPLACE, [b"x"])]}, (17, 17)),
        ({"vmwSTSPrivateKey": [(ADD, [b"second"])]}, (19, 1)),
        ({"cn": [(ADD, ["second"])]}, (19, 1)),
        ({"userCertificate": [(REPLACE, [b"a", b"a"])]}, (20, 20)),
        ({"userCertificate": [(ADD, [material().chain[0]])]}, (20, 20)),
        ({"userCertificate": [(DELETE, [b"absent"])]}, (16, 16)),
        ({"objectClass": [(DELETE, ["top"])]}, (16, 16)),
    ],
    ids=[
        "must-removed",
        "not-allowed",
        "undefined",
        "binary-option",
        "second-key",
        "second-cn",
        "duplicate-in-replace",
        "duplicate-by-add",
        "absent-value",
        "top",
    ],
)
def test_4_modify_codes(lab, changes, codes):
    """Codes of MODIFY; a refused one changes nothing."""
    admin = lab.connect()
    before = read(admin, CREDENTIAL, "*", "+")

    admin.modify(CREDENTIAL, changes)

    assert code(admin) == codes[lab.age == "A"]
    assert read(admin, CREDENTIAL, "*", "+") == before


def test_4_delete_of_an_absent_attribute_succeeds(admin):
    """MODIFY DELETE without values of an attribute that is not there gives 0."""
    admin.modify(BOB, {"displayName": [(DELETE, [])]})

    assert code(admin) == 0


@pytest.mark.parametrize(
    ("dn", "expected"), [(TENANT, 66), (NEW, 32), (CREDENTIAL, 0)], ids=["inner", "missing", "leaf"]
)
def test_4_delete_codes(admin, dn, expected):
    """A non-leaf gives 66, a missing entry 32."""
    admin.delete(dn)

    assert code(admin) == expected


def test_4_rename_is_off(admin):
    """Any form of modrdn gives 53."""
    admin.modify_dn(CREDENTIAL, "cn=TenantCredential-5")

    assert code(admin) == 53


def test_4_read_only_server_refuses_writes_only(lab, admin):
    """Writes give 53; bind and search work."""
    lab.registry[N1].read_only = True

    admin.delete(CREDENTIAL)

    assert (code(admin), admin.result["message"]) == (53, "Server in read-only mode")
    assert read(lab.connect(), CREDENTIAL)


def test_4_ordinary_user_may_not_write_and_a_member_may(lab):
    """50 for an ordinary user, 0 for a member of Administrators."""
    bob, alice = lab.connect(BOB, "bob-pw"), lab.connect(f"cn=alice,cn=Users,{BASE}", "alice-pw")

    bob.delete(CREDENTIAL)
    refused = code(bob)
    alice.delete(CREDENTIAL)

    assert (refused, code(alice)) == (50, 0)


@pytest.mark.parametrize("classes", [["vmwSTSTenantCredential"], ["vmwSTSTenantCredential", "top"]])
def test_4_top_is_shown_first_but_not_stored(admin, classes):
    """It comes back on a read, and a filter for it matches nothing."""
    admin.add(NEW, classes, credential())

    admin.search(NEW, "(objectClass=top)", ldap3.BASE)

    assert admin.response == []
    assert values(admin, NEW, "objectClass") == [b"top", b"vmwSTSTenantCredential"]


def test_4_empty_value_ends_an_old_server(lab, admin):
    """D and B take an empty value; the process of A dies."""
    attempt = credential(userCertificate=[b""])

    if lab.age == "A":
        with pytest.raises(LDAPSessionTerminatedByServerError):
            admin.add(NEW, "vmwSTSTenantCredential", attempt)
        assert not lab.registry[N1].running
    else:
        admin.add(NEW, "vmwSTSTenantCredential", attempt)
        assert code(admin) == 0


@pytest.mark.parametrize("count", [3, 50, 300])
def test_4_value_order_is_write_order(admin, count):
    """ADD and REPLACE keep the order given, up to 300 values."""
    forwards = [bytes([n % 256, n // 256]) * 300 for n in range(count)]

    admin.add(NEW, "vmwSTSTenantCredential", credential(userCertificate=forwards))
    added = values(admin, NEW)
    admin.modify(NEW, {"userCertificate": [(REPLACE, forwards[::-1])]})
    replaced = values(admin, NEW)

    assert added == forwards
    assert replaced == forwards[::-1]


def test_4_value_level_changes_keep_the_order(admin):
    """A small value is appended; DELETE closes the gap."""
    admin.modify(SMALL, {"userCertificate": [(ADD, [b"a"])]})
    admin.modify(SMALL, {"userCertificate": [(DELETE, [b"y"])]})

    assert values(admin) == [b"x", b"a"]


@pytest.mark.parametrize(
    "last",
    [
        {"cn": [(DELETE, ["absent"])]},
        {"noSuchThing": [(ADD, ["x"])]},
        {"objectGUID": [(ADD, ["second"])]},
        {"description": [(ADD, ["x"])]},
    ],
    ids=["16", "17", "19", "65"],
)
def test_4_modify_is_atomic(admin, last):
    """Whichever change fails, nothing is changed, uSNChanged neither."""
    before = read(admin, CREDENTIAL, "*", "+")
    changes = {"vmwSTSPrivateKey": [(REPLACE, [b"k"])], "userCertificate": [(REPLACE, [b"c"])]}

    admin.modify(CREDENTIAL, changes | last)

    assert code(admin) != 0
    assert read(admin, CREDENTIAL, "*", "+") == before


@pytest.mark.parametrize("order", [(ADD, DELETE), (DELETE, ADD)])
def test_4_guarded_swap(admin, order):
    """ADD new + DELETE old of the key works once; the second time it gives 16."""
    old, new = material().key, b"new key" * 100
    keys = {ADD: [new], DELETE: [old]}
    changes = {
        "vmwSTSPrivateKey": [(kind, keys[kind]) for kind in order],
        "userCertificate": [(REPLACE, [b"c" * 700])],
    }

    admin.modify(CREDENTIAL, changes)
    first = (code(admin), values(admin, CREDENTIAL, "vmwSTSPrivateKey"))
    admin.modify(CREDENTIAL, {"vmwSTSPrivateKey": [(ADD, [b"third"]), (DELETE, [old])]})
    second = (code(admin), values(admin, CREDENTIAL, "vmwSTSPrivateKey"))

    assert first == (0, [new])
    assert second == (16, [new])


def test_4_concurrent_adds_of_one_dn_leave_one_winner(lab):
    """Ten clients add one DN: one gets 0, nine get 68."""
    connections = [lab.connect() for _ in range(10)]
    codes = []

    def work(connection):
        connection.add(NEW, "vmwSTSTenantCredential", credential())
        codes.append(code(connection))

    threads = [threading.Thread(target=work, args=(c,)) for c in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sorted(codes) == [0] + [68] * 9


def test_4_concurrent_replaces_leave_one_full_list(lab):
    """Every REPLACE gets 0 and the entry has one writer's list, whole."""
    connections = [lab.connect() for _ in range(8)]
    lists = [[bytes([n]) * 700, bytes([n]) * 701] for n in range(1, 9)]
    codes = []

    def work(connection, wanted):
        for _ in range(5):
            connection.modify(CREDENTIAL, {"userCertificate": [(REPLACE, wanted)]})
            codes.append(code(connection))

    pairs = zip(connections, lists, strict=True)
    threads = [threading.Thread(target=work, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert codes == [0] * 40
    assert values(connections[0], CREDENTIAL) in lists


def test_4_delete_leaves_a_stripped_hidden_tombstone(lab, admin):
    """It shows with control 417 only; key and certificates are gone."""
    guid = values(admin, CREDENTIAL, "objectGUID")[0].decode()
    admin.delete(CREDENTIAL)
    container = f"cn=Deleted Objects,{BASE}"
    show = [("1.2.840.113556.1.4.417", True, None)]

    admin.search(container, "(cn=*)", ldap3.LEVEL)
    hidden = admin.response
    admin.search(BASE, "(objectClass=vmwSTSTenantCredential)", ldap3.SUBTREE)
    by_class = admin.response
    admin.search(container, "(cn=*)", ldap3.LEVEL, attributes=["*"], controls=show)
    shown = admin.response

    assert (hidden, by_class) == ([], [])
    assert [found["dn"] for found in shown] == [
        f"cn=TenantCredential-1#objectGUID:{guid},{container}"
    ]
    left = shown[0]["raw_attributes"]
    assert not {"vmwSTSPrivateKey", "userCertificate"} & set(left)
    expected = b"deletedObject" if lab.age == "D" else b"vmwSTSTenantCredential"
    assert left["objectClass"] == [b"top", expected]


def test_4_same_dn_can_be_added_again_at_once(admin):
    """The new entry has a new objectGUID."""
    before = values(admin, CREDENTIAL, "objectGUID")
    admin.delete(CREDENTIAL)

    admin.add(CREDENTIAL, "vmwSTSTenantCredential", credential(1))

    assert code(admin) == 0
    assert values(admin, CREDENTIAL, "objectGUID") != before


def test_4_success_survives_a_cut(lab, admin):
    """What was answered with 0 is there after stop and start."""
    admin.add(NEW, "vmwSTSTenantCredential", credential())
    before = dump(lab.stores[N1], TENANT)

    lab.registry[N1].stop()
    lab.stores[N1] = copy.deepcopy(lab.stores[N1])
    lab.registry[N1].start()

    assert values(lab.connect(), NEW) == list(material().chain)
    assert dump(lab.stores[N1], TENANT) == before

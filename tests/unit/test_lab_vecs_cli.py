"""vecs-cli of a lab node: arguments, output and exit codes as in Lightwave's source."""

from __future__ import annotations

import copy

import pytest
from cryptography import x509

from lab_keys import shared_keys
from stsfix.lab import pki
from stsfix.lab.disk import Role
from stsfix.lab.faults import Effect, Rule, When
from stsfix.lab.vecs import EntryKind, Vecs, VecsEntry, solution_users, stores_of
from vmca_node import VmcaNode

TOOL = "/usr/lib/vmware-vmafd/bin/vecs-cli"
NO_OBJECT = "vecs-cli failed. Error 4312: Operation failed with error ERROR_OBJECT_NOT_FOUND (4312)"


@pytest.fixture
def node():
    """Return a node with a leaf of its VMCA and its key in /tmp."""
    made = VmcaNode()
    key = shared_keys()[1]
    leaf = pki.vmca_leaf(
        key,
        issuer=made.root,
        issuer_key=shared_keys()[0],
        common_name="leaf",
        not_before=pki.days_from_now(-1),
        not_after=pki.days_from_now(100),
    )
    made.tools.files.write("/tmp/c", pki.pem(leaf))
    made.tools.files.write("/tmp/k", pki.key_pem(key))
    made.tools.files.write("/tmp/other", pki.key_pem(shared_keys()[2]))
    return made


def run(node, words):
    """Run vecs-cli and return exit code and output."""
    return node.sh(f"{TOOL} {words}")


def test_stores_are_listed_one_a_line(node):
    """Those of an embedded node of 7.0."""
    code, output = run(node, "store list")

    assert code == 0
    assert output.splitlines() == list(stores_of(Role.EMBEDDED, (7, 0)))


def test_an_entry_is_created_shown_and_deleted(node):
    """Texts and numbers of the source; a list tells how many there are."""
    words = "--store machine --alias machine"

    assert run(node, f"entry create {words} --cert /tmp/c --key /tmp/k") == (
        0,
        "Entry with alias [machine] in store [machine] was created successfully \n",
    )
    code, listed = run(node, "entry list --store machine")
    assert code == 0
    assert listed.startswith(
        "Number of entries in store :\t1\nAlias :\tmachine\nEntry type :\tPrivate Key\n"
        "Certificate :\t-----BEGIN CERTIFICATE-----\n"
    )
    assert run(node, f"entry getcert {words}")[1].encode() == node.file("/tmp/c") + b"\n"
    assert run(node, f"entry getkey {words}")[1].encode() == node.file("/tmp/k") + b"\n"
    assert run(node, f"entry delete -y {words}") == (
        0,
        "Deleted entry with alias [machine] in store [machine] successfully\n ",
    )
    assert run(node, "entry list --store machine") == (0, "Number of entries in store :\t0\n")


def test_a_text_list_shows_ends_as_openssl_does(node):
    """What the article's one-liner looks for."""
    run(node, "entry create --store machine --alias m --cert /tmp/c --key /tmp/k")
    ends = x509.load_pem_x509_certificate(node.file("/tmp/c")).not_valid_after_utc

    _, output = run(node, "entry list --store machine --text | egrep 'Alias|Not After'")

    assert output == (
        f"Alias :\tm\n            Not After : {ends:%b} {ends.day:2d} {ends:%H:%M:%S %Y} GMT\n"
    )


def test_output_goes_to_a_file_only_root_can_read(node):
    """Or to a device."""
    words = "--store machine --alias m"
    run(node, f"entry create {words} --cert /tmp/c --key /tmp/k")

    assert run(node, f"entry getkey {words} --output /tmp/out") == (0, "")
    assert run(node, f"entry getcert {words} --output /dev/stdout")[1].startswith("-----BEGIN")
    assert node.disk.files["/tmp/out"].mode == 0o600
    assert node.file("/tmp/out") == node.file("/tmp/k") + b"\n"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ("entry list --store nope", 216, NO_OBJECT),
        ("entry getcert --store machine --alias nope", 216, NO_OBJECT),
        ("entry delete -y --store machine --alias nope", 216, NO_OBJECT),
        ("entry create --store machine --alias m --cert /tmp/c --key /tmp/other", 162, "90018"),
        ("entry create --store machine --alias m --cert /tmp/k --key /tmp/k", 161, "90017"),
        ("entry create --store machine --alias m --cert /tmp/none", 2, "Failed to open file"),
        ("entry create --store machine --alias m", 87, "a key must be specified"),
        ("entry list", 87, "Usage: vecs-cli"),
        ("entry list --store machine --what", 87, "Usage: vecs-cli"),
        ("nonsense", 87, "Usage: vecs-cli"),
        ("store create --name machine", 183, "ERROR_ALREADY_EXISTS"),
        ("store delete -y --name TRUSTED_ROOTS", 5, "ERROR_ACCESS_DENIED"),
    ],
)
def test_what_it_refuses(node, words, code, text):
    """The exit status is the error code cut to eight bits; nothing is changed."""
    before = {name: node.disk.vecs.entries(name) for name in node.disk.vecs.names()}

    found, output = run(node, words)

    assert (found, text in output) == (code, True), output
    assert {name: node.disk.vecs.entries(name) for name in node.disk.vecs.names()} == before


def test_an_alias_is_never_overwritten(node):
    """vecs-cli has no way to replace: the old entry stays."""
    words = "entry create --store machine --alias m --cert"
    run(node, f"{words} /tmp/c --key /tmp/k")
    node.tools.files.write("/tmp/root", pki.pem(node.root))

    code, _ = run(node, f"{words} /tmp/root")

    assert code == 183
    assert node.disk.vecs.entries("machine")[0].key == node.file("/tmp/k")


def test_nothing_works_without_vmafdd(node):
    """The service behind it is down."""
    service = node.board.find("vmafdd")
    node.board.stop(service)

    code, output = run(node, "store list")

    assert code == 1021 & 0xFF
    assert output == "vecs-cli failed. Error 1021: Cannot connect to vmafd service. \n"


def test_a_question_is_asked_unless_y_is_given(node):
    """Standard input answers it; no answer is no."""
    run(node, "entry create --store machine --alias m --cert /tmp/c --key /tmp/k")
    words = "entry delete --store machine --alias m"

    assert "Do you wish to continue?" in run(node, f"{words} < /dev/null")[1]
    assert node.disk.vecs.find("machine", "m") is not None
    assert node.sh(f"echo y | {TOOL} {words}")[0] == 0
    assert node.disk.vecs.find("machine", "m") is None


def test_permissions_of_a_store_are_kept(node):
    """Granted, shown and revoked."""
    words = "store permission --name machine --user vpxd"

    assert run(node, f"{words} --grant read")[0] == 0
    assert run(node, "store get-permissions --name machine")[1].splitlines() == [
        "PERMISSIONS FOR STORE: [machine]",
        "OWNER : root",
        "USER\t\tACCESS",
        "vpxd\tread",
    ]
    assert run(node, f"{words} --revoke read")[0] == 0
    assert node.disk.vecs.granted("machine") == {}


def test_a_copy_of_the_stores_is_independent():
    """A snapshot keeps what was there."""
    vecs = Vecs(("machine",))
    vecs.put("machine", VecsEntry(alias="a", kind=EntryKind.SECRET_KEY, key=b"k"))

    twin = copy.deepcopy(vecs)
    vecs.remove("machine", "a")
    vecs.create("more")

    assert (twin.names(), len(twin.entries("machine"))) == (["machine"], 1)


def test_which_solution_users_a_node_has():
    """Hvc and wcp came with 7.0, and only a vCenter has vpxd."""
    assert solution_users(Role.PSC, (6, 7)) == ("machine", "vsphere-webclient")
    assert "hvc" not in solution_users(Role.VCENTER, (6, 7))
    assert "wcp" in solution_users(Role.EMBEDDED, (8, 0))


def test_fault_rules_break_the_tools(node):
    """Before the call nothing is done; after it all is, and it fails all the same."""
    words = "entry create --store machine --cert /tmp/c --key /tmp/k --alias"
    node.faults.add(Rule(protocol="guest", call="vecs-cli entry create", detail="9"))
    node.faults.add(Rule(protocol="guest", call="vecs-cli entry create", nth=2, when=When.AFTER))
    node.faults.add(Rule(protocol="guest", call="vecs-cli entry create", nth=3, effect=Effect.DROP))

    codes = [run(node, f"{words} {alias}")[0] for alias in ("a", "b", "c", "d")]

    assert codes == [9, 1, 137, 0]
    assert [entry.alias for entry in node.disk.vecs.entries("machine")] == ["b", "d"]

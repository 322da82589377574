"""The scripts that write certificate stores and VMCA's root, run by real bash."""

from __future__ import annotations

import dataclasses
import fcntl
import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bash_node import PLAN, READY, BashNode
from sts_material import key, leaf, root
from stsfix.lab import pki
from stsfix.remediation.errors import VecsError, VmcaError
from stsfix.remediation.pki import vecs_writing
from stsfix.remediation.pki.vecs_writing import NewEntry
from stsfix.remediation.transports.vmca import CertoolAuthority, VecsStores
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock

pytestmark = pytest.mark.skipif(not READY, reason="needs bash and openssl")

STORE, ALIAS = "MACHINE_SSL_CERT", "__MACHINE_CERT"
OLD, NEW = leaf("vecs-old"), leaf("vecs-new")


def pem_key(name):
    """Return a key as PEM."""
    return pki.key_pair(key(name), []).key_pem


@pytest.fixture
def node(tmp_path):
    """A node with the old entry."""
    made = BashNode(tmp_path)
    made.store(STORE, ALIAS, pki.pem(OLD), pem_key("vecs-old"))
    return made


def stores(node):
    """Return the product's writer of *node*'s stores."""
    tools = node.tools
    return VecsStores(node, tool=tools.vecs_cli, tools=tools)


def entry(name="vecs-new", certificate=NEW):
    """Return what is written."""
    chain = (pki.der(certificate), pki.der(root()))
    return NewEntry(store=STORE, alias=ALIAS, chain=chain, key_pkcs8=Secret(pki.pkcs8(key(name))))


def public_part(pem):
    """Return the public half of a key."""
    return load_pem_private_key(pem, None).public_key()


def holds(node, store, alias, certificate, name):
    """Tell whether an entry holds exactly *certificate* and its key."""
    found = node.stored(store, alias)
    return (
        found is not None
        and found[0].strip() == pki.pem(certificate).strip()
        and public_part(found[1]) == key(name).public_key()
    )


def test_entry_is_replaced_and_the_old_one_kept(node):
    """The new pair is in the store, the old one in BACKUP_STORE; the root is left out."""
    stores(node).replace_entry(PLAN, entry())

    assert holds(node, STORE, ALIAS, NEW, "vecs-new")
    assert holds(node, "BACKUP_STORE", f"bkp_{ALIAS}", OLD, "vecs-old")
    assert node.left_behind == []
    assert set(node.calls) == {"key 600", "folder 700"}
    assert node.secrets == 1


def test_a_script_that_was_left_with_a_key_is_swept(node):
    """Guest operations put it there; a process that was killed could not take it away."""
    left = node.folder / "stsfix-vmware1.sh"
    left.write_text("a key")
    (node.folder / "other.sh").write_text("somebody's")

    stores(node).sweep(PLAN)

    assert not left.exists()
    assert (node.folder / "other.sh").exists()


def test_an_older_backup_makes_room(node):
    """What certificate-manager kept long ago is not what can be gone back to."""
    node.store("BACKUP_STORE", f"bkp_{ALIAS}", pki.pem(leaf("vecs-ancient")), b"older key")

    stores(node).replace_entry(PLAN, entry())

    assert holds(node, "BACKUP_STORE", f"bkp_{ALIAS}", OLD, "vecs-old")


def test_an_entry_that_is_missing_is_created_and_the_backup_stays(node):
    """An attempt that died between deleting and creating made the backup."""
    node.store("BACKUP_STORE", f"bkp_{ALIAS}", pki.pem(OLD), pem_key("vecs-old"))
    (node.folder / "stores.d" / STORE / f"{ALIAS}.crt").unlink()

    stores(node).replace_entry(PLAN, entry())

    assert holds(node, STORE, ALIAS, NEW, "vecs-new")
    assert holds(node, "BACKUP_STORE", f"bkp_{ALIAS}", OLD, "vecs-old")


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        ("entry-getkey-MACHINE_SSL_CERT", "the old key could not be read"),
        ("entry-create-BACKUP_STORE", "could not be kept in BACKUP_STORE"),
        ("entry-delete-MACHINE_SSL_CERT", "could not be deleted"),
    ],
)
def test_refusal_before_the_delete_changes_nothing(node, refused, said):
    """What fails is named with the node's words, and the old entry stands."""
    node.flag(f"refuses-{refused}")

    with pytest.raises(VecsError, match=said) as caught:
        stores(node).replace_entry(PLAN, entry())

    assert "Access is denied" in caught.value.reason
    assert holds(node, STORE, ALIAS, OLD, "vecs-old")
    assert node.left_behind == []


def test_refused_creation_is_told_and_tried_with_the_old_entry(node):
    """When vecs-cli takes neither the new nor the old one, the backup is what is left."""
    node.flag("refuses-entry-create-MACHINE_SSL_CERT")

    with pytest.raises(VecsError, match="the old one put back: it is in BACKUP_STORE only"):
        stores(node).replace_entry(PLAN, entry())

    assert node.stored(STORE, ALIAS) is None
    assert holds(node, "BACKUP_STORE", f"bkp_{ALIAS}", OLD, "vecs-old")
    assert node.left_behind == []


def test_refused_creation_where_nothing_was_is_told_as_that(node):
    """Nobody says that an old entry was put back which there was not."""
    (node.folder / "stores.d" / STORE / f"{ALIAS}.crt").unlink()
    node.flag("refuses-entry-create-MACHINE_SSL_CERT")

    with pytest.raises(VecsError, match="no old one could be read"):
        stores(node).replace_entry(PLAN, entry())


def test_an_entry_that_could_not_be_read_at_first_is_told_and_stays(node):
    """It is not taken for one that was never there, and the next attempt replaces it."""
    node.flag(f"fails-once-entry-getcert-{STORE}")

    with pytest.raises(VecsError, match="could not be read at first: it was not replaced"):
        stores(node).replace_entry(PLAN, entry())

    assert holds(node, STORE, ALIAS, OLD, "vecs-old")
    assert node.stored("BACKUP_STORE", f"bkp_{ALIAS}") is None
    assert node.left_behind == []
    stores(node).replace_entry(PLAN, entry())
    assert holds(node, "BACKUP_STORE", f"bkp_{ALIAS}", OLD, "vecs-old")


def test_an_entry_that_can_never_be_read_is_not_said_to_be_missing(node):
    """Whether there is one is not known, so that nobody claims either."""
    node.flag(f"refuses-entry-getcert-{STORE}")

    with pytest.raises(VecsError, match="no old one could be read"):
        stores(node).replace_entry(PLAN, entry())

    assert holds(node, STORE, ALIAS, OLD, "vecs-old")


COMMANDS = [
    f"{command}-{store}"
    for command, store in itertools.product(
        ["entry-getcert", "entry-getkey", "entry-delete", "entry-create"], [STORE]
    )
] + ["store-create-BACKUP_STORE", "entry-delete-BACKUP_STORE", "entry-create-BACKUP_STORE"]


@pytest.mark.parametrize("at", COMMANDS)
def test_killed_anywhere_it_is_done_by_the_next_attempt(node, at):
    """Whatever was done before the script died, repeating what is not done yet ends as if it had
    not died: `RenewCertificates` sweeps, then looks whose the entry is.
    """
    node.flag(f"dies-{at}")
    with pytest.raises(VecsError):
        stores(node).replace_entry(PLAN, entry())
    (node.folder / f"dies-{at}").unlink()

    stores(node).sweep(PLAN)
    if not holds(node, STORE, ALIAS, NEW, "vecs-new"):
        stores(node).replace_entry(PLAN, entry())

    assert holds(node, STORE, ALIAS, NEW, "vecs-new")
    assert holds(node, "BACKUP_STORE", f"bkp_{ALIAS}", OLD, "vecs-old")
    assert node.left_behind == []


@pytest.mark.parametrize("at", ["entry-delete", "entry-create"])
def test_what_a_dead_process_began_ends_first(node, at):
    """Its script goes on without it: until then nobody sweeps, looks or writes."""
    waits, waiting = (node.folder / f"{word}-{at}-{STORE}" for word in ("waits", "waiting"))
    waits.touch()
    with ThreadPoolExecutor(2) as pool:
        dead = pool.submit(stores(node).replace_entry, PLAN, entry())
        while not waiting.exists():
            time.sleep(0.01)
        swept = pool.submit(stores(node).sweep, PLAN)
        with pytest.raises(TimeoutError):
            swept.result(0.3)
        waits.unlink()
        dead.result(20)
        swept.result(20)

    assert holds(node, STORE, ALIAS, NEW, "vecs-new")
    assert holds(node, "BACKUP_STORE", f"bkp_{ALIAS}", OLD, "vecs-old")
    assert node.left_behind == []


def test_a_script_that_does_not_end_is_told(node):
    """Nothing is done beside it."""
    with node.folder.joinpath("vecs-cli").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        tools = dataclasses.replace(node.tools, lock_wait_s=0.05)
        writer = VecsStores(node, tool=tools.vecs_cli, tools=tools)

        with pytest.raises(VecsError, match="an earlier script of stsfix still runs there: fuser"):
            writer.replace_entry(PLAN, entry())

    assert holds(node, STORE, ALIAS, OLD, "vecs-old")


def test_a_node_without_flock_is_written_to_all_the_same(node):
    """No appliance was seen that lacks it, and none was seen that has it."""
    script = vecs_writing.replace_script(entry(), "N0nce", node.tools).reveal()

    done = node.run(PLAN, script.replace("flock -w", "no-such-program -w"))

    assert (done.exit_code, holds(node, STORE, ALIAS, NEW, "vecs-new")) == (0, True)


def test_names_are_words_of_their_own(node):
    """A store or alias that looks like shell stays a name."""
    odd = "a b; touch oops"
    node.store("machine", odd, pki.pem(OLD), pem_key("vecs-old"))
    chain = (pki.der(NEW),)
    new = NewEntry(
        store="machine", alias=odd, chain=chain, key_pkcs8=Secret(pki.pkcs8(key("vecs-new")))
    )

    stores(node).replace_entry(PLAN, new)

    assert holds(node, "machine", odd, NEW, "vecs-new")
    assert not (node.folder / "oops").exists()


def test_trusted_roots_are_copied_on_demand(node):
    """vecs-cli force-refresh is what tells vmafd."""
    stores(node).refresh_roots(PLAN)

    assert node.calls == ["refreshed"]


def test_stores_that_cannot_be_reached_are_told(node):
    """Without vmafd nothing is written."""
    node.flag("vecs-down")

    with pytest.raises(VecsError, match="trusted roots"):
        stores(node).refresh_roots(PLAN)


def authority(node):
    """Return the product's VMCA of *node*."""
    return CertoolAuthority(node, SystemClock(), programs=node.programs, tools=node.tools)


def test_vmca_gets_a_new_root_and_keeps_the_old_files(node):
    """Afterwards it issues with it, and its key is nowhere else."""
    node.provision(root("vecs-ended"), key("vecs-ended"))
    new = root("vecs-root")

    authority(node).install_root(PLAN, pki.der(new), Secret(pki.pkcs8(key("vecs-root"))))

    assert authority(node).read_root(PLAN).chain == (pki.der(new),)
    assert (node.folder / "root.cer.0").exists()
    assert "key 600" in node.calls
    assert node.left_behind == []


@pytest.mark.parametrize("flag", ["refuses--rootca", "stubborn"])
def test_vmca_that_goes_on_with_its_old_root_is_an_error(node, flag):
    """Refused or ignored: both are seen, because it is asked afterwards."""
    node.provision(root("vecs-ended"), key("vecs-ended"))
    node.flag(flag)

    with pytest.raises(VmcaError):
        authority(node).install_root(
            PLAN, pki.der(root("vecs-root")), Secret(pki.pkcs8(key("vecs-root")))
        )

    assert node.left_behind == []

"""Any output of the script gives facts; each fact stands or falls alone."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_node import NOW, BareNode
from stsfix.lab.disk import NodeFile
from stsfix.remediation.nodes import node_facts
from stsfix.remediation.nodes.node_facts import DiskSpace, NodeFacts, PasswordAge, Unread

BASH = shutil.which("bash")


def parse(text) -> Any:
    """Return the facts, untyped: each test knows what it expects."""
    return node_facts.parse(text)


def section(name, text):
    """Return what the script prints for one section."""
    return f"\n== stsfix:{name}\n{text}\n\n== stsfix:end\n"


def ready_node():
    """Return a node whose services run and whose files are those of an embedded node."""
    node = BareNode()
    texts = {
        "/etc/vmware/.buildInfo": b"CLOUDVM_VERSION:8.0.3.00000\n",
        "/etc/vmware/deployment.node.type": b"embedded",
        "/usr/lib/vmware-vmdir/sbin/vmdird": b"ELF",
    }
    node.disk.files |= {path: NodeFile(content=content) for path, content in texts.items()}
    node.board.boot_all()
    return node


def test_a_lab_node_tells_every_fact():
    """The script runs whole in the lab's shell, and each section is understood."""
    node = ready_node()
    node.disk.password_days = 10

    code, output = node.sh(node_facts.script())
    facts = parse(output)

    assert code == 0
    assert facts.clock == NOW
    assert facts.build == "8.0.3.00000"
    assert facts.node_type == "embedded"
    assert facts.vmdir_state == "Normal"
    assert facts.vmdird_installed is True
    assert facts.vcha == ()
    assert facts.password == PasswordAge(expires=date(2026, 3, 11))
    assert [disk.mount for disk in facts.disks] == ["/", "/storage/log"]
    assert facts.uptime == timedelta(0)
    assert facts.addresses == ("127.0.0.1",)
    assert "vmdird" in facts.services
    assert facts.pnid == node.disk.fqdn
    assert facts.machine_id == node.disk.machine_id
    assert facts.controller == node.disk.psc


def test_what_a_bare_node_does_not_have_is_unread_with_its_own_words():
    """A missing file or stopped service costs that fact alone."""
    facts = parse(BareNode().sh(node_facts.script())[1])

    assert "No such file" in facts.build.reason
    assert "VmDirGetState failed" in facts.vmdir_state.reason
    assert facts.vmdird_installed is False
    assert facts.clock == NOW


@pytest.mark.skipif(BASH is None, reason="no bash")
def test_the_script_is_bash_and_real_tools_are_understood(tmp_path):
    """Real bash, date and df: no syntax error, and what this machine has is read."""
    done = subprocess.run(
        [str(BASH), "-c", node_facts.script()],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    facts = parse(done.stdout + done.stderr)

    assert "syntax" not in done.stderr
    assert abs(facts.clock - datetime.now(UTC)) < timedelta(seconds=60)
    assert facts.vmdird_installed is False
    assert facts.disks[0].mount == "/"
    assert isinstance(facts.build, Unread)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (" VmDir State is - Normal", "Normal"),
        ("menu\n\n VmDir State is - Read only \n", "Read only"),
        ("VmDir State is - Standalone", "Standalone"),
    ],
)
def test_vmdir_states_are_read_whole(said, state):
    """The state may be two words (vCert's last word is not enough)."""
    assert parse(section("vmdir-state", said)).vmdir_state == state


@pytest.mark.parametrize(
    ("said", "age"),
    [
        ("Feb 01, 2027", PasswordAge(expires=date(2027, 2, 1))),
        ("2027-02-01", PasswordAge(expires=date(2027, 2, 1))),
        ("never", PasswordAge()),
        ("password must be changed", PasswordAge(must_change=True)),
    ],
)
def test_password_ends_are_read_in_every_form(said, age):
    """The tool prints English dates, newer releases ISO dates."""
    text = f"Last password change\t: Jan 01, 2027\nPassword expires\t\t: {said}\n"

    assert parse(section("password", text)).password == age


@pytest.mark.parametrize(
    ("said", "signs"),
    [
        ("no folder", 0),
        ("/etc/vmware-vcha", 1),
        ("no folder\nHACore", 1),
        ("/etc/vmware-vcha\nprofile=HACore", 2),
        ("no folder\nALL", 0),
    ],
)
def test_vcha_is_seen_by_either_sign(said, signs):
    """The folder or the vMon profile."""
    assert len(parse(section("vcha", said)).vcha) == signs


def test_disks_with_spaces_and_errors_between_are_read():
    """Complaints of df are mixed into its table."""
    text = (
        "Filesystem 1024-blocks Used Available Capacity Mounted on\n"
        "df: /storage/log: No such file or directory\n"
        "/dev/mapper/a b  1000 400 600 40% /\n"
    )

    disks = parse(section("disks", text)).disks

    assert disks == (DiskSpace(mount="/", capacity_bytes=1024_000, free_bytes=614_400),)


def test_a_cut_output_costs_what_was_cut():
    """Guest output ends at 64 KiB: sections that never came are named."""
    whole = ready_node().sh(node_facts.script())[1]

    facts = parse(whole[: whole.index("== stsfix:disks") + 20])

    assert facts.vmdir_state == "Normal"
    assert isinstance(facts.disks, Unread)
    assert facts.uptime.reason == "the node's answer has no section uptime"


NAMES = st.sampled_from(
    ["clock", "build", "node-type", "vmdir-state", "vmdird", "vcha", "password", "disks", "uptime"]
)


@given(st.lists(st.tuples(NAMES, st.text(max_size=300)), max_size=20))
def test_no_text_breaks_the_parser(parts):
    """Whatever a guest prints, each field is a value of its kind or a printable reason."""
    facts = parse("".join(section(*part) for part in parts))

    for name in NodeFacts.__dataclass_fields__:
        value = getattr(facts, name)
        if isinstance(value, Unread):
            assert value.reason.isprintable()


@given(st.text())
def test_text_without_marks_tells_nothing(text):
    """Nothing is guessed from an output that is not the script's."""
    facts = parse(text.replace("== stsfix:", ""))

    told = {n for n in NodeFacts.__dataclass_fields__ if not isinstance(getattr(facts, n), Unread)}
    assert told == {"database"}  # an appliance has its own, whatever it says

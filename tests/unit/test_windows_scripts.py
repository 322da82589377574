"""What the batch scripts of a Windows node are, and what their output tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stsfix.remediation.model import Platform
from stsfix.remediation.nodes.node_facts import Database, DiskSpace, NodeFacts, Unread
from stsfix.remediation.nodes.service_status import parse_kept
from stsfix.remediation.nodes.windows_scripts import (
    RUNNING_LINE,
    facts_script,
    parse_facts,
    restart_script,
    status_script,
)
from windows_node import BareWindows, windows_disk

OUTPUT = """
== stsfix:clock
LastBootUpTime=20260228100000.500000+060
LocalDateTime=20260301130005.250000+060

== stsfix:version

HKEY_LOCAL_MACHINE\\SOFTWARE\\VMware, Inc.\\vCenter Server
    ProductVersion    REG_SZ    6.7.0.42000

== stsfix:node-type
embedded
== stsfix:vmdird
installed

== stsfix:drives
C: D: d: C:
== stsfix:disks
DeviceID=C:
FreeSpace=1000
Size=5000
DeviceID=D:
FreeSpace=2000
Size=6000
DeviceID=E:
FreeSpace=0
Size=7000

== stsfix:database
dbtype = mssql
== stsfix:database-host
elsewhere
== stsfix:services
Running:
 VMWareAfdService vpxd
== stsfix:vmdir-state

 VmDir State is - Read only

== stsfix:end
"""


def test_everything_is_read():
    """Each section gives its fact, whatever stands around it."""
    facts = parse_facts(OUTPUT)

    assert facts.clock == datetime(2026, 3, 1, 12, 0, 5, 250000, tzinfo=UTC)
    assert facts.uptime == timedelta(days=1, hours=3, seconds=4, milliseconds=750)
    assert facts.build == "6.7.0.42000"
    assert facts.node_type == "embedded"
    assert facts.vmdird_installed is True
    assert facts.vmdir_state == "Read only"
    assert facts.vcha == ()
    assert facts.database == Database(kind="mssql", is_local=False)
    assert facts.services == "Running:\n VMWareAfdService vpxd"


def test_only_drives_that_matter_are_told():
    """A full drive of somebody else's forbids nothing."""
    assert parse_facts(OUTPUT).disks == (
        DiskSpace(mount="C:", capacity_bytes=5000, free_bytes=1000),
        DiskSpace(mount="D:", capacity_bytes=6000, free_bytes=2000),
    )


@pytest.mark.parametrize(
    ("section", "field"),
    [
        ("LocalDateTime=20261301130005.250000+060", "clock"),
        ("LocalDateTime=2026", "clock"),
        ("DeviceID=C:\nSize=many", "disks"),
        ("== stsfix:database\nDbtype is missing\n== stsfix:database-host\nhere", "database"),
        ("== stsfix:database\ndbtype = mssql\n== stsfix:database-host\nFINDSTR: ?", "database"),
        ("== stsfix:vmdird\nmaybe", "vmdird_installed"),
    ],
)
def test_what_makes_no_sense_costs_that_fact_only(section, field):
    """It is unread, with what the node said."""
    name = {"clock": "clock", "disks": "disks"}.get(field)
    text = f"== stsfix:{name}\n{section}" if name else section

    facts = parse_facts(text)

    assert isinstance(getattr(facts, field), Unread)
    assert facts.vcha == ()


@given(st.text())
def test_any_text_is_taken(text):
    """Nothing a node prints breaks the reader."""
    assert isinstance(parse_facts(text), NodeFacts)


@pytest.mark.parametrize("script", [facts_script(), status_script(), restart_script()])
def test_scripts_are_plain(script):
    """ASCII, and no exclamation mark or lone percent that cmd.exe would replace."""
    assert script.isascii()
    assert "!" not in script
    assert script.count("%") % 2 == 0


def test_the_facts_of_a_labs_node():
    """The script runs in the lab's cmd.exe; the password in vcdb.properties is not printed."""
    disk = windows_disk()
    node = BareWindows(disk)
    node.board.boot_all()

    code, output = node.batch(facts_script())

    facts = parse_facts(output.replace("\r", ""))
    unread = {n for n in facts.__slots__ if isinstance(getattr(facts, n), Unread)}
    assert code == 0
    assert unread == {"password", "addresses", "pnid", "machine_id", "controller"}
    assert facts.database == Database(kind="PostgreSQL", is_local=True)
    assert disk.windows is not None
    assert disk.windows.database_password not in output


def test_a_restart_stops_and_starts_everything():
    """The mark is there meanwhile, and only then."""
    node = BareWindows()
    node.board.boot_all()
    node.board.started_log.clear()

    before = node.batch(status_script())[1]
    _, output = node.batch(restart_script())

    assert RUNNING_LINE not in before
    assert "vpxd" in node.board.started_log
    assert output.rindex("Running:") > output.index("Performing stop operation")
    assert parse_kept(output, Platform.WINDOWS) == ()
    assert node.files.find("C:\\Windows\\stsfix-restart.running") is None


def test_a_restart_starts_by_name_what_a_person_had_started():
    """``--start --all`` leaves it stopped."""
    node = BareWindows()
    by_hand = next(service for service in node.board.services if not service.automatic)

    node.batch(restart_script((by_hand.name,)))

    assert by_hand.name in node.board.running()
    assert node.board.missing() == []


def test_a_restart_goes_on_without_its_file():
    """It is one line: services are started although the file is gone after the stop."""
    node = BareWindows()
    node.board.boot_all()
    script = restart_script().replace('--stop --all"', '--stop --all" & del C:\\t\\t.cmd')

    node.batch(script)

    assert node.files.find("C:\\t\\t.cmd") is None
    assert node.board.missing() == []


def test_a_restart_that_runs_is_told():
    """The listing says so as long as the mark is there."""
    node = BareWindows()
    node.files.write("C:\\Windows\\stsfix-restart.running", b"x")

    assert node.batch(status_script())[1].startswith(RUNNING_LINE)

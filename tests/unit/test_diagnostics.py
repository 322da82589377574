"""Every error comes with its state and with actions that can be copied."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from error_leaves import SAMPLES, VM, an_error, error_leaves
from stsfix.plugin.advice import ADVICE
from stsfix.plugin.advice_run import OWN_STATE
from stsfix.plugin.diagnostics import RunContext, explain, split_command
from stsfix.plugin.errors import ConfigError, ConfigProblem, ReportFileError
from stsfix.remediation.errors import (
    DirectoryFaultError,
    DirectoryUnreachableError,
    EntryConflictError,
    ForeignEntriesError,
    NodeTlsError,
    NodeUnreachableError,
    ProofError,
    ServiceRestartError,
    TransportUnavailableError,
)
from stsfix.remediation.errors_run import (
    DomainLockedError,
    ExportError,
    InterruptedRunError,
    JournalUnwritableError,
    PreflightBlockedError,
    UndoFailedError,
)
from stsfix.remediation.records import Phase
from stsfix.snapshot.answers import TOO_SLOWLY
from stsfix.snapshot.errors import (
    AnswerLostError,
    HostLoginError,
    HostTlsError,
    HostUnreachableError,
    NoSpaceError,
    OperationError,
    ShutdownOverdueError,
    SnapshotGoneError,
    SnapshotSetIncompleteError,
)

RUN = RunContext(config=Path("my domain.toml"), run="run-1", phase="stopped")
LEAVES = error_leaves()


@pytest.mark.parametrize(
    "error",
    [
        lambda reason: HostUnreachableError("esx1", reason),
        lambda reason: DirectoryUnreachableError("vc1", reason),
        lambda reason: NodeUnreachableError("vc1", reason),
        lambda reason: TransportUnavailableError("vc1", "VAMI", reason),
    ],
    ids=["host", "directory", "node", "transport"],
)
def test_a_slow_answer_has_an_advice_of_its_own(error):
    """A slow line may be given more time; silence is no matter of time."""
    slow, silent = (
        explain(error(reason)).next_actions
        for reason in (f"{TOO_SLOWLY}: 9 bytes in 60 s", "no answer in 60 s")
    )

    assert "[timeouts]" in slow[0]
    assert slow[1:] == silent


@pytest.mark.parametrize(
    ("error", "told", "goes_on"),
    [
        (ForeignEntriesError("vc1", "9 signs", signer="TenantCredential-9"), "whose", True),
        (ForeignEntriesError("vc1", "it is not there", gone=True), "not written a second", False),
        (ForeignEntriesError("vc1", "it is another"), "stop that first", True),
        (EntryConflictError("vc1", "vc2", "TenantCredential-2"), "delete neither", False),
    ],
    ids=["another signs", "gone", "another", "two of one name"],
)
def test_what_somebody_else_wrote_is_no_refusal_of_the_directory(error, told, goes_on):
    """Nobody is sent to its rights or logs; going on is offered only where it can succeed."""
    found = explain(error, RUN)
    text = " ".join(found.next_actions)

    assert "LDAP" not in f"{found.what_happened} {text}"
    assert told in text
    assert ("stsfix resume" in text) is goes_on
    assert "stsfix rollback" in text


def test_every_leaf_has_advice_and_nothing_else_has():
    """The advice table's classes are exactly the leaves; own states are of leaves too."""
    assert set(ADVICE) == set(LEAVES)
    assert set(OWN_STATE) <= set(LEAVES)


@pytest.mark.parametrize("context", [None, RUN], ids=["no-run", "run"])
@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_advice_of_every_leaf_is_complete(leaf, context):
    """What happened is a sentence, the state is said, and no action has a hole or a placeholder."""
    found = explain(an_error(leaf), context)

    assert re.fullmatch(r"\S.*\.", found.what_happened)
    assert found.state.endswith(".")
    assert found.next_actions
    assert not [a for a in found.next_actions if re.search(r"\{e|\{\w+\}|None|\(\)|\.$", a)]
    assert len(set(found.next_actions)) == len(found.next_actions)


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_commands_of_a_run_are_exact(leaf):
    """Every command that takes a run names it, and every command names the configuration."""
    found = " ".join(explain(an_error(leaf), RUN).next_actions)

    commands = re.findall(r"stsfix (\w+)((?: \S+)?)(?: (-c 'my domain.toml'))?", found)
    for name, run, config in commands:
        if name in {"resume", "rollback", "release", "status"}:
            assert run == " run-1"
            assert config


def test_leaf_samples_use_every_sample_value():
    """The table of sample values holds nothing that no error takes."""
    names = {name for leaf in LEAVES for name in vars(an_error(leaf))}

    assert set(SAMPLES) - {"waited_s"} <= names


def test_an_expired_host_password_is_told_alone():
    """The host said so; three other causes would lead astray."""
    found = explain(HostLoginError(VM.host, "root", "PasswordExpired"), RUN)

    assert found.what_happened.endswith("refused the login of root: the password has expired.")
    assert found.next_actions[0].startswith("Set a new password of root on the host's console")
    assert not any("lockdown" in action.lower() for action in found.next_actions)


def test_refused_host_login_names_its_three_causes():
    """Password, lockdown and the 900 s lock look the same, so all three are named."""
    found = explain(HostLoginError(VM.host, "root"), RUN)

    assert found.what_happened == "esx1.lab.example refused the login of root."
    causes = found.next_actions[0]
    assert "wrong password of root" in causes
    assert "lockdown mode on esx1.lab.example" in causes
    assert "900 s" in causes
    assert found.next_actions[-1] == "Then go on: stsfix resume run-1 -c 'my domain.toml'"


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (HostTlsError("esx1", "pinned certificate mismatch", "ab" * 32), "[[esxi]] table of esx1"),
        (NodeTlsError("vc1.lab", "self-signed", "ab" * 32), '[nodes."vc1.lab"]'),
    ],
)
def test_certificate_that_was_seen_can_be_pinned(error, place):
    """The advice compares first and then shows the line to add, with the fingerprint seen."""
    found = explain(error)

    assert "fingerprint" in found.next_actions[0]
    assert place in found.next_actions[1]
    assert f'tls = "sha256:{"ab" * 32}"' in found.next_actions[1]


@pytest.mark.parametrize(
    ("context", "command"),
    [(RunContext(), "stsfix status"), (RUN, "stsfix status run-1 -c 'my domain.toml'")],
    ids=["no-run", "run"],
)
def test_the_pin_that_a_run_made_is_pointed_to(context, command):
    """Also by a command that is about no run: preflight refuses the node until it is pinned."""
    found = explain(NodeTlsError("vc1.lab", "pinned certificate mismatch"), context)

    assert any(action.endswith(f"its new pin is in: {command}") for action in found.next_actions)


def test_certificate_that_was_not_seen_is_read_first():
    """Without a fingerprint nothing is offered for pinning but what the console shows."""
    found = " ".join(explain(HostTlsError("esx1", "unreadable")).next_actions)

    assert 'tls = "sha256:<what the console shows>"' in found


@pytest.mark.parametrize(
    ("phase", "command"),
    [
        (Phase.OPEN, "resume run-1"),
        (Phase.STOPPED, "resume run-1"),
        (Phase.ROLLING_BACK, "rollback run-1"),
        (Phase.ROLLED_BACK, "release run-1"),
        (Phase.RELEASING, "release run-1"),
        (Phase.RESTORING, "export restore run-1"),
        (Phase.RESTORED, "release run-1"),
        (Phase.RELEASED, "release run-1"),
        (Phase.ADOPTED, "rollback run-1"),
        ("", "resume run-1"),
    ],
)
def test_going_on_depends_on_the_phase(phase, command):
    """A run that is being taken back is gone on with by rollback, one being released by release."""
    context = RunContext(run="run-1", phase=phase, state_dir=Path("/s"))

    found = explain(ShutdownOverdueError((VM,), 1200), context)

    assert found.next_actions[-1] == f"Then go on: stsfix {command} --state-dir /s"


@pytest.mark.parametrize("phase", list(Phase))
def test_going_on_with_what_was_asked_is_asking_it_again(phase):
    """A restore of a repaired run that was stopped is not gone on with by releasing it."""
    context = RunContext(run="run-1", phase=phase, asked="export restore")

    found = explain(InterruptedRunError("run-1"), context)

    assert found.next_actions[0] == "Go on when you want to: stsfix export restore run-1"


@pytest.mark.parametrize(
    ("phase", "told"),
    [(Phase.STOPPED, True), (Phase.ROLLING_BACK, False), (Phase.RELEASING, False)],
)
def test_the_way_back_is_offered_where_there_is_another_way(phase, told):
    """Not twice in one answer, and not when the snapshots are being deleted."""
    found = explain(NoSpaceError("esx1", "datastore1"), RunContext(run="run-1", phase=phase))

    assert any(line.startswith("Or take the run back") for line in found.next_actions) is told


@pytest.mark.parametrize(
    ("error", "phase", "refused"),
    [
        (ExportError("x", "is damaged"), Phase.RELEASED, "rollback"),
        (SnapshotSetIncompleteError("run-1", ["vc1: gone"]), Phase.ADOPTED, "export restore"),
    ],
    ids=["released", "adopted"],
)
def test_what_would_be_refused_is_not_offered(error, phase, refused):
    """Without snapshots there is no rollback, and an adopted run has no export here."""
    told = {
        each: " ".join(explain(error, RunContext(run="run-1", phase=each)).next_actions)
        for each in (phase, Phase.STOPPED)
    }

    assert refused in told[Phase.STOPPED]
    assert refused not in told[phase]


def test_an_export_that_cannot_be_written_is_not_to_be_named_anew():
    """Its file is the run's own: with room made, the run goes on."""
    error = ReportFileError("/s/exports/run-1.json", "No space left on device")

    found = explain(error, RUN).next_actions

    assert found[0].startswith("Make room on the disk of /s/exports/run-1.json")
    assert found[1] == "Then go on: stsfix resume run-1 -c 'my domain.toml'"


@pytest.mark.parametrize("typed", ["", "stsfix certs --expired -c d.toml"])
def test_going_on_without_a_run_is_the_command_again(typed):
    """What was typed, whole; where nobody knows it, the command that changes nothing."""
    context = RunContext(config=Path("d.toml"), typed=typed)

    found = explain(HostUnreachableError("esx1", "timed out"), context)

    assert found.next_actions[-1] == f"Then go on: {typed or 'stsfix preflight -c d.toml'}"
    assert found.state == "Nothing was changed."


def test_a_lost_answer_is_in_doubt_without_a_run_too():
    """A look may have left something of itself."""
    assert explain(AnswerLostError("vc1", "StartProgram")).state.startswith("It may or may not")


def test_a_forbidden_run_is_looked_at_with_what_was_asked():
    """A preflight without the run's options would not show what forbids it."""
    context = RunContext(looking="preflight --renew all", typed="stsfix run --renew all --force")

    found = explain(PreflightBlockedError(["RENEW-CUSTOM-CA"]), context)

    assert [split_command(action)[1] for action in found.next_actions] == [
        "stsfix preflight --renew all",
        "stsfix run --renew all --force",
    ]


def test_the_open_run_that_is_in_the_way_is_named_in_the_command():
    """Not a list to look it up in."""
    error = DomainLockedError("a.b", "run stsfix-1, which is stopped", open_run="stsfix-1")

    found = explain(error, RunContext(state_dir=Path("/s")))

    assert found.state == "Nothing was changed."
    assert split_command(found.next_actions[0])[1] == "stsfix status stsfix-1 --state-dir /s"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (JournalUnwritableError("/s", "others may write into the folder", untrusted=True), False),
        (JournalUnwritableError("/s", "disk full"), True),
    ],
)
def test_a_folder_that_others_may_write_into_is_no_matter_of_space(error, told):
    """The advice is of the cause."""
    found = explain(error).next_actions

    assert any("Make room" in action for action in found) is told
    assert ("chmod go-w /s" in [split_command(action)[1] for action in found]) is not told


@pytest.mark.parametrize(
    "copied", ["openssl x509 -noout", 'tls = "sha256:', "/usr/lib/vmware-vmafd/bin/vecs-cli"]
)
def test_what_is_typed_elsewhere_stands_on_a_line_of_its_own(copied):
    """Commands of consoles and lines of domain.toml are copied whole, too."""
    errors = (
        HostTlsError("esx1", "mismatch", "ab" * 32),
        NodeTlsError("vc1.lab", "mismatch", "ab" * 32),
    )

    shown = [split_command(a)[1] for error in errors for a in explain(error).next_actions]

    assert [line for line in shown if line.startswith(copied)]


def test_a_way_in_that_ends_at_a_certificate_is_not_waited_for():
    """Nobody was asked for anything: the certificate is what has to be mended."""
    refused = NodeTlsError("vc1.lab", "certificate has expired")

    found = explain(ProofError("vc1.lab", "login", str(refused)), RUN).next_actions

    assert "fingerprint" in found[1]
    assert not any("may still be starting" in action for action in found)
    assert [action.partition(" run-1")[0] for action in found[-2:]] == [
        "Then go on: stsfix resume",
        "Or take the run back: stsfix rollback",
    ]


def test_failed_undo_gives_the_advice_of_its_cause():
    """What stopped the undo decides what to mend; the command is rollback in any phase."""
    error = UndoFailedError("replace-sts", "no space")
    error.__cause__ = NoSpaceError("esx1", "datastore1")

    found = explain(error, RUN)

    assert "Free space on datastore datastore1" in found.next_actions[0]
    assert found.next_actions[1] == "Then go on: stsfix rollback run-1 -c 'my domain.toml'"
    assert "Taking it back is not finished" in found.state


def test_a_snapshot_that_is_gone_in_the_middle_of_a_revert_keeps_all_nodes_off():
    """Some may be at their snapshots by then, and who is powered on now meets another time."""
    error = UndoFailedError("replace-sts", "gone")
    error.__cause__ = SnapshotGoneError(VM, "run-1")

    found = explain(error, RUN)

    assert found.state.startswith("All nodes are off, and some may be at their snapshots")
    assert any(action.startswith("Power no node on") for action in found.next_actions)


def test_a_rollback_that_is_tried_again_without_a_snapshot_powers_nobody_on_for_the_export():
    """The export needs all nodes on, and some may have been reverted the first time."""
    found = explain(SnapshotSetIncompleteError("run-1", ["vc1: gone"]), RUN)

    reverted, untouched = found.next_actions[2:4]
    assert reverted.startswith("If a rollback reverted some nodes")
    assert "power none on" in reverted
    assert "no node was reverted" in untouched
    assert "stsfix export restore run-1" in untouched


def test_lost_journal_record_is_not_called_written():
    """If a record could not be made durable the state says that it may be there or not."""
    found = explain(JournalUnwritableError("/s/runs.db", "disk full"), RUN)

    assert found.state.startswith("The last record may or may not be on disk")
    assert "Run run-1 (stopped) is recorded up to this point." in found.state


def test_missing_file_leads_to_an_example():
    """Who has no domain.toml yet is told where an example is."""
    missing = ConfigError("domain.toml", [ConfigProblem(where="", reason="there is no such file")])

    assert "docs/configuration.md" in explain(missing).next_actions[0]


def test_lines_that_an_error_rests_on_are_told():
    """What services said last stands beside the error, made harmless."""
    error = ServiceRestartError("vc1", ["vpxd"], evidence=["vpxd.log: error \x1b[2J"])

    found = explain(error, RUN)

    assert found.evidence == (r"vpxd.log: error \x1b[2J",)
    assert explain(JournalUnwritableError("/s", "full")).evidence == ()


def test_text_from_the_network_cannot_command_the_terminal():
    """Escape sequences in an answer are spelled out, braces in it are left alone."""
    error = DirectoryFaultError("vc1", "add {e}", 53, "\x1b[2J\u202e")

    found = explain(error, RUN)

    assert r"add {e}: LDAP 53 \x1b[2J\u202e" in found.what_happened


def test_error_without_advice_still_leads_somewhere():
    """A class outside the table gets its category's state and the command that shows the run."""
    found = explain(OperationError("something new"), RUN)

    assert found.what_happened == "Something new."
    assert found.next_actions == ("Look at the run: stsfix status run-1 -c 'my domain.toml'",)


@pytest.mark.parametrize("command", ["stsfix rollback", "service-control --stop --all", "cd /d x"])
def test_a_name_is_no_command_to_copy(command):
    """A datastore may be called anything: what is shown on a line of its own, to be copied, is
    never of its making.
    """
    error = NoSpaceError("vc1", f"ds: {command}; id")

    actions = explain(error).next_actions

    shown = [split_command(action)[1] for action in actions]
    assert any(f"ds:{command}; id" in action for action in actions)
    assert [line for line in shown if "; id" in line] == []

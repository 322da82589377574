"""Seeds known mistakes into a copy of the tree, one at a time, and reports whether tests see them.

Run it with ``make mutants``; the tree it is started from is only read. Words after the script's
name choose the mutants in whose name or file one of them stands. A mutant that survives, or whose
place in the code is not there any more, fails the run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
COPIED = (".dev", "snapshot", "remediation", "plugin", "lab", "tests", "pyproject.toml")
LIMIT_S = 300
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_WORKERS = 2
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
"""Where sshd is, too."""

ENGINE = "tests/crash/test_resume_engine.py"
JOURNAL = "tests/unit/test_journal.py"
COORDINATOR = "tests/unit/test_coordinator.py"
MACHINES = "tests/unit/test_steps_machines.py"
CREDENTIAL = "tests/unit/test_steps_credential.py"
SERVICES = "tests/unit/test_steps_services.py"
CLAIMS = "tests/unit/test_claims.py"
CLOCKS = "tests/unit/test_steps_clocks.py"
HOST_KEYS = "tests/unit/test_host_keys.py"
CHOICE = "tests/unit/test_transport_choice.py"
SSH_SCRIPT = "tests/unit/test_ssh_script.py"
SSHD = "tests/contract/test_sshd.py"
VAMI = "tests/lab/test_vami_client.py"
GUEST = "tests/lab/test_esxi_guest.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One mistake: *old*, which is in *file* exactly once, becomes *new*; *tests* must see it.

    They skip themselves where the program *needs* is missing.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = (ENGINE,)
    needs: str = ""


MUTANTS = (
    Mutant(
        name="a person who restarts services is believed",
        file="remediation/steps/by_hand.py",
        old="            if not proof.ok and proof.node in wanted:",
        new="            if proof.ok and proof.node not in wanted:",
        tests=(SERVICES,),
    ),
    Mutant(
        name="a vCenter does not wait for its PSC's person",
        file="remediation/steps/services.py",
        old="            if waiting and not wave[0].role.has_directory:",
        new="            if waiting and wave[0].role.has_directory:",
        tests=(SERVICES,),
    ),
    Mutant(
        name="the writer is not restarted alone",
        file="remediation/restarts.py",
        old="((writer,), tuple(others), vcenters)",
        new="((writer, *others), vcenters)",
        tests=(SERVICES,),
    ),
    Mutant(
        name="tokens of partners are not shown to a vCenter",
        file="remediation/steps/needed.py",
        old="            across=True,",
        new="            across=False,",
        tests=(SERVICES,),
    ),
    Mutant(
        name="an older release is proven first",
        file="remediation/checks_transports.py",
        old="    if older:",
        new="    if not told:",
        tests=("tests/unit/test_checks_transports.py",),
    ),
    Mutant(
        name="a step in doubt is done again without looking",
        file="remediation/engine.py",
        old="                _settle(step, journal, progress)\n",
        new="                _attempt(step, journal, progress)\n",
    ),
    Mutant(
        name="no record before a step is begun",
        file="remediation/engine.py",
        old="    _record(journal, progress, step.name, StepState.STARTED)\n",
        new="",
    ),
    Mutant(
        name="only one step is taken back",
        file="remediation/engine.py",
        old="                return Undo(index)\n        return Finish(Phase.ROLLED_BACK)",
        new="                if StepState.UNDONE in states.values():\n"
        "                    break\n"
        "                return Undo(index)\n        return Finish(Phase.ROLLED_BACK)",
    ),
    Mutant(
        name="the first step is taken back first",
        file="remediation/engine.py",
        old="for index in reversed(range(len(plan))):",
        new="for index in range(len(plan)):",
    ),
    Mutant(
        name="records are not synced to the disk",
        file="remediation/journal.py",
        old="PRAGMA synchronous = FULL",
        new="PRAGMA synchronous = OFF",
        tests=(JOURNAL,),
    ),
    Mutant(
        name="writing goes on after a write failed",
        file="remediation/journal.py",
        old="                self._unwritable = True\n",
        new="                pass\n",
        tests=(JOURNAL, ENGINE),
    ),
    Mutant(
        name="a record that failed is ignored",
        file="remediation/journal.py",
        old="                raise JournalUnwritableError(str(self._file.path), str(error))"
        " from error\n"
        "            self._records",
        new="                pass\n            self._records",
        tests=(JOURNAL, ENGINE),
    ),
    Mutant(
        name="any state may follow any other",
        file="remediation/journal.py",
        old="            self._check(record)\n",
        new="",
        tests=(JOURNAL,),
    ),
    Mutant(
        name="notes are lost when the process dies",
        file="remediation/engine.py",
        old="        journal.append(NoteRecord(step=step.name, key=key, value=value))\n",
        new="        del key, value\n",
    ),
    Mutant(
        name="an undo that failed is not recorded",
        file="remediation/engine.py",
        old="        _record(journal, progress, step.name, StepState.UNDO_FAILED,"
        " error=type(error).__name__)\n",
        new="",
    ),
    Mutant(
        name="a step that failed is not recorded",
        file="remediation/engine.py",
        old="        _record(journal, progress, step.name, StepState.FAILED,"
        " error=type(error).__name__)\n",
        new="",
    ),
    Mutant(
        name="a step that can be repeated is taken for done",
        file="remediation/engine.py",
        old="        case Observed.REPEATABLE:\n            _attempt(step, journal, progress)\n",
        new="        case Observed.REPEATABLE:\n"
        "            _record(journal, progress, step.name, StepState.DONE)\n",
    ),
    Mutant(
        name="a step that can be repeated is not (the run hangs)",
        file="remediation/engine.py",
        old="        case Observed.REPEATABLE:\n            _attempt(step, journal, progress)\n",
        new="        case Observed.REPEATABLE:\n            pass\n",
    ),
    Mutant(
        name="an unclear step is taken for done",
        file="remediation/engine.py",
        old="            raise StepUnclearError(step.name)\n",
        new="            _record(journal, progress, step.name, StepState.STARTED)\n"
        "            _record(journal, progress, step.name, StepState.DONE)\n",
    ),
    Mutant(
        name="a run turns back by itself",
        file="remediation/engine.py",
        old="error=type(error).__name__)\n        raise\n",
        new="error=type(error).__name__)\n        turn_back(journal)\n        return\n",
    ),
    Mutant(
        name="a partial set is reverted to",
        file="snapshot/coordinator.py",
        old="        self._require_members(snapshot_set, vms)\n",
        new="",
        tests=(COORDINATOR,),
    ),
    Mutant(
        name="a VM that is on is reverted",
        file="snapshot/coordinator.py",
        old="        self._require_members(snapshot_set, vms)\n        self.require_off(vms)\n",
        new="        self._require_members(snapshot_set, vms)\n",
        tests=(COORDINATOR,),
    ),
    Mutant(
        name="a revert is believed without looking",
        file="snapshot/coordinator.py",
        old="        self._verify_reverted(snapshot_set, vms)\n\n",
        new="\n",
        tests=(COORDINATOR,),
    ),
    Mutant(
        name="a noted snapshot task is not awaited",
        file="snapshot/coordinator.py",
        old="        self._settle_noted(vms, noted)\n",
        new="",
        tests=(COORDINATOR,),
    ),
    Mutant(
        name="a set is completed across a power-on",
        file="remediation/steps/machines.py",
        old="            self._drop_earlier(noted)\n",
        new="",
        tests=(MACHINES,),
    ),
    Mutant(
        name="a set is believed that nobody has looked after",
        file="remediation/steps/machines.py",
        old='before one did.\n        """\n        del noted\n        return Observed.REPEATABLE\n',
        new='before one did.\n        """\n        del noted\n        return Observed.COMPLETE\n',
        tests=(MACHINES,),
    ),
    Mutant(
        name="nodes are powered on as soon as they are reverted",
        file="remediation/steps/machines.py",
        old="    context.coordinator.revert(found, context.vms)\n",
        new="    context.coordinator.revert(found, context.vms)\n    start_domain(context, step)\n",
        tests=(MACHINES,),
    ),
    Mutant(
        name="the credential is written before its leaf is noted",
        file="remediation/steps/credential.py",
        old='        note(f"{LEAF_PREFIX}{attempt}", fingerprint(issued.chain[0]))\n',
        new="        del attempt\n",
        tests=(CREDENTIAL,),
    ),
    Mutant(
        name="what was written is not read back",
        file="remediation/steps/credential.py",
        old="        self._read_back(chain)\n",
        new="",
        tests=(CREDENTIAL,),
    ),
    Mutant(
        name="an orphaned chain stays",
        file="remediation/steps/credential.py",
        old="            self._remove_orphans(leaves)\n",
        new="",
        tests=(CREDENTIAL,),
    ),
    Mutant(
        name="a certificate is made on a wrong clock",
        file="remediation/steps/credential.py",
        old="        require_clock(context, writer)\n",
        new="",
        tests=(CLOCKS,),
    ),
    Mutant(
        name="of two runs at once both go on",
        file="remediation/claims.py",
        old="claimed.snapshots[: names.index(run)]",
        new="claimed.snapshots[:0]",
        tests=(CLAIMS,),
    ),
    Mutant(
        name="of two runs at once none goes on",
        file="remediation/claims.py",
        old="claimed.snapshots[: names.index(run)]",
        new="claimed.snapshots",
        tests=(CLAIMS,),
    ),
    Mutant(
        name="a run shuts nodes down that another one works on",
        file="remediation/steps/machines.py",
        old="        for wave in self.context.shutdown_waves():\n"
        "            require_no_rival(self.context)\n",
        new="        for wave in self.context.shutdown_waves():\n",
        tests=(CLAIMS,),
    ),
    Mutant(
        name="a run that gave way powers nodes on",
        file="remediation/steps/machines.py",
        old='f"all nodes are left to {rival}")\n            return\n',
        new='f"all nodes are left to {rival}")\n',
        tests=(CLAIMS,),
    ),
    Mutant(
        name="the snapshot of a run that gave way stays",
        file="remediation/steps/machines.py",
        old="            self._give_way()\n",
        new="            require_no_rival(context)\n",
        tests=(CLAIMS,),
    ),
    Mutant(
        name="SSH: another host key than the pinned one is accepted",
        file="remediation/host_keys.py",
        old="            if key.sha256 != peer.sha256:\n",
        new="            if not key.sha256:\n",
        tests=(HOST_KEYS,),
    ),
    Mutant(
        name="SSH: a changed host key is asked about like a new one",
        file="remediation/host_keys.py",
        old="            if known.trusted:\n",
        new="            if known.trusted and self.confirm is None:\n",
        tests=(HOST_KEYS,),
    ),
    Mutant(
        name="SSH: a host key that nobody confirmed is accepted",
        file="remediation/host_keys.py",
        old="        if self.confirm is None:\n            raise HostKeyError",
        new="        if self.confirm is None:\n            return\n            raise HostKeyError",
        tests=(HOST_KEYS,),
    ),
    Mutant(
        name="SSH: the password is sent before the host key is checked",
        file="remediation/transports/ssh_session.py",
        old="            keys.check(peer, key)\n",
        new="            shown_later = keys.check\n            del shown_later\n",
        tests=(SSHD,),
        needs="sshd",
    ),
    Mutant(
        name="SSH: a login that broke off is tried again",
        file="remediation/transports/ssh_session.py",
        old="        if self.is_sent and not self.obstacle:\n",
        new="        if self.obstacle:\n",
        tests=(SSHD,),
        needs="sshd",
    ),
    Mutant(
        name="SSH: whatever answers at login is taken for bash, as its exit status says",
        file="remediation/transports/ssh.py",
        old="        if answer.find(said):\n            connection.way",
        new="        if said is not None:\n            connection.way",
        tests=(SSHD,),
        needs="sshd",
    ),
    Mutant(
        name="SSH: a script whose end was not seen counts as done",
        file="remediation/transports/ssh.py",
        old='            raise AnswerLostError(node.fqdn, f"a script over {NAME}")\n',
        new="            reader.exit_code = 0\n",
        tests=(SSHD, "tests/contract/test_node_shell_contract.py"),
        needs="sshd",
    ),
    Mutant(
        name="SSH: bash stays allowed",
        file="remediation/transports/ssh.py",
        old="                self._allowed.add(talk.node)\n",
        new="                pass\n",
        tests=(SSHD,),
        needs="sshd",
    ),
    Mutant(
        name="SSH: marks of anybody end a script",
        file="remediation/transports/ssh_script.py",
        old='re.escape(_end(nonce)).encode() + rb":',
        new='rb"stsfix-end-[0-9a-z]+:',
        tests=(SSH_SCRIPT,),
    ),
    Mutant(
        name="SSH: others may read a file while it is written",
        file="remediation/transports/ssh_script.py",
        old='            "umask 077",\n',
        new='            "umask 022",\n',
        tests=(SSH_SCRIPT,),
    ),
    Mutant(
        name="SSH: a secret stays in a file that could not be put in place",
        file="remediation/transports/ssh_script.py",
        old="            f\"trap {shlex.quote(f'rm -f {shlex.quote(beside)}')} EXIT\",\n",
        new="",
        tests=(SSH_SCRIPT,),
    ),
    Mutant(
        name="guest operations: a script with its secret stays in the guest",
        file="snapshot/guest.py",
        old="                guest.delete(path)\n",
        new="                del path\n",
        tests=(GUEST,),
    ),
    Mutant(
        name="guest operations: others may read a script with its secret",
        file="snapshot/guest.py",
        old="_MODE: Final = 0o600",
        new="_MODE: Final = 0o644",
        tests=(GUEST,),
    ),
    Mutant(
        name="a refused password is sent again by another transport",
        file="remediation/transports/attempts.py",
        old="            self._refused[node] = error\n",
        new="            del error\n",
        tests=(CHOICE,),
    ),
    Mutant(
        name="a wrong password is sent twice at once",
        file="remediation/transports/attempts.py",
        old="        with first:\n            return self._made(node, call)\n",
        new="        del first\n        return self._made(node, call)\n",
        tests=(CHOICE,),
    ),
    Mutant(
        name="another transport is tried after a refused password",
        file="remediation/transports/chosen.py",
        old="                except (*UNAVAILABLE, NoShellError) as error:\n",
        new="                except Exception as error:\n",
        tests=(CHOICE,),
    ),
    Mutant(
        name="VAMI: a session is left behind",
        file="remediation/transports/vami.py",
        old="        if self._session:\n            with contextlib.suppress",
        new="        if self._session is None:\n            with contextlib.suppress",
        tests=(VAMI,),
    ),
    Mutant(
        name="VAMI: a refused password is sent once more with each request",
        file="remediation/transports/vami.py",
        old="frozenset({http.client.NOT_FOUND,",
        new="frozenset({http.client.UNAUTHORIZED, http.client.NOT_FOUND,",
        tests=(VAMI,),
    ),
)


class MisplacedError(Exception):
    """The code a mutant changes is not there exactly once: the mutant must be rewritten."""


def seed(mutant: Mutant, tree: Path) -> None:
    """Make the mistake in *tree*.

    Raises:
        MisplacedError: There is no place, or more than one, to make it.
    """
    path = tree / mutant.file
    text = path.read_text("utf-8")
    if text.count(mutant.old) != 1:
        raise MisplacedError(f"{mutant.file}: {text.count(mutant.old)} places")
    path.write_text(text.replace(mutant.old, mutant.new), "utf-8")


def copy_tree(target: Path) -> None:
    """Copy what tests need into *target*, symbolic links as such."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(source, target / name)


def failing(tree: Path, tests: tuple[str, ...]) -> str:
    """Return the first of *tests* that fails in *tree*, empty if all pass; a hang is no pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly", "-p", "no:xdist"]
    command += ["-p", "no:cacheprovider", "--timeout", "30", "--tb=no", "-rfE", *tests]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([".dev", "tests/support"])}
    try:
        ended = subprocess.run(
            command,
            cwd=tree,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "a test that hangs"
    if ended.returncode == 0:
        return ""
    named = _FAILED.search(ended.stdout)
    return named[1] if named else f"no test, pytest ended with {ended.returncode}"


def judge(mutant: Mutant | None, several: Sequence[Mutant] = ()) -> tuple[str, str]:
    """Return what became of *mutant*, and by which test; of None, what the tests of *several* say
    of the tree as it is.
    """
    with tempfile.TemporaryDirectory(prefix="stsfix-mutant-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        if mutant is None:
            every = tuple(sorted({test for m in several for test in m.tests}))
            failed = failing(tree, every)
            return ("BROKEN before any mutant", failed) if failed else ("sound", "")
        try:
            seed(mutant, tree)
        except MisplacedError as error:
            return "MISPLACED", str(error)
        failed = failing(tree, mutant.tests)
        return ("killed", failed) if failed else ("SURVIVED", " ".join(mutant.tests))


def reported(mutant: Mutant) -> str:
    """Return what became of *mutant*, once it was printed with the seconds that it took."""
    begun = time.monotonic()
    outcome, by = judge(mutant)
    took = time.monotonic() - begun
    sys.stdout.write(f"{outcome:10} {took:4.0f} s  {mutant.name}\n{'':18}{by}\n")
    sys.stdout.flush()
    return outcome


def main() -> int:
    """Judge every mutant, or those that are asked for, and print a table; 0 if all were killed."""
    words = sys.argv[1:]
    chosen = [m for m in MUTANTS if not words or any(w in f"{m.name} {m.file}" for w in words)]
    missing = {m.needs for m in chosen if m.needs and shutil.which(m.needs, path=_PATH) is None}
    if missing:
        sys.stdout.write(f"not judged: mutants that need {', '.join(sorted(missing))}\n")
    chosen = [m for m in chosen if m.needs not in missing]
    with ThreadPoolExecutor(_WORKERS) as pool:
        outcomes = list(pool.map(reported, chosen))
    killed = outcomes.count("killed")
    sys.stdout.write(f"{killed} of {len(chosen)} mutants killed\n")
    return 0 if killed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Seeds known mistakes into a copy of the tree, one at a time, and reports whether tests see them.

Run it with ``make mutants``; the tree it is started from is only read. A mutant that survives, or
whose place in the code is not there any more, fails the run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = (".dev", "snapshot", "remediation", "plugin", "lab", "tests", "pyproject.toml")
LIMIT_S = 300
_WORKERS = 2

ENGINE = "tests/crash/test_resume_engine.py"
JOURNAL = "tests/unit/test_journal.py"
COORDINATOR = "tests/unit/test_coordinator.py"
MACHINES = "tests/unit/test_steps_machines.py"
CREDENTIAL = "tests/unit/test_steps_credential.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One mistake: *old*, which is in *file* exactly once, becomes *new*; *tests* must see it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = (ENGINE,)


MUTANTS = (
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
        name="a spoilt set is forgotten",
        file="snapshot/coordinator.py",
        old='            note(DISTRUST, ", ".join(str(vm) for vm in error.vms))\n',
        new="            del error\n",
        tests=(COORDINATOR,),
    ),
    Mutant(
        name="a set is trusted although a node runs",
        file="remediation/steps/machines.py",
        old="isinstance(found, SnapshotSet) and off and DISTRUST not in noted",
        new="isinstance(found, SnapshotSet) and DISTRUST not in noted",
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


def passes(tree: Path, tests: tuple[str, ...]) -> bool:
    """Tell whether *tests* pass in *tree*; a hang is no pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly", "-p", "no:xdist"]
    command += ["-p", "no:cacheprovider", "--timeout", "30", *tests]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([".dev", "tests/support"])}
    try:
        ended = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode == 0


def judge(mutant: Mutant | None) -> str:
    """Return what became of *mutant*; of None, what the tests say of the tree as it is."""
    with tempfile.TemporaryDirectory(prefix="stsfix-mutant-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        if mutant is None:
            every = tuple(sorted({test for m in MUTANTS for test in m.tests}))
            return "sound" if passes(tree, every) else "BROKEN before any mutant"
        try:
            seed(mutant, tree)
        except MisplacedError as error:
            return f"MISPLACED ({error})"
        return "SURVIVED" if passes(tree, mutant.tests) else "killed"


def main() -> int:
    """Judge every mutant and print a table; 0 if all were killed."""
    if (state := judge(None)) != "sound":
        sys.stdout.write(f"{state}\n")
        return 1
    with ThreadPoolExecutor(_WORKERS) as pool:
        outcomes = list(pool.map(judge, MUTANTS))
    for mutant, outcome in zip(MUTANTS, outcomes, strict=True):
        sys.stdout.write(f"{outcome:10}  {mutant.name}\n")
    killed = outcomes.count("killed")
    sys.stdout.write(f"{killed} of {len(MUTANTS)} mutants killed\n")
    return 0 if killed == len(MUTANTS) else 1


if __name__ == "__main__":
    sys.exit(main())

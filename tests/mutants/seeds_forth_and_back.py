"""Mistakes in what a run is believed to be before it goes on, back, or ends."""

from __future__ import annotations

from mutant import Mutant

ENDED = "tests/unit/test_ended_in_the_middle.py"
JOINED = "tests/unit/test_joined_meanwhile.py"
LID = "tests/unit/test_lid_closed.py"
NEWCOMERS = "tests/unit/test_newcomers.py"
OLDER = "tests/unit/test_older_journal.py"
RESUMED = "tests/unit/test_resumed_rollback.py"
STEPS_EXPORT = "tests/unit/test_steps_export.py"
STOPS = "tests/unit/test_stops_get_through.py"
STOPPED = "tests/unit/test_stopped_after_the_yes.py"
TAKING_OVER = "tests/unit/test_taking_over.py"
TOLD = "tests/unit/test_told_of_the_end.py"

MUTANTS = (
    Mutant(
        name="a new set is taken of what was written",
        file="remediation/steps/machines.py",
        old="            require_no_snapshot(self.context.spec, facts)\n",
        new="",
        tests=(f"{OLDER}::test_neither_goes_on_nor_back",),
    ),
    Mutant(
        name="a run goes on with an older journal",
        file="plugin/runs.py",
        old="            if journal.records:\n                require_newest",
        new="            if not journal.records:\n                require_newest",
        tests=(f"{OLDER}::test_neither_goes_on_nor_back",),
    ),
    Mutant(
        name="a run is closed by an older journal",
        file="plugin/runs.py",
        old="            require_newest(context, journal.records)\n            self._require_same",
        new="            self._require_same",
        tests=(f"{OLDER}::test_neither_goes_on_nor_back",),
    ),
    Mutant(
        name="the question of an adoption is answered by a journal",
        file="plugin/taking_over.py",
        old="        if Mark.ADOPTED not in marks(stored.records):\n",
        new="        if Mark.ADOPTED in marks(stored.records):\n",
        tests=(f"{TAKING_OVER}::test_a_run_that_this_folder_knows_is_not_taken_over",),
    ),
    Mutant(
        name="a run writes to a domain that has grown",
        file="remediation/steps/machines.py",
        old="        require_unchanged(spec, self.known, context.directory(spec.writer))\n",
        new="        del spec\n",
        tests=(f"{JOINED}::test_a_run_looks_before_it_writes",),
    ),
    Mutant(
        name="a resumed run writes to a domain that has grown",
        file="plugin/runs.py",
        old="            if about_to_write(journal.records):\n",
        new="            if False:\n",
        tests=(f"{JOINED}::test_a_stopped_run_does_not_write_when_it_is_resumed",),
    ),
    Mutant(
        name="a resume of a rollback looks at nothing",
        file="plugin/runs.py",
        old="        if turn(self._file.read(run).records) is Mark.ROLLBACK:\n",
        new="        if False:\n",
        tests=(f"{RESUMED}::test_what_a_rollback_refuses_a_resume_refuses",),
    ),
    Mutant(
        name="a run that wrote nothing is called repaired",
        file="plugin/view.py",
        old="    if wrote_nothing(stored.records):\n",
        new="    if False:\n",
        tests=(f"{TOLD}::test_a_run_that_wrote_nothing_is_not_called_repaired",),
    ),
    Mutant(
        name="services of a run that was taken back are told",
        file="plugin/view.py",
        old="    facts = {} if undone else noted(RESTART",
        new="    facts = noted(RESTART",
        tests=(f"{TOLD}::test_what_was_taken_back_is_told_no_more",),
    ),
    Mutant(
        name="a release proves a rollback",
        file="plugin/view.py",
        old="    back = turn(stored.records) is Mark.ROLLBACK and stored.phase is not Phase.ROLLING_BACK\n",
        new="    back = stored.phase is Phase.ROLLED_BACK\n",
        tests=(f"{TOLD}::test_a_rollback_that_is_not_proven_stays_so_after_its_release",),
    ),
    Mutant(
        name="a rollback that is not wanted any more begins",
        file="plugin/runs.py",
        old='            self._require_wanted(journal, "rollback", Mark.ROLLBACK)\n',
        new="",
        tests=(f"{STOPPED}::test_nothing_is_begun",),
    ),
    Mutant(
        name="a restore that is not wanted any more begins",
        file="plugin/runs.py",
        old='                self._require_wanted(journal, "restore", Mark.RESTORING)\n',
        new="",
        tests=(f"{STOPPED}::test_nothing_is_put_back",),
    ),
    Mutant(
        name="a stop is taken for a silent directory",
        file="remediation/newcomers.py",
        old="        except InterruptedRunError:\n            raise\n",
        new="",
        tests=(f"{STOPPED}::test_a_stop_is_no_silent_directory",),
    ),
    Mutant(
        name="a stop leaves a rollback unproven for good",
        file="remediation/steps/reversion.py",
        old="    except InterruptedRunError:\n        raise  # a resume looks again\n",
        new="",
        tests=(f"{STOPS}::test_the_proof_of_a_rollback_is_given_by_the_next_one",),
    ),
    Mutant(
        name="a node is ready because nobody waits for it any more",
        file="remediation/steps/machines.py",
        old="    except InterruptedRunError:\n        raise\n",
        new="",
        tests=(
            f"{STOPS}::test_a_node_does_not_count_as_ready_because_it_was_stopped_waiting_for_it",
        ),
    ),
    Mutant(
        name="newcomers: any step that is undone has reverted",
        file="remediation/newcomers.py",
        old="states[reverting] in BACK\n",
        new="BACK & set(states.values())\n",
        tests=(
            f"{NEWCOMERS}::test_who_joins_before_the_step_that_reverts_is_undone_is_a_newcomer",
        ),
    ),
    Mutant(
        name="a night between two reverts is not noticed",
        file="remediation/steps/way_back.py",
        old="        if slept < SLEPT:\n",
        new="        if slept is not None:\n",
        tests=(f"{LID}::test_who_was_reverted_before_the_workstation_slept_is_reverted_again",),
    ),
    Mutant(
        name="a run ends although another node was not found",
        file="plugin/runs.py",
        old="        raise_worst([error for fqdn, error in missing.lost.items() if fqdn not in without])\n",
        new="",
        tests=(f"{ENDED}::test_a_host_that_left_the_configuration_is_named",),
    ),
    Mutant(
        name="the export of before is overwritten",
        file="remediation/steps/export.py",
        old="        self._require_same(nodes)\n",
        new="",
        tests=(f"{STEPS_EXPORT}::test_an_export_of_other_entries_is_not_overwritten",),
    ),
)

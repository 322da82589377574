"""Mistakes in the way back: what is looked at before a run writes, is reverted, restored, released."""

from __future__ import annotations

from mutant import Mutant

COORDINATOR = "tests/unit/test_coordinator.py"
LID = "tests/unit/test_lid_closed.py"
NEWCOMERS = "tests/unit/test_newcomers.py"
QUESTION = "tests/unit/test_question_stopped.py"
RELOCATION = "tests/unit/test_relocation.py"
REVERSION = "tests/unit/test_steps_reversion.py"
RUN_GUARDS = "tests/unit/test_run_guards.py"
STEPS_EXPORT = "tests/unit/test_steps_export.py"
STEPS_MACHINES = "tests/unit/test_steps_machines.py"
STRANGERS = "tests/unit/test_strangers.py"
TAKING_OVER = "tests/unit/test_taking_over.py"
WAY_BACK = "tests/unit/test_way_back.py"

MUTANTS = (
    Mutant(
        name="a clone is snapshotted in place of the node",
        file="remediation/steps/machines.py",
        old="            require_silence(context)\n            self._drop_earlier(noted)\n",
        new="            self._drop_earlier(noted)\n",
        tests=(f"{STRANGERS}::test_a_clone_that_was_taken_for_the_node_is_not_snapshotted",),
    ),
    Mutant(
        name="an old VM is reverted although another machine is the node",
        file="remediation/steps/way_back.py",
        old="        require_silence(context)\n        context.tell(step",
        new="        context.tell(step",
        tests=(f"{STRANGERS}::test_nobody_is_reverted_while_another_machine_has_a_nodes_name",),
    ),
    Mutant(
        name="a rollback is recorded although another machine is the node",
        file="remediation/plan.py",
        old="        get_way_back(context)\n        require_silence(context)\n",
        new="        get_way_back(context)\n",
        tests=(f"{WAY_BACK}::test_an_old_vm_that_was_kept_after_an_upgrade_is_not_gone_back_to",),
    ),
    Mutant(
        name="a node that was powered on meanwhile is a stranger",
        file="remediation/steps/strangers.py",
        old="    if found and (found := _off(context, found)):",
        new="    if found:",
        tests=(f"{STRANGERS}::test_whoever_is_powered_on_meanwhile_is_no_stranger",),
    ),
    Mutant(
        name="a rollback is recorded before its snapshots are seen",
        file="plugin/runs.py",
        old="            require_way_back(context, journal.plan, journal.records)\n",
        new="            turn_back(journal)\n"
        "            require_way_back(context, journal.plan, journal.records)\n",
        tests=(f"{WAY_BACK}::test_a_snapshot_that_is_gone_leaves_a_repaired_run_repaired",),
    ),
    Mutant(
        name="a run begins on a look of the evening before",
        file="plugin/cli/run.py",
        old="        if session.clock.now() - looked < STALE:\n            return spec",
        new="        if looked:\n            return spec",
        tests=(f"{QUESTION}::test_an_answer_that_comes_late_is_asked_for_again",),
    ),
    Mutant(
        name="nobody asks whether nodes joined before a rollback",
        file="plugin/runs.py",
        old="            self._require_same_domain(context, journal)\n",
        new="",
        tests=(f"{WAY_BACK}::test_a_domain_that_has_grown_is_not_reverted",),
    ),
    Mutant(
        name="newcomers: the first directory is believed",
        file="remediation/newcomers.py",
        old="        _refuse_joined(spec, known, topology, unwritten=unwritten)\n    return asked\n",
        new="        _refuse_joined(spec, known, topology, unwritten=unwritten)\n        break\n    return asked\n",
        tests=(f"{NEWCOMERS}::test_a_node_that_joined_is_named",),
    ),
    Mutant(
        name="newcomers: a refused password is tried on the next node",
        file="remediation/newcomers.py",
        old="            return asked\n        except InterruptedRunError:\n",
        new="            continue\n        except InterruptedRunError:\n",
        tests=(f"{NEWCOMERS}::test_a_refused_password_is_not_tried_on_the_next_node",),
    ),
    Mutant(
        name="newcomers: a run that wrote is not reverted",
        file="remediation/newcomers.py",
        old="not in {StepState.PENDING, StepState.UNDONE} for step in WRITERS)",
        new="is StepState.DONE for step in WRITERS)",
        tests=(f"{NEWCOMERS}::test_only_a_run_that_may_have_written_is_reverted",),
    ),
    Mutant(
        name="a run writes whose snapshots are gone: after the boot",
        file="remediation/steps/machines.py",
        old="        require_snapshots(context)\n",
        new="        context.coordinator.observe(context.vms)\n",
        tests=(f"{STEPS_MACHINES}::test_nothing_is_written_that_no_snapshot_would_take_back",),
    ),
    Mutant(
        name="a run writes whose snapshots are gone: after a resume",
        file="plugin/runs.py",
        old="            require_undoable(context, journal.records)\n",
        new="",
        tests=(f"{WAY_BACK}::test_a_run_without_its_snapshots_does_not_begin_to_write",),
    ),
    Mutant(
        name="a run that wrote is stuck once its snapshots are gone",
        file="remediation/plan.py",
        old="    if bears_snapshots(records) and not reverts(records) and turn(records) is None:\n",
        new="    if bears_snapshots(records) and turn(records) is None:\n",
        tests=(f"{WAY_BACK}::test_a_run_that_wrote_goes_on_without_its_snapshots",),
    ),
    Mutant(
        name="a run that goes back is stuck once its snapshots are gone",
        file="remediation/plan.py",
        old=" and not reverts(records) and turn(records) is None:\n",
        new=" and not reverts(records):\n",
        tests=(f"{WAY_BACK}::test_a_run_that_goes_back_already_needs_no_snapshot_to_be_resumed",),
    ),
    Mutant(
        name="nobody looks whether directories went back with their VMs",
        file="remediation/plan.py",
        old="        return any(states.get(name) is StepState.UNDONE for name in WRITERS)\n",
        new="        return not states\n",
        tests=(f"{WAY_BACK}::test_nodes_that_were_reverted_have_to_show_it",),
    ),
    Mutant(
        name="an export is put back in the middle of a release",
        file="plugin/run_guards.py",
        old="{Phase.ROLLED_BACK, Phase.RELEASING, Phase.ADOPTED}\n",
        new="{Phase.ROLLED_BACK, Phase.ADOPTED}\n",
        tests=(f"{RUN_GUARDS}::test_what_a_run_is_decides_what_it_may_be_asked",),
    ),
    Mutant(
        name="the export of a run that went back is put back",
        file="plugin/run_guards.py",
        old="{Phase.ROLLED_BACK, Phase.RELEASING, Phase.ADOPTED}\n",
        new="{Phase.RELEASING}\n",
        tests=(f"{RUN_GUARDS}::test_what_a_run_is_decides_what_it_may_be_asked",),
    ),
    Mutant(
        name="undoing power-on stops nodes of another run",
        file="remediation/steps/machines.py",
        old='        work on the nodes by now.\n        """\n',
        new='        work on the nodes by now.\n        """\n'
        "        self.context.coordinator.shut_down(self.context.shutdown_waves())\n",
        tests=(f"{WAY_BACK}::test_a_rollback_stops_nobody_who_belongs_to_another_run",),
    ),
    Mutant(
        name="a night between two snapshots is not seen",
        file="remediation/steps/machines.py",
        old="            if slept < SLEPT:\n",
        new="            if slept >= -SLEPT:\n",
        tests=((f"{LID}::test_a_set_in_the_middle_of_which_the_workstation_slept_is_taken_anew"),),
    ),
    Mutant(
        name="others are reverted after a snapshot has gone",
        file="snapshot/coordinator.py",
        old="                break  # this one never will: revert no more of them\n",
        new="                continue\n",
        tests=(f"{COORDINATOR}::test_no_more_nodes_are_reverted_once_a_snapshot_has_gone",),
    ),
    Mutant(
        name="one of two snapshots of the run's name is gone back to",
        file="snapshot/coordinator.py",
        old="            if len(named) == 1 and named[0].taken_off:\n",
        new="            if named and named[0].taken_off:\n",
        tests=(
            f"{COORDINATOR}::test_two_snapshots_of_the_runs_name_on_one_vm_are_no_set",
            f"{STEPS_MACHINES}::test_nobody_goes_back_to_one_of_two_snapshots_of_the_runs_name",
        ),
    ),
    Mutant(
        name="a VM that is on after the reverts is not noticed",
        file="snapshot/coordinator.py",
        old="            if facts[vm].summary.power is not PowerState.OFF\n            or facts",
        new="            if facts",
        tests=(f"{COORDINATOR}::test_a_revert_that_is_not_seen_is_not_believed",),
    ),
    Mutant(
        name="a rollback says more than was compared",
        file="remediation/steps/reversion.py",
        old="    if not unknown:\n",
        new="    if context.spec.run:\n",
        tests=(f"{REVERSION}::test_without_the_export_no_more_is_said_than_was_seen",),
    ),
    Mutant(
        name="export restore: it is recorded after the first write",
        file="remediation/steps/export.py",
        old="    begin()\n    # (1) everything of before, beside what is there\n"
        "    for entry in plan.add:\n        directory.add_material(entry)\n",
        new="    for entry in plan.add:\n        directory.add_material(entry)\n        begin()\n",
        tests=(f"{STEPS_EXPORT}::test_it_is_recorded_before_the_first_write",),
    ),
    Mutant(
        name="export restore: what somebody wrote under our name goes",
        file="remediation/steps/export.py",
        old="        if not seen.chain or fingerprint(seen.chain[0]) not in ours:\n",
        new="        if not seen.chain:\n",
        tests=(f"{STEPS_EXPORT}::test_what_somebody_wrote_meanwhile_under_our_name_stays",),
    ),
    Mutant(
        name="adoption: one that was written in part reverts nobody",
        file="plugin/taking_over.py",
        old="            for record in left:\n",
        new="            for record in left[:-1]:\n",
        tests=(f"{TAKING_OVER}::test_an_adoption_that_was_written_in_part_is_completed",),
    ),
    Mutant(
        name="adoption: what is there already counts twice",
        file="remediation/adoption.py",
        old="    return adopted_records(plan)[len(there) :]\n",
        new="    return adopted_records(plan)[1:]\n",
        tests=(f"{TAKING_OVER}::test_an_adoption_that_was_written_in_part_is_completed",),
    ),
    Mutant(
        name="adoption: one in part that was taken back is completed",
        file="plugin/taking_over.py",
        old="            if left and Mark.ROLLBACK in marks(journal.records):\n",
        new="            if not left and Mark.ROLLBACK in marks(journal.records):\n",
        tests=(f"{TAKING_OVER}::test_an_adoption_in_part_that_was_taken_back_is_nobodys",),
    ),
    Mutant(
        name="a run in the middle ends while a node is off",
        file="plugin/runs.py",
        old="            if in_the_middle:\n",
        new="            if False:\n",
        tests=(f"{WAY_BACK}::test_it_does_not_end_while_another_node_is_off",),
    ),
    Mutant(
        name="a VM that moved is taken without the run's snapshot",
        file="remediation/relocation.py",
        old="        if with_snapshot and all(snapshot.name",
        new="        if not with_snapshot and all(snapshot.name",
        tests=(f"{RELOCATION}::test_a_vm_without_our_snapshot_is_not_taken_for_ours",),
    ),
    Mutant(
        name="a VM of a silent host is taken without its snapshot",
        file="remediation/relocation.py",
        old="        if not found or (silent and not with_snapshot):\n",
        new="        if not found:\n",
        tests=(f"{RELOCATION}::test_a_vm_of_a_dead_host_is_taken_with_its_snapshot_only",),
    ),
    Mutant(
        name="of two registrations one is guessed",
        file="remediation/relocation.py",
        old="        if len(found) > 1:\n",
        new="        found = found[:1]\n        if len(found) > 1:\n",
        tests=(f"{RELOCATION}::test_two_other_registrations_are_nobody_s_guess",),
    ),
    Mutant(
        name="a run is closed where nobody could be asked",
        file="plugin/whereabouts.py",
        old="        known = departed(journal.records)\n        if {",
        new="        known = departed(journal.records)\n        if not {",
        tests=(f"{WAY_BACK}::test_a_run_is_not_closed_where_nobody_can_be_asked",),
    ),
    Mutant(
        name="a node that is back keeps its snapshot",
        file="plugin/whereabouts.py",
        old="        gone = departed(journal.records) - self._returned(journal)\n",
        new="        gone = departed(journal.records)\n",
        tests=(f"{WAY_BACK}::test_a_node_that_is_back_is_released_after_all",),
    ),
    Mutant(
        name="an export is put back although a part of the nodes was reverted",
        file="remediation/steps/export.py",
        old="    if torn:\n",
        new="    if False:\n",
        tests=(
            f"{STEPS_EXPORT}::test_nothing_is_written_to_a_domain_of_which_a_part_was_reverted",
        ),
    ),
    Mutant(
        name="a run is taken back although its own certificates are pinned",
        file="plugin/runs.py",
        old="        if pinned:\n",
        new="        if False:\n",
        tests=(
            f"{WAY_BACK}::test_pins_of_the_runs_own_certificates_are_taken_out_before_it_is_taken_back",
        ),
    ),
)

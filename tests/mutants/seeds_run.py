"""Mistakes in the engine, the journal, the steps of a run and its snapshots."""

from __future__ import annotations

from mutant import Mutant

RESUME_ENGINE = "tests/crash/test_resume_engine.py"
CLAIMS = "tests/unit/test_claims.py"
COORDINATOR = "tests/unit/test_coordinator.py"
JOURNAL = "tests/unit/test_journal.py"
NO_BASH = "tests/unit/test_restart_without_bash.py"
SERVICE_CONTROL = "tests/unit/test_service_control.py"
STEPS_MACHINES = "tests/unit/test_steps_machines.py"
STEPS_SERVICES = "tests/unit/test_steps_services.py"

MUTANTS = (
    Mutant(
        name="a person who restarts services is believed",
        file="remediation/steps/by_hand.py",
        old="            if not proof.ok and proof.node in wanted:",
        new="            if proof.ok and proof.node not in wanted:",
        tests=(f"{STEPS_SERVICES}::test_a_person_is_not_believed",),
    ),
    Mutant(
        name="a vCenter does not wait for its PSC's person",
        file="remediation/steps/services.py",
        old="            if waiting and not wave[0].role.has_directory:",
        new="            if waiting and wave[0].role.has_directory:",
        tests=(f"{STEPS_SERVICES}::test_a_vcenter_waits_for_a_psc_that_waits_for_a_person",),
    ),
    Mutant(
        name="a restart that broke off is proven before it is made again",
        file="remediation/steps/services.py",
        old="        if begun:\n",
        new="        if begun and False:\n",
        tests=(f"{STEPS_SERVICES}::test_a_restart_that_broke_off_is_made_again_first",),
    ),
    Mutant(
        name="the writer is not restarted alone",
        file="remediation/restarts.py",
        old="((writer,), tuple(others), vcenters)",
        new="((writer, *others), vcenters)",
        tests=(f"{STEPS_SERVICES}::test_the_writer_goes_alone_then_directories_then_vcenters",),
    ),
    Mutant(
        name="tokens of partners are not shown to a vCenter",
        file="remediation/steps/needed.py",
        old="            across=True,",
        new="            across=False,",
        tests=(f"{STEPS_SERVICES}::test_nobody_is_restarted_where_every_way_in_works",),
    ),
    Mutant(
        name="a token of the old certificate proves a vCenter",
        file="remediation/logins/verify.py",
        old='            self._check_leaf(name, "login-by-token", token.leaf_sha256, of=f"the STS of {sts}: ")\n',
        new="",
        tests=(
            "tests/unit/test_verify.py::test_a_token_of_the_old_leaf_proves_nothing_of_the_new",
        ),
    ),
    Mutant(
        name="what ran at preflight may stay down",
        file="remediation/nodes/service_expectation.py",
        old="        return bare(name) in self.at_preflight or bare(name) in self.at_begin\n",
        new="        return bare(name) in self.at_begin\n",
        tests=(f"{SERVICE_CONTROL}::test_what_ran_at_preflight_has_to_come_back",),
    ),
    Mutant(
        name="a disabled service is demanded",
        file="remediation/nodes/service_expectation.py",
        old="        if kind is StartType.DISABLED:\n            return False\n",
        new="",
        tests=(f"{SERVICE_CONTROL}::test_what_was_disabled_or_never_started_is_left_alone",),
    ),
    Mutant(
        name="what a person had started stays stopped",
        file="remediation/transports/service_ways.py",
        old="        script = self._scripts.restart(due.by_name)\n",
        new="        script = self._scripts.restart(())\n",
        tests=(f"{SERVICE_CONTROL}::test_what_a_person_had_started_is_started_again",),
    ),
    Mutant(
        name="a step in doubt is done again without looking",
        file="remediation/engine.py",
        old="                _settle(step, journal, progress)\n",
        new="                _attempt(step, journal, progress)\n",
        tests=(f"{RESUME_ENGINE}::test_a_killed_run_resumes_to_the_same_end",),
    ),
    Mutant(
        name="no record before a step is begun",
        file="remediation/engine.py",
        old="    _record(journal, progress, step.name, StepState.STARTED)\n",
        new="",
        tests=(f"{RESUME_ENGINE}::test_a_killed_run_resumes_to_the_same_end",),
    ),
    Mutant(
        name="only one step is taken back",
        file="remediation/engine.py",
        old=("                return Undo(index)\n        return Finish(Phase.ROLLED_BACK)"),
        new=(
            "                if StepState.UNDONE in states.values():\n"
            "                    break\n"
            "                return Undo(index)\n"
            "        return Finish(Phase.ROLLED_BACK)"
        ),
        tests=(f"{RESUME_ENGINE}::test_a_killed_run_rolls_back_to_nothing",),
    ),
    Mutant(
        name="the first step is taken back first",
        file="remediation/engine.py",
        old="for index in reversed(range(len(plan))):",
        new="for index in range(len(plan)):",
        tests=(f"{RESUME_ENGINE}::test_a_killed_run_rolls_back_to_nothing",),
    ),
    Mutant(
        name="records are not synced to the disk",
        file="remediation/journal.py",
        old="PRAGMA synchronous = FULL",
        new="PRAGMA synchronous = OFF",
        tests=(f"{JOURNAL}::test_commits_are_synchronous",),
    ),
    Mutant(
        name="writing goes on after a write failed",
        file="remediation/journal.py",
        old="                self._unwritable = True\n",
        new="                pass\n",
        tests=(f"{JOURNAL}::test_after_a_failed_write_nothing_is_written_any_more",),
    ),
    Mutant(
        name="a record that failed is ignored",
        file="remediation/journal.py",
        old=(
            "                raise JournalUnwritableError(str(self._file.path), str(error)) from error\n"
            "            self._records"
        ),
        new=("                pass\n            self._records"),
        tests=(f"{JOURNAL}::test_after_a_failed_write_nothing_is_written_any_more",),
    ),
    Mutant(
        name="any state may follow any other",
        file="remediation/journal.py",
        old="            self._check(record)\n",
        new="",
        tests=(f"{JOURNAL}::test_an_illegal_transition_writes_nothing",),
    ),
    Mutant(
        name="notes are lost when the process dies",
        file="remediation/engine.py",
        old="        journal.append(NoteRecord(step=step.name, key=key, value=value))\n",
        new="        del key, value\n",
        tests=(f"{RESUME_ENGINE}::test_a_killed_run_resumes_to_the_same_end",),
    ),
    Mutant(
        name="an undo that failed is not recorded",
        file="remediation/engine.py",
        old="        _record(journal, progress, step.name, StepState.UNDO_FAILED, error=type(error).__name__)\n",
        new="",
        tests=(
            f"{RESUME_ENGINE}::test_a_failed_undo_is_recorded_and_tried_again_by_the_next_rollback",
        ),
    ),
    Mutant(
        name="a step that failed is not recorded",
        file="remediation/engine.py",
        old="        _record(journal, progress, step.name, StepState.FAILED, error=type(error).__name__)\n",
        new="",
        tests=(f"{RESUME_ENGINE}::test_a_broken_step_stops_the_run_and_undoes_nothing_by_itself",),
    ),
    Mutant(
        name="a step that can be repeated is taken for done",
        file="remediation/engine.py",
        old=("        case Observed.REPEATABLE:\n            _attempt(step, journal, progress)\n"),
        new=(
            "        case Observed.REPEATABLE:\n"
            "            _record(journal, progress, step.name, StepState.DONE)\n"
        ),
        tests=(f"{RESUME_ENGINE}::test_a_killed_run_resumes_to_the_same_end",),
    ),
    Mutant(
        name="a step that can be repeated is not (the run hangs)",
        file="remediation/engine.py",
        old=("        case Observed.REPEATABLE:\n            _attempt(step, journal, progress)\n"),
        new=("        case Observed.REPEATABLE:\n            pass\n"),
        tests=(f"{RESUME_ENGINE}::test_a_killed_run_resumes_to_the_same_end",),
    ),
    Mutant(
        name="an unclear step is taken for done",
        file="remediation/engine.py",
        old="            raise StepUnclearError(step.name)\n",
        new=(
            "            _record(journal, progress, step.name, StepState.STARTED)\n"
            "            _record(journal, progress, step.name, StepState.DONE)\n"
        ),
        tests=(f"{RESUME_ENGINE}::test_an_unclear_step_stops_the_run",),
    ),
    Mutant(
        name="a run turns back by itself",
        file="remediation/engine.py",
        old=("error=type(error).__name__)\n        raise\n"),
        new=("error=type(error).__name__)\n        turn_back(journal)\n        return\n"),
        tests=(f"{RESUME_ENGINE}::test_a_broken_step_stops_the_run_and_undoes_nothing_by_itself",),
    ),
    Mutant(
        name="a partial set is reverted to",
        file="snapshot/coordinator.py",
        old="        self._require_members(snapshot_set, vms)\n",
        new="",
        tests=(f"{COORDINATOR}::test_revert_takes_nobody_back_when_one_snapshot_is_gone",),
    ),
    Mutant(
        name="a VM that is on is reverted",
        file="snapshot/coordinator.py",
        old=("        self._require_members(snapshot_set, vms)\n        self.require_off(vms)\n"),
        new="        self._require_members(snapshot_set, vms)\n",
        tests=(f"{COORDINATOR}::test_revert_wants_everybody_off",),
    ),
    Mutant(
        name="a revert is believed without looking",
        file="snapshot/coordinator.py",
        old=("        self._verify_reverted(snapshot_set, vms)\n\n"),
        new="\n",
        tests=(f"{COORDINATOR}::test_a_revert_that_is_not_seen_is_not_believed",),
    ),
    Mutant(
        name="a noted snapshot task is not awaited",
        file="snapshot/coordinator.py",
        old="        self._settle_noted(vms, noted)\n",
        new="",
        tests=(f"{COORDINATOR}::test_a_killed_take_awaits_its_noted_task",),
    ),
    Mutant(
        name="a set is completed across a power-on",
        file="remediation/steps/machines.py",
        old="            self._drop_earlier(noted)\n",
        new="",
        tests=(f"{STEPS_MACHINES}::test_no_set_is_made_of_snapshots_of_two_attempts",),
    ),
    Mutant(
        name="a set is believed that nobody has looked after",
        file="remediation/steps/machines.py",
        old=(
            'before one did.\n        """\n        del noted\n        return Observed.REPEATABLE\n'
        ),
        new=('before one did.\n        """\n        del noted\n        return Observed.COMPLETE\n'),
        tests=(f"{STEPS_MACHINES}::test_no_set_is_made_of_snapshots_of_two_attempts",),
    ),
    Mutant(
        name="nodes are powered on as soon as they are reverted",
        file="remediation/steps/way_back.py",
        old="        if slept < SLEPT:\n            return\n",
        new="        if slept < SLEPT:\n"
        "            context.coordinator.power_on((context.vms,), {})\n            return\n",
        tests=(
            f"{STEPS_MACHINES}::test_taking_the_write_back_reverts_every_node_and_leaves_all_off",
        ),
    ),
    Mutant(
        name="of two runs at once both go on",
        file="remediation/claims.py",
        old="claimed.snapshots[: names.index(run)]",
        new="claimed.snapshots[:0]",
        tests=(f"{CLAIMS}::test_whatever_the_order_one_run_goes_on_and_the_other_leaves_nothing",),
    ),
    Mutant(
        name="of two runs at once none goes on",
        file="remediation/claims.py",
        old="claimed.snapshots[: names.index(run)]",
        new="claimed.snapshots",
        tests=(f"{CLAIMS}::test_of_two_claims_the_older_one_has_no_rival",),
    ),
    Mutant(
        name="another run is looked for on one node only",
        file="remediation/claims.py",
        old="tuple(snapshot for facts in everybody for snapshot in facts.snapshots)",
        new="claimed.snapshots",
        tests=(f"{CLAIMS}::test_a_rival_that_is_seen_on_another_node_only_is_one",),
    ),
    Mutant(
        name="a run shuts nodes down that another one works on",
        file="remediation/steps/machines.py",
        old="            facts = require_no_rival(self.context)\n",
        new="            facts = self.context.coordinator.observe(self.context.vms)\n",
        tests=(f"{CLAIMS}::test_whatever_the_order_one_run_goes_on_and_the_other_leaves_nothing",),
    ),
    Mutant(
        name="a run that gave way powers nodes on",
        file="remediation/steps/machines.py",
        old=('f"all nodes are left to {rival}")\n            return\n'),
        new='f"all nodes are left to {rival}")\n',
        tests=(f"{CLAIMS}::test_a_rollback_of_the_run_that_gave_way_powers_nobody_on",),
    ),
    Mutant(
        name="the snapshot of a run that gave way stays",
        file="remediation/steps/machines.py",
        old="            self._give_way()\n",
        new="            require_no_rival(context)\n",
        tests=(f"{CLAIMS}::test_whatever_the_order_one_run_goes_on_and_the_other_leaves_nothing",),
    ),
    Mutant(
        name="an order whose answer was lost counts as a restart",
        file="remediation/transports/service_control.py",
        old="                if self._has_begun(node, limit, due):\n",
        new="                if True:\n",
        tests=(
            f"{SERVICE_CONTROL}::test_an_order_that_was_not_heard_is_given_again",
            f"{SERVICE_CONTROL}::test_a_restart_of_which_nothing_shows_is_none",
        ),
    ),
    Mutant(
        name="what was not stopped counts as restarted",
        file="remediation/restarts.py",
        old=" and not noted.get(KEPT + node.fqdn)",
        new="",
        tests=(f"{STEPS_SERVICES}::test_what_could_not_be_stopped_counts_as_not_restarted",),
    ),
    Mutant(
        name="through VAMI stops take all the time there is",
        file="remediation/transports/vami_services.py",
        old="        half_s = limit.total_seconds() / 2\n",
        new="        half_s = limit.total_seconds()\n",
        tests=(f"{NO_BASH}::test_slow_stops_leave_time_to_start_again",),
    ),
    Mutant(
        name="where nothing was stopped everything counts as restarted",
        file="remediation/transports/service_control.py",
        old="        if first.running and set(first.running) <= set(said.kept):\n",
        new="        if not first:\n",
        tests=(
            f"{NO_BASH}::test_where_nothing_stops_nothing_was_restarted",
            f"{SERVICE_CONTROL}::test_what_runs_after_the_stop_was_not_stopped",
        ),
    ),
    Mutant(
        name="what runs after the stop is not listed",
        file="remediation/transports/service_ways.py",
        old="        kept=parse_unstopped(output) if kept is None else kept,\n",
        new="        kept=parse_unstopped(output),\n",
        tests=(f"{SERVICE_CONTROL}::test_a_listing_in_the_middle_tells_more_than_words",),
    ),
    Mutant(
        name="a stop of a plug-in that shows late is followed by no start",
        file="remediation/transports/service_ways.py",
        old="            if not is_lost or (status and has_stopped(due.running, status)):\n",
        new="            if not is_lost or status:\n",
        tests=(
            f"{NO_BASH}::test_a_stop_that_shows_late_is_followed_by_a_start",
            f"{NO_BASH}::test_a_stop_that_is_never_heard_is_no_restart",
        ),
    ),
    Mutant(
        name="where VAMI lists nothing no refused stop is told",
        file="remediation/transports/vami_services.py",
        old="    running = failed if now is None else ",
        new="    running = () if now is None else ",
        tests=(f"{NO_BASH}::test_where_nothing_is_listed_the_refused_stops_tell",),
    ),
)

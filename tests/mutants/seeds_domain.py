"""Mistakes in what is done to the domain: order of writes, snapshots, the way back, refusals."""

from __future__ import annotations

from mutant import Mutant

COORDINATOR = "tests/unit/test_coordinator.py"
CREDENTIAL = "tests/unit/test_steps_credential.py"
DIRECTORY_CONTRACT = "tests/contract/test_directory_contract.py"
DIRECTORY = "tests/lab/test_directory_session.py"
HYPERVISOR = "tests/contract/test_hypervisor_contract.py"
RESTORE = "tests/unit/test_sts_restore.py"
STEPS_EXPORT = "tests/unit/test_steps_export.py"
ADOPTION = "tests/unit/test_adoption.py"
PLAN = "tests/unit/test_plan.py"
VECS = "tests/contract/test_vecs_bash.py"

_AGREEMENT = "remediation/steps/agreement.py"
_STEP = "remediation/steps/credential.py"

MUTANTS = (
    Mutant(
        name="the credential is written before the chain that trusts it",
        file=_STEP,
        old="        directory.add_chain(chain_index, issued.chain)\n",
        new="        directory.add_credential(credential_index, issued)\n",
        also=(
            (
                (
                    '        context.tell(self.name, writer, f"added TrustedCertChain-{chain_index}")\n'
                    "        directory.add_credential(credential_index, issued)\n"
                ),
                "        directory.add_chain(chain_index, issued.chain)\n",
            ),
        ),
        tests=(f"{CREDENTIAL}::test_the_new_pair_is_added_with_the_next_numbers",),
    ),
    Mutant(
        name="the next number is that of the writer alone",
        file=_STEP,
        old="            context.directory(n.fqdn).read_sts_entries() for n in"
        " context.spec.directories\n",
        new="            context.directory(n.fqdn).read_sts_entries() for n in"
        " context.spec.directories[:1]\n",
        tests=(f"{CREDENTIAL}::test_a_number_that_only_a_partner_has_is_not_used_again",),
    ),
    Mutant(
        name="numbers are looked up before the certificate is made",
        file=_STEP,
        old="        require_clock(context, writer)\n        issued = ",
        new="        require_clock(context, writer)\n        everywhere = [\n"
        "            context.directory(n.fqdn).read_sts_entries() for n in context.spec.directories\n"
        "        ]\n        issued = ",
        also=(
            (
                (
                    "name never become one.\n        everywhere = [\n"
                    "            context.directory(n.fqdn).read_sts_entries()"
                    " for n in context.spec.directories\n        ]\n"
                ),
                "name never become one.\n",
            ),
        ),
        tests=(
            (
                f"{CREDENTIAL}"
                "::test_a_number_that_is_taken_while_the_certificate_is_made_is_not_used_again"
            ),
        ),
    ),
    Mutant(
        name="nobody waits for replication",
        file=_AGREEMENT,
        old="            if not same_entries(reference, entries):\n",
        new="            if not entries.credentials:\n",
        tests=(f"{CREDENTIAL}::test_a_partner_that_never_gets_it_is_named",),
    ),
    Mutant(
        name="two entries of one name are waited for",
        file="remediation/directory/sts.py",
        old="        if ours.get(entry.dn.lower(), entry.object_guid) != entry.object_guid\n",
        new="        if entry.dn.lower() not in ours and entry.dn.lower() in ours\n",
        tests=(f"{CREDENTIAL}::test_two_entries_of_one_name_are_not_waited_for",),
    ),
    Mutant(
        name="a partner that lags counts as one that never agrees",
        file="remediation/directory/sts.py",
        old="        and leaf_of(entry) not in leaves\n",
        new="",
        tests=(f"{CREDENTIAL}::test_an_entry_of_an_earlier_attempt_is_no_conflict",),
    ),
    Mutant(
        name="old credentials go although ours does not sign",
        file=_AGREEMENT,
        old="    if signing is not None and signing != ours[0]:\n",
        new="    if signing is None:\n",
        tests=(f"{CREDENTIAL}::test_nothing_is_retired_while_somebody_elses_credential_signs",),
    ),
    Mutant(
        name="whoever's chain begins with the CA of an old credential goes, too",
        file="remediation/directory/sts.py",
        old="isinstance(leaf, Certificate) and not leaf.authority else None",
        new="isinstance(leaf, Certificate) else None",
        tests=(f"{CREDENTIAL}::test_a_chain_that_begins_with_a_ca_is_nobodys_by_that_alone",),
    ),
    Mutant(
        name="old credentials go before the logins are proven",
        file="remediation/plan.py",
        old="        VerifyLogins.name,\n        *((RetireOld.name,) if retire else ()),\n",
        new="        *((RetireOld.name,) if retire else ()),\n        VerifyLogins.name,\n",
        tests=(PLAN,),
    ),
    Mutant(
        name="the export is made after the first write",
        file="remediation/plan.py",
        old="        ExportSts.name,\n        *((NewVmcaRoot.name,) if new_root else ()),\n"
        "        ReplaceSts.name,\n",
        new="        *((NewVmcaRoot.name,) if new_root else ()),\n        ReplaceSts.name,\n"
        "        ExportSts.name,\n",
        tests=(PLAN,),
    ),
    Mutant(
        name="snapshots are taken after the nodes are on again",
        file="remediation/plan.py",
        old="        TakeSnapshots.name,\n        PowerOn.name,\n        ExportSts.name,\n",
        new="        PowerOn.name,\n        TakeSnapshots.name,\n        ExportSts.name,\n",
        tests=(PLAN,),
    ),
    Mutant(
        name="an entry that somebody replaced is deleted",
        file="remediation/directory/vmdir.py",
        old="            raise EntryChangedError(self._node, entry.dn)\n",
        new="            pass\n",
        tests=(f"{DIRECTORY_CONTRACT}::test_other_entry_of_the_same_dn_is_not_deleted",),
    ),
    Mutant(
        name="what nobody may see counts as absent",
        file="remediation/directory/vmdir.py",
        old="            raise TenantNotFoundError(self._node, self._tenant)\n",
        new="            pass\n",
        tests=(
            (
                f"{DIRECTORY_CONTRACT}"
                "::test_user_who_sees_no_tenant_is_not_told_there_are_no_credentials"
            ),
        ),
    ),
    Mutant(
        name="an empty value is sent to vmdir",
        file="remediation/directory/ldap_session.py",
        old="        if any(not values or not all(values) for values in attributes.values()):\n",
        new="        if not attributes:\n",
        tests=(f"{DIRECTORY}::test_empty_value_is_never_sent",),
    ),
    Mutant(
        name="a write whose answer was lost counts as not done",
        file="remediation/directory/ldap_session.py",
        old="                doubt = WriteInDoubtError(self.node, call)\n",
        new="                doubt = DirectoryUnreachableError(self.node, call)\n",
        tests=(f"{DIRECTORY}::test_lost_write_is_in_doubt_and_sent_once",),
    ),
    Mutant(
        name="export restore: ours goes before everybody has the old pair",
        file="remediation/steps/export.py",
        old="    _await_everywhere(context, lambda found: all(_holds(found, e)"
        " for e in wanted.values()))\n",
        new="    del wanted\n",
        tests=(f"{STEPS_EXPORT}::test_nothing_is_deleted_before_everybody_has_the_old_pair",),
    ),
    Mutant(
        name="export restore: what others wrote goes, too",
        file="remediation/directory/sts_restore.py",
        old="    remove = [entry for entry in extra if _leaf(entry) in ours]\n",
        new="    remove = list(extra)\n",
        tests=(f"{RESTORE}::test_somebody_elses_chain_stays",),
    ),
    Mutant(
        name="export restore: conflicts do not matter",
        file="remediation/steps/export.py",
        old="    if plan.conflicts or apart:\n",
        new="    if plan.conflicts and apart:\n",
        tests=(f"{STEPS_EXPORT}::test_directories_that_differ_are_left_alone",),
    ),
    Mutant(
        name="a snapshot that was taken while its VM ran belongs to a set",
        file="snapshot/coordinator.py",
        old="            if len(named) == 1 and named[0].taken_off:\n",
        new="            if len(named) == 1:\n",
        tests=(f"{COORDINATOR}::test_take_refuses_a_snapshot_of_our_name_taken_while_on",),
    ),
    Mutant(
        name="snapshots are taken of nodes that run",
        file="snapshot/coordinator.py",
        old="        self.require_off(vms)\n        tasks: dict[VmId, TaskKey] = {}\n"
        "        errors: list[OperationError] = []\n        for vm in self._without(",
        new="        tasks: dict[VmId, TaskKey] = {}\n"
        "        errors: list[OperationError] = []\n        for vm in self._without(",
        tests=(f"{COORDINATOR}::test_take_wants_everybody_off",),
    ),
    Mutant(
        name="a node that was on meanwhile stays in the set",
        file="snapshot/coordinator.py",
        old="        self.require_off(vms)\n        return self._get_whole(name, vms)\n",
        new="        return self._get_whole(name, vms)\n",
        tests=(f"{COORDINATOR}::test_a_vm_that_somebody_powers_on_meanwhile_spoils_the_set",),
    ),
    Mutant(
        name="a second snapshot is started where one is there",
        file="snapshot/coordinator.py",
        old="            if self._has(vm, name):\n                return None\n",
        new="",
        tests=(f"{COORDINATOR}::test_a_take_killed_before_it_noted_converges",),
    ),
    Mutant(
        name="a release removes every snapshot",
        file="snapshot/coordinator.py",
        old="            ours = [s for vm in vms for s in facts[vm].snapshots if s.name == name]\n",
        new="            ours = [s for vm in vms for s in facts[vm].snapshots if name]\n",
        tests=(f"{COORDINATOR}::test_release_removes_ours_and_nothing_else",),
    ),
    Mutant(
        name="a release removes the snapshots below ours",
        file="snapshot/esxi.py",
        old="removeChildren=False",
        new="removeChildren=True",
        tests=(f"{HYPERVISOR}::test_a_removal_removes_one_snapshot",),
    ),
    Mutant(
        name="a revert powers the VM on",
        file="snapshot/esxi.py",
        old="suppressPowerOn=True",
        new="suppressPowerOn=False",
        tests=(
            "tests/lab/test_esxi_host.py::test_a_revert_leaves_the_vm_off_whatever_its_snapshot_holds",
        ),
    ),
    Mutant(
        name="a run goes on although preflight forbids it",
        file="remediation/checks/preflight.py",
        old="    if blocking:\n        raise PreflightBlockedError(blocking)\n",
        new="",
        tests=("tests/unit/test_plan_run.py",),
    ),
    Mutant(
        name="a domain that was not read whole is repaired in part",
        file="remediation/checks/preflight.py",
        old="    if missing or not inventory.nodes or inventory.topology is None:\n",
        new="    if not inventory.nodes:\n",
        tests=("tests/unit/test_plan_run.py",),
    ),
    Mutant(
        name="a risk that is nobody's is taken",
        file="remediation/checks/acceptance.py",
        old="        if not rule.acceptable:\n",
        new="        if not rule.id:\n",
        tests=("tests/unit/test_acceptance.py::test_some_risks_are_nobodys_to_take",),
    ),
    Mutant(
        name="a run that was released is rolled back",
        file="plugin/run_guards.py",
        old="        stored = self._file.read(run)\n"
        "        if Mark.RELEASING in marks(stored.records):\n"
        '            raise RunStateError(run, stored.phase, "rolled back")\n',
        new="        self._file.read(run)\n",
        tests=("tests/crash/test_rollback.py::test_a_run_that_was_released_is_not_taken_back",),
    ),
    Mutant(
        name="a second run of a domain is begun beside an open one",
        file="plugin/run_guards.py",
        old="            if phase not in CLOSED:\n",
        new="            if not domain:\n",
        tests=("tests/unit/test_open_runs.py::test_an_open_run_forbids_another_one_of_its_domain",),
    ),
    Mutant(
        name="adoption: a node is missing",
        file="remediation/adoption.py",
        old="    if len(names) != number:\n",
        new="    if not names:\n",
        tests=(f"{ADOPTION}::test_a_missing_node_is_no_run",),
    ),
    Mutant(
        name="adoption: a rollback reverts nobody",
        file="remediation/adoption.py",
        old="    return (MarkRecord(mark=Mark.ADOPTED), *done, begun)\n",
        new="    return (MarkRecord(mark=Mark.ADOPTED), *done)\n",
        tests=(f"{ADOPTION}::test_a_rollback_of_it_begins_with_the_revert",),
    ),
    Mutant(
        name="a way in that does not work is no failure",
        file="remediation/steps/services.py",
        old="        for proof in fatal(proofs):\n",
        new="        for proof in fatal(proofs[:0]):\n",
        tests=(
            "tests/unit/test_steps_services.py::test_the_last_proof_goes_across_where_services_were_left_alone",
        ),
    ),
    Mutant(
        name="others may read keys that a script puts on a node",
        file="remediation/pki/vecs_writing.py",
        old='        "umask 077",\n',
        new='        "umask 022",\n',
        tests=(f"{VECS}::test_entry_is_replaced_and_the_old_one_kept",),
    ),
    Mutant(
        name="a key stays in a file on a node",
        file="remediation/pki/vecs_writing.py",
        old='        "trap \'rm -rf \\"$folder\\"\' EXIT",\n',
        new="",
        tests=(f"{VECS}::test_entry_is_replaced_and_the_old_one_kept",),
    ),
    Mutant(
        name="a script does not wait for that of a dead process",
        file="remediation/pki/vecs_writing.py",
        old=', "test $? -eq 1 && exit 96")',
        new=', "true")',
        tests=(f"{VECS}::test_a_script_that_does_not_end_is_told",),
    ),
    Mutant(
        name="an entry that cannot be read at first was never there",
        file="remediation/pki/vecs_writing.py",
        old='"$folder/now.crt" && exit 17',
        new='"$folder/now.crt" && exit 16',
        tests=(f"{VECS}::test_an_entry_that_could_not_be_read_at_first_is_told_and_stays",),
    ),
    Mutant(
        name="files are swept while the script of a dead process writes",
        file="remediation/pki/vecs_writing.py",
        old='return _alone(["export LC_ALL=C", f"rm -rf {left} || exit 98", *_end(nonce)], tools)',
        new='return "\\n".join(["export LC_ALL=C", f"rm -rf {left} || exit 98", *_end(nonce)])',
        tests=(f"{VECS}::test_what_a_dead_process_began_ends_first",),
    ),
    Mutant(
        name="VMCA's key stays in a file on a node",
        file="remediation/pki/certool.py",
        old=", f'trap \"rm -rf {folder}\" EXIT']",
        new="]",
        tests=("tests/contract/test_certool_bash.py::test_signed_leaf_is_ours",),
    ),
)

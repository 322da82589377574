"""Mistakes in what is written to the directory, read back, awaited and retired."""

from __future__ import annotations

from mutant import Mutant

STEPS_CLOCKS = "tests/unit/test_steps_clocks.py"
STEPS_CREDENTIAL = "tests/unit/test_steps_credential.py"

MUTANTS = (
    Mutant(
        name="the credential is written before its leaf is noted",
        file="remediation/steps/credential.py",
        old='        note(f"{LEAF_PREFIX}{attempt}", fingerprint(issued.chain[0]))\n',
        new="",
        also=(
            (
                "        directory.add_chain(chain_index, issued.chain)\n",
                (
                    "        directory.add_chain(chain_index, issued.chain)\n"
                    '        note(f"{LEAF_PREFIX}{attempt}", fingerprint(issued.chain[0]))\n'
                ),
            ),
        ),
        tests=(f"{STEPS_CREDENTIAL}::test_the_leaf_is_noted_before_it_is_written",),
    ),
    Mutant(
        name="old credentials are gone before a partner has followed",
        file="remediation/steps/credential.py",
        old="        await_agreement(\n            context, self.name, self.leaves(), lambda now: bool(obsolete(now, ours, old, kept))\n        )\n",
        new="",
        tests=(
            f"{STEPS_CREDENTIAL}::test_nothing_counts_as_retired_before_every_directory_has_followed",
        ),
    ),
    Mutant(
        name="what was deleted is not looked for again",
        file="remediation/steps/agreement.py",
        old="        if differs(reference):\n            behind.append(spec.writer)\n",
        new="",
        tests=(f"{STEPS_CREDENTIAL}::test_a_directory_that_keeps_what_was_deleted_is_named",),
    ),
    Mutant(
        name="a credential is in force whatever its key",
        file="remediation/directory/sts.py",
        old="    return entries.signing() == pair[0] and pair[0].key_matches is True\n",
        new="    return entries.signing() == pair[0]\n",
        tests=(f"{STEPS_CREDENTIAL}::test_a_key_that_is_not_the_one_that_was_written_is_told",),
    ),
    Mutant(
        name="two entries of equal bytes count as one",
        file="remediation/directory/sts.py",
        old="        (entry.dn.lower(), entry.chain, entry.object_guid, entry.key_matches)\n",
        new="        (entry.dn.lower(), entry.chain, '', entry.key_matches)\n",
        tests=(
            (
                "tests/unit/test_sts_state.py"
                "::test_entries_of_two_nodes_are_the_same_if_they_came_from_one_write"
            ),
        ),
    ),
    Mutant(
        name="what was written is not read back",
        file="remediation/steps/credential.py",
        old="        self._read_back(chain)\n",
        new="",
        tests=(f"{STEPS_CREDENTIAL}::test_a_credential_of_ours_that_does_not_sign_is_unclear",),
    ),
    Mutant(
        name="an orphaned chain stays",
        file="remediation/steps/credential.py",
        old="            self._remove_orphans(leaves)\n",
        new="",
        tests=(f"{STEPS_CREDENTIAL}::test_a_second_attempt_ends_like_a_first",),
    ),
    Mutant(
        name="a certificate is made on a wrong clock",
        file="remediation/steps/credential.py",
        old="        require_clock(context, writer)\n",
        new="",
        tests=(f"{STEPS_CLOCKS}::test_no_credential_is_written_on_a_clock_that_is_wrong",),
    ),
)

"""Mistakes in what a renewal does when an attempt of it has died."""

from __future__ import annotations

from mutant import Mutant

KILLS = "tests/crash/test_renewal_kills.py"
ANCHORS = "tests/unit/test_trust_anchors.py"
RENEWAL_VIEW = "tests/unit/test_renewal_view.py"
STEPS_RENEWAL = "tests/unit/test_steps_renewal.py"
UNFINISHED = "tests/unit/test_unfinished_renewal.py"
VMCA_ROOT = "tests/unit/test_steps_vmca_root.py"

_RENEWAL = "remediation/steps/renewal.py"
_ROOT = "remediation/steps/vmca_root.py"

MUTANTS = (
    Mutant(
        name="the key of a root whose attempt died stays on its node",
        file=_ROOT,
        old="                context.renewal.stores.sweep(node)\n",
        new="",
        tests=(f"{VMCA_ROOT}::test_the_next_attempt_leaves_no_key_of_one_that_died",),
    ),
    Mutant(
        name="a root that arrives late gets a second one beside it",
        file=_ROOT,
        old="                context.renewal.stores.sweep(node)\n"
        "                current = await_vmca(context, node).chain[0]\n",
        new="                context.renewal.stores.sweep(node)\n",
        tests=(f"{KILLS}::test_a_root_that_arrives_late_is_kept",),
    ),
    Mutant(
        name="with a root that no VMCA got everybody's roots go",
        file=_ROOT,
        old="            if fingerprint(root) in ours:\n                registrations",
        new="            if root:\n                registrations",
        tests=(
            f"{VMCA_ROOT}::test_a_root_that_no_vmca_got_is_removed_again",
            f"{KILLS}::test_a_killed_new_root_ends_like_an_unkilled_one",
        ),
    ),
    Mutant(
        name="an entry that is gone counts as one of ours",
        file=_RENEWAL,
        old="    if leaf is None:\n        return bool(ours)\n",
        new="    if leaf is None:\n        return True\n",
        tests=(f"{STEPS_RENEWAL}::test_an_entry_that_is_gone_and_was_never_ours_stops_it",),
    ),
    Mutant(
        name="what a late script wrote is overwritten, and the backup with it",
        file=_RENEWAL,
        old="        if any(issued(noted, r.store, r.node) for r in self._of(node)):\n"
        "            held = self._read(node)\n",
        new="",
        tests=(f"{KILLS}::test_a_script_that_outlives_its_process_is_not_overwritten",),
    ),
    Mutant(
        name="a certificate that was written unseen is told by nobody",
        file=_RENEWAL,
        old='                self._tell(renewal, leaf, "", note)\n',
        new="                pass\n",
        tests=(f"{KILLS}::test_what_was_written_unseen_is_told",),
    ),
    Mutant(
        name="any failure of VMCA costs the machine certificate its other names",
        file=_RENEWAL,
        old="            return self._obtain(signer, asked), asked\n"
        "        except VmcaError as error:\n"
        "            fewer =",
        new="            raise VmcaError(signer.fqdn, '')\n"
        "        except VmcaError as error:\n"
        "            fewer =",
        tests=(f"{STEPS_RENEWAL}::test_a_vmca_that_fails_once_costs_no_name",),
    ),
    Mutant(
        name="a node that fails keeps from the directory what others have in their stores",
        file=_RENEWAL,
        old="        failures.append(_failure(lambda: self._register(renewed, noted, note)))\n",
        new="        if not any(failures):\n"
        "            failures.append(_failure(lambda: self._register(renewed, noted, note)))\n",
        tests=(f"{UNFINISHED}::test_the_directory_learns_what_other_nodes_have",),
    ),
    Mutant(
        name="a renewal goes on to the directory without its journal",
        file=_RENEWAL,
        old="    except StoppedError:\n        raise\n",
        new="",
        tests=(f"{UNFINISHED}::test_a_journal_that_cannot_be_written_ends_it_at_once",),
    ),
    Mutant(
        name="stores that are ahead of the directory are told by nobody where a run stops",
        file="plugin/cli/session.py",
        old="                ahead=stores_ahead(stored.plan, stored.records),\n",
        new="",
        tests=(f"{UNFINISHED}::test_where_it_stops_is_told_whose_stores_are_ahead",),
    ),
    Mutant(
        name="a vCenter that was not asked has no product registered",
        file="plugin/renewal_view.py",
        old="if not keys or UNKNOWN in keys)",
        new="if UNKNOWN in keys)",
        tests=(
            f"{RENEWAL_VIEW}::test_that_no_product_is_registered_is_told_only_of_those_that_were_asked",
        ),
    ),
    Mutant(
        name="endpoints of a node that had the same certificate get another node's",
        file="remediation/renewal/trust_anchors.py",
        old="        if _host(anchors.uri) in theirs:\n            continue\n",
        new="",
        tests=(
            f"{STEPS_RENEWAL}::test_nodes_that_had_one_certificate_together_are_known_by_their_own",
        ),
    ),
    Mutant(
        name="an old certificate beside the new one is not waited for",
        file="remediation/renewal/trust_anchors.py",
        old="wanted[place] - mine[place] or mine[place] & olds",
        new="wanted[place] - mine[place]",
        tests=(f"{ANCHORS}::test_a_directory_is_behind_where_it_does_not_name_what_was_written",),
    ),
    Mutant(
        name="directories that differed before a renewal fail it",
        file="remediation/renewal/trust_anchors.py",
        old="    wanted = {place: named & news for place, named in theirs.items() if named & news}\n",
        new="    wanted = theirs\n",
        tests=(f"{STEPS_RENEWAL}::test_directories_that_differed_before_do_not_stop_it",),
    ),
    Mutant(
        name="extensions of a solution user are told with machine certificates alone",
        file="plugin/renewal_view.py",
        old="    if view.stale_extensions:\n",
        new="    if view.stale_extensions and view.pins:\n",
        tests=(f"{RENEWAL_VIEW}::test_where_only_solution_users_are_new_it_is_told",),
    ),
)

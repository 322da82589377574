"""What a run, a rollback and a release must leave behind, by the lab's own eye."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from certificates_judge import VMCA_FOLDER, CertificatesJudge
from early_claims import early_claims
from stsfix.lab import judge, judge_certificates
from stsfix.lab.vecs import TRUSTED_ROOTS
from stsfix.lab.vmdir.reader import dump
from stsfix.plugin.renewal_view import renewal_of
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.nodes.service_names import bare
from stsfix.remediation.records import Phase
from stsfix.remediation.records import noted as notes
from stsfix.remediation.restarts import KEPT, RESTARTED
from stsfix.remediation.restarts import STEP as RESTART
from stsfix.snapshot.system_clock import SystemClock

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping
    from pathlib import Path

    from stsfix.lab.lab import Lab
    from stsfix.remediation.journal import StoredRun

Everything = dict[str, dict[str, dict[str, list[bytes]]]]

_KEY_ID = re.compile(r"[0-9a-f]{40}")
_OURS = ("/tmp", "/var/tmp", "/run/stsfix", "/root/.stsfix")
_ROUNDS = 100
_ROUND_S = 30.0


def stored_run(state: Path) -> StoredRun:
    """Return the one run of a state folder."""
    file = JournalFile(state, SystemClock())
    (name,) = file.names()
    return file.read(name)


def everything(lab: Lab) -> Everything:
    """Return every entry of every directory, with all that must be equal before and after."""
    return {
        node.fqdn: dump(lab.nodes[node.fqdn].disk.directory, "")
        for node in lab.topology.controllers
    }


def shape(found: Everything) -> dict[str, list[tuple[str, dict[str, int]]]]:
    """Return DNs and, per attribute, how many values: what does not depend on fresh keys. Entries
    that differ by the key in their names only are counted.
    """
    return {
        node: sorted(
            (
                (_KEY_ID.sub("#", dn), {name: len(values) for name, values in attributes.items()})
                for dn, attributes in entries.items()
            ),
            key=str,
        )
        for node, entries in found.items()
    }


class RunJudge:
    """Knows how a lab was before any run, and whether runs in it renew certificates (*renews*)."""

    def __init__(self, lab: Lab, *, renews: bool = False) -> None:
        self._lab = lab
        self._renews = renews
        self._before = everything(lab)
        self._certificates = CertificatesJudge(lab)
        self._foreign = judge.foreign_state(lab)

    def after_run(self, state: Path) -> dict[str, Any]:
        """Return all that a complete run leaves behind, as far as it can be equal twice."""
        lab, stored = self._lab, stored_run(state)
        early = early_claims(lab, stored)
        assert early == []
        vcenters = [node.fqdn for node in lab.topology.nodes if node.role.has_vcenter]
        controllers = [node.fqdn for node in lab.topology.controllers]
        apart = self._apart()
        return {
            "phase": stored.phase,
            "power": judge.power(lab),
            "entries": shape(everything(lab)),
            "tokens": [judge.token_refusal(lab, fqdn) for fqdn in controllers],
            "logins": [judge.login_refusal(lab, fqdn) for fqdn in vcenters],
            "one leaf": len({judge.signing_leaf(lab, fqdn) for fqdn in controllers}),
            "apart": apart,
            "certificates apart": judge_certificates.apart(lab),
            "expired": [
                c for c in judge_certificates.expired(lab) if f" {TRUSTED_ROOTS} " not in c
            ],
            "refused": [found for n in lab.nodes if (found := judge_certificates.refusals(lab, n))],
            "snapshots": {
                fqdn: [name == stored.spec.run for name in names]
                for fqdn, names in judge.node_snapshots(lab).items()
            },
            "foreign": judge.foreign_state(lab) == self._foreign,
            "leftovers": self._leftovers(),
            "keys": self._keys(),
        }

    def after_step(self, state: Path) -> dict[str, Any]:
        """Return what can be equal twice in the middle of a run, with services still starting."""
        lab = self._lab
        early = early_claims(lab, stored_run(state))
        assert early == []
        apart = self._apart()
        return {
            "power": judge.power(lab),
            "entries": shape(everything(lab)),
            "apart": apart,
            "snapshots": {fqdn: len(names) for fqdn, names in judge.node_snapshots(lab).items()},
            "foreign": judge.foreign_state(lab) == self._foreign,
            "leftovers": self._leftovers(),
            "keys": self._keys(),
            **(self._certificates.now() if self._renews else {}),
        }

    def false_claims(self, state: Path) -> list[str]:
        """Return what a run says it has renewed and is not there."""
        view = renewal_of(stored_run(state))
        if view is None:
            return []
        judged = self._certificates
        return [
            *(f"the pin of {fqdn} is another's" for fqdn in judged.false_pins(view.pins)),
            *(f"VMCA of {f} has another root" for f in judged.false_roots(view.new_roots)),
        ]

    def not_restarted(self, state: Path, before: Mapping[str, Counter[str]]) -> list[str]:
        """Return what runs on since *before* (`judge.starts`), which a run was to restart, but for
        what its journal names.
        """
        noted = notes(RESTART, stored_run(state).records)
        return still_the_same(noted, before, judge.starts(self._lab))

    def after_rollback(self, state: Path) -> dict[str, Any]:
        """Return what is not as before the run; snapshots stay, only release deletes them."""
        lab, now = self._lab, everything(self._lab)
        apart = self._apart()
        found: dict[str, Any] = {
            "phase": "" if stored_run(state).phase is Phase.ROLLED_BACK else "not rolled back",
            "power": [fqdn for fqdn, power in judge.power(lab).items() if power != "poweredOn"],
            "entries": changes(self._before, now),
            "apart": apart,
            "stored": self._certificates.changes(),
            "foreign": judge.foreign_state(lab) != self._foreign,
            "leftovers": self._leftovers(),
            "keys": self._keys(),
        }
        return {name: value for name, value in found.items() if value}

    def _apart(self) -> list[str]:
        """Return how the directories differ once they had time to agree."""
        rounds = _ROUNDS
        while (apart := judge.out_of_sync(self._lab)) and rounds:
            rounds -= 1
            self._lab.clock.sleep(_ROUND_S)
        return apart

    def _leftovers(self) -> list[str]:
        """Return the files of any node that are ours and hold something.

        An empty one can stay if the host's answer with its name was lost.
        """
        return sorted(
            f"{fqdn}: {path}"
            for fqdn, node in self._lab.nodes.items()
            for path, file in node.disk.files.items()
            if path.startswith(_OURS) and file.content
        )

    def _keys(self) -> list[str]:
        """Return every file of any node with a private key in it, but VMCA's own."""
        return sorted(
            f"{fqdn}: {path}"
            for fqdn, node in self._lab.nodes.items()
            for path, file in node.disk.files.items()
            if b"PRIVATE KEY" in file.content and not path.startswith(VMCA_FOLDER)
        )


def still_the_same(
    noted: Mapping[str, str],
    before: Mapping[str, Counter[str]],
    now: Mapping[str, Counter[str]],
) -> list[str]:
    """Return what was not restarted between the counts of starts *before* and *now* of all nodes,
    but for services that *noted* names as kept. Likewise may run on: it knows nothing of the STS.
    """
    found = []
    for fqdn, counts in now.items():
        if RESTARTED + fqdn not in noted:
            found.append(f"{fqdn} was not restarted at all")
            continue
        kept = {bare(name) for name in noted.get(KEPT + fqdn, "").split(",")} | {"lwsmd"}
        kept |= {"stsd"} if "sts" in kept else set()
        found += [
            f"{name} of {fqdn} was not restarted"
            for name, count in counts.items()
            if count <= before[fqdn][name] and bare(name) not in kept
        ]
    return found


def changes(before: Everything, now: Everything) -> list[str]:
    """Return which entries of which directory differ, as "node: DN"."""
    return [
        f"{node}: {dn}"
        for node, entries in before.items()
        for dn in sorted(entries.keys() | now[node].keys())
        if entries.get(dn) != now[node].get(dn)
    ]

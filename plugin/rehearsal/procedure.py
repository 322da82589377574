"""The whole procedure against the embedded lab, judged by the lab's own state.

Every act types the very commands an operator would (as processes of their own), and every claim
is then checked against what is on the lab's disks and in its services, never against what the
commands say of themselves.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stsfix.lab import judge, judge_certificates
from stsfix.lab.faults import Rule
from stsfix.lab.lab import Lab
from stsfix.lab.marker import replication_failures, ways
from stsfix.lab.probe import CredentialProbe
from stsfix.plugin.exit_codes import EXIT_CODES
from stsfix.plugin.rehearsal import certificates, person
from stsfix.plugin.rehearsal.shell import Shell
from stsfix.plugin.text import counted
from stsfix.remediation.errors import DirectoryFaultError, ProofError
from stsfix.remediation.errors_run import PreflightBlockedError, RestartByHandError

if TYPE_CHECKING:
    from collections.abc import Callable


EXPIRED_TEXT = "Signing certificate is not valid"
SNAPSHOT_PREFIX = "stsfix-"
RUNS = 2
"""How many runs a rehearsal makes."""

SETTLE_S = 60.0
"""Real seconds the lab may take to come to rest before a claim about it is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One thing the rehearsal says is true, and whether the lab agrees."""

    act: str
    text: str
    held: bool
    evidence: str


@dataclass(kw_only=True)
class Rehearsal:
    """One rehearsal. *tell* is given ``(kind, text)``: act, command, output, held or failed."""

    topology: str
    scenario: str
    speed: float
    seed: int
    tell: Callable[[str, str], None]
    claims: list[Claim] = field(default_factory=list)
    _act: str = ""
    _samples: dict[str, int] = field(default_factory=dict)
    _typed: list[tuple[str, str]] = field(default_factory=list)

    def perform(self) -> bool:
        """Play every act; True only if every claim held. The lab is gone afterwards."""
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="stsfix-rehearsal-") as folder:
            self._begin(f"The lab: {self.topology}, scenario {self.scenario}")
            lab = Lab.build(
                topology=self.topology, scenario=self.scenario, speed=self.speed, seed=self.seed
            )
            with lab, CredentialProbe(lab) as probe:
                config = lab.write_config(Path(folder))
                self._claim("the lab is up", held=True, evidence=", ".join(lab.nodes))
                shell = Shell(config, Path(folder) / "state", self.tell, lab.scenario)
                self._play(lab, shell, probe)
                self._begin("At no moment")
                self._at_no_moment(probe)
                self._leaves_nothing(lab)
        return self._conclude(time.monotonic() - began)

    def _conclude(self, took_s: float) -> bool:
        missed = [claim for claim in self.claims if not claim.held]
        for claim in missed:
            self.tell("failed", f"{claim.act}: {claim.text}")
        text = f"{len(self.claims) - len(missed)} of {len(self.claims)} claims held, {took_s:.0f} s"
        self.tell("failed" if missed else "held", text)
        return not missed

    def _at_no_moment(self, probe: CredentialProbe) -> None:
        during = ", ".join(
            f"{number} samples during {act}" for act, number in self._samples.items()
        )
        self._claim(
            "the directories were watched during every run",
            held=len(self._samples) == RUNS and all(self._samples.values()),
            evidence=during,
        )
        self._claim(
            "no directory was ever without a credential that signs with the highest index",
            held=not probe.violations and probe.changes > 0,
            evidence="; ".join(probe.violations)
            or f"judged at each of {probe.changes} changes of STS entries on all directories",
        )

    def _leaves_nothing(self, lab: Lab) -> None:
        shown, left = judge.exposed(lab), judge.leftovers(lab)
        lines = sum(len(node.argv_log.lines) for node in lab.nodes.values())
        runs_commands = lab.scenario.access.transport != "vami"
        self._claim(
            "no password was in a command line of a node",
            held=not shown and (lines > 0) == runs_commands,
            evidence="; ".join(shown[:3]) or f"{lines} command lines on {len(lab.nodes)} nodes",
        )
        self._claim(
            "no file of ours is left on a node",
            held=not left,
            evidence="; ".join(left[:3]) or f"{len(lab.nodes)} disks searched",
        )

    def _play(self, lab: Lab, shell: Shell, probe: CredentialProbe) -> None:
        foreign = judge.foreign_state(lab)
        before = judge.all_sts_entries(lab)
        stores = judge_certificates.stored(lab)
        self._before(lab, shell)
        self._failure(lab, shell, probe)
        self._rollback(lab, shell, before)
        self._judge(certificates.unchanged(stores, judge_certificates.stored(lab)))
        self._again(lab, shell, probe, before)
        self._release(lab, shell)
        self._claim(
            "other people's VMs are untouched",
            held=judge.foreign_state(lab) == foreign,
            evidence=f"{len(foreign)} VMs: power, snapshots, disks and adapters as at the start",
        )

    def _before(self, lab: Lab, shell: Shell) -> None:
        self._begin("Before: nobody can log in")
        code = shell.type("preflight", *shell.accepting)
        if shell.repair:
            # What they renew forbids a run without them, or not: preflight says which.
            text = f"preflight says what is wrong; the run gets {' '.join(shell.repair)}"
            allowed = {0, 1, EXIT_CODES[PreflightBlockedError]}
        else:
            text, allowed = "preflight finds no reason against a repair", {0, 1}
        self._claim(text, held=code in allowed, evidence=f"exit code {code}")
        self._refused(lab)
        code = shell.type("verify")
        expected = EXIT_CODES[ProofError]
        self._claim(
            "verify admits that nobody can log in",
            held=code == expected,
            evidence=f"exit code {code}",
        )

    def _refused(self, lab: Lab) -> None:
        refusals = {n.fqdn: judge.token_refusal(lab, n.fqdn) for n in lab.topology.controllers}
        others = {
            k: v or "issues tokens" for k, v in refusals.items() if EXPIRED_TEXT not in (v or "")
        }
        self._claim(
            f"every STS refuses: {EXPIRED_TEXT}",
            held=not others,
            evidence="; ".join(f"{k}: {v}" for k, v in others.items()) or ", ".join(refusals),
        )

    def _run(self, lab: Lab, shell: Shell, probe: CredentialProbe, name: str) -> int:
        before = probe.samples
        code = shell.type("run", "--yes", "--on-failure", "stop", *shell.accepting, *shell.repair)
        while code == EXIT_CODES[RestartByHandError] and self._by_hand(lab, shell):
            code = shell.type("resume", "--on-failure", "stop")
        self._samples[name] = probe.samples - before
        return code

    def _by_hand(self, lab: Lab, shell: Shell) -> bool:
        """Type what the run waits for, once for each node of a run; False if it waits again."""
        asked = person.asked_for(shell.read("status", "--json"))
        self._judge(person.stopped(lab, asked, before=self._typed))
        for node, command in asked:
            self.tell("command", f"on {node}: {command}")
            person.type_on(lab, node, command)
            self._typed.append((self._act, node))
        return len(self._typed) == len(set(self._typed))

    def _failure(self, lab: Lab, shell: Shell, probe: CredentialProbe) -> None:
        self._begin("Run, logins proven, then a deliberate failure")
        rule = lab.faults.add(Rule(protocol="ldap", call="DELETE", times=1000))
        code = self._run(lab, shell, probe, "the first run")
        expected = EXIT_CODES[DirectoryFaultError]
        self._claim(
            "the run stops at the refused delete, with its own exit code",
            held=code == expected and rule.seen > 0,
            evidence=f"exit code {code}; {counted(rule.seen, 'delete')} refused",
        )
        self._logins(lab)
        lab.faults.clear()

    def _rollback(self, lab: Lab, shell: Shell, before: dict[str, judge.Entries]) -> None:
        self._begin("Rollback: everything as it was")
        code = shell.type("rollback", "--yes")
        self._claim("the rollback is complete", held=code == 0, evidence=f"exit code {code}")
        self._healthy(lab)
        entries = judge.all_sts_entries(lab)
        self._claim(
            "every STS entry of every directory is what it was, byte by byte",
            held=entries == before,
            evidence=_compared(before, entries),
        )
        self._replicates(lab)
        self._refused(lab)
        code = shell.type("release", "--yes")
        self._no_snapshots(lab, code)

    def _replicates(self, lab: Lab) -> None:
        """Directories that are equal prove nothing of later changes: write some and see."""
        pairs = ways(lab)
        failures = replication_failures(lab, limit_s=SETTLE_S)
        self._claim(
            "what is written on one node now arrives at all others",
            held=not failures,
            evidence="; ".join(failures)
            or (f"a marker went {', '.join(pairs)}" if pairs else "there is one directory only"),
        )

    def _again(
        self,
        lab: Lab,
        shell: Shell,
        probe: CredentialProbe,
        before: dict[str, judge.Entries],
    ) -> None:
        self._begin("Run again: repaired")
        code = self._run(lab, shell, probe, "the second run")
        self._claim("the run is complete", held=code == 0, evidence=f"exit code {code}")
        self._healthy(lab)
        self._logins(lab)
        leaves = {judge.signing_leaf(lab, node.fqdn) for node in lab.topology.controllers}
        self._claim(
            "every STS signs with one and the same new leaf",
            held=len(leaves) == 1 and None not in leaves,
            evidence=", ".join(f"sha256:{leaf}" if leaf else "no leaf" for leaf in leaves),
        )
        after = judge.all_sts_entries(lab)
        old = {dn for entries in before.values() for dn in entries if "cn=tenantcredential-" in dn}
        left = sorted({dn for entries in after.values() for dn in entries} & old)
        names = ", ".join(sorted(dn.partition(",")[0].removeprefix("cn=") for dn in old))
        self._claim(
            "the old credentials are gone from every directory",
            held=bool(old) and not left,
            evidence="still there: " + "; ".join(left)
            if left
            else f"{names} is on none of {counted(len(after), 'directory', 'directories')}",
        )
        for claim in certificates.repaired(lab, renewed=bool(shell.repair)):
            self._judge(claim)
        self._replicates(lab)

    def _release(self, lab: Lab, shell: Shell) -> None:
        self._begin("Release: no snapshot left")
        self._no_snapshots(lab, shell.type("release", "--yes"))
        self._logins(lab)

    def _no_snapshots(self, lab: Lab, code: int) -> None:
        self._claim("the release is complete", held=code == 0, evidence=f"exit code {code}")
        machines = judge.snapshots(lab)
        ours = [
            f"{vm}: {name}"
            for vm, names in machines.items()
            for name in names
            if name.startswith(SNAPSHOT_PREFIX)
        ]
        self._claim(
            "no snapshot of ours is left",
            held=not ours,
            evidence="; ".join(ours) or f"none on {len(machines)} VMs",
        )

    def _logins(self, lab: Lab) -> None:
        tokens = {n.fqdn: judge.token_refusal(lab, n.fqdn) for n in lab.topology.controllers}
        logins = {
            n.fqdn: judge.login_refusal(lab, n.fqdn)
            for n in lab.topology.nodes
            if n.role.has_vcenter
        }
        refused = [f"{k}: {v}" for k, v in (tokens | logins).items() if v is not None]
        self._claim(
            "every STS issues tokens and every vCenter lets the administrator in",
            held=not refused,
            evidence="; ".join(refused)
            or f"tokens: {', '.join(tokens)}; logins: {', '.join(logins)}",
        )

    def _healthy(self, lab: Lab) -> None:
        deadline = time.monotonic() + SETTLE_S
        while (apart := judge.out_of_sync(lab)) and time.monotonic() < deadline:
            time.sleep(0.1)
        power = judge.power(lab)
        self._claim(
            "every node is on",
            held=set(power.values()) == {"poweredOn"},
            evidence=", ".join(f"{fqdn} {state}" for fqdn, state in power.items()),
        )
        self._claim(
            "the directories hold the same, and none has seen more of another than that has",
            held=not apart,
            evidence="; ".join(apart[:3])
            or f"{counted(len(lab.topology.controllers), 'directory', 'directories')} compared",
        )

    def _judge(self, judged: certificates.Judged) -> None:
        text, held, evidence = judged
        self._claim(text, held=held, evidence=evidence)

    def _begin(self, act: str) -> None:
        self._act = act
        self.tell("act", act)

    def _claim(self, text: str, *, held: bool, evidence: str) -> None:
        self.claims.append(Claim(act=self._act, text=text, held=held, evidence=evidence))
        self.tell("held" if held else "failed", f"{text} ({evidence})")


def _compared(before: dict[str, judge.Entries], after: dict[str, judge.Entries]) -> str:
    """Return how much was compared, or what differs."""
    differ = [
        f"{dn} on {node}"
        for node in before
        for dn in sorted(before[node].keys() | after.get(node, {}).keys())
        if before[node].get(dn) != after.get(node, {}).get(dn)
    ]
    if differ:
        return "differ: " + "; ".join(differ)
    values = [
        value
        for entries in after.values()
        for entry in entries.values()
        for several in entry.values()
        for value in several
    ]
    entries = sum(map(len, after.values()))
    return (
        f"{entries} entries, {len(values)} values, {sum(map(len, values))} bytes on "
        f"{counted(len(after), 'directory', 'directories')}"
    )

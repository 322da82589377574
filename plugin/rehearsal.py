"""The whole procedure against the embedded lab, judged by the lab's own state.

Every act types the very commands an operator would (as processes of their own), and every claim
is then checked against what is on the lab's disks and in its services, never against what the
commands say of themselves.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stsfix.lab import judge
from stsfix.lab.faults import Rule
from stsfix.lab.lab import Lab
from stsfix.lab.probe import CredentialProbe
from stsfix.plugin.exit_codes import EXIT_CODES
from stsfix.remediation.errors import DirectoryFaultError

if TYPE_CHECKING:
    from collections.abc import Callable

EXPIRED_TEXT = "Signing certificate is not valid"
SNAPSHOT_PREFIX = "stsfix-"
SETTLE_S = 120.0
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
                self._play(lab, _Shell(config, Path(folder) / "state", self.tell))
                self._begin("At no moment")
                self._claim(
                    "no directory was ever without a credential that signs with the highest index",
                    held=not probe.violations and probe.samples > 0,
                    evidence="; ".join(probe.violations) or f"{probe.samples} samples",
                )
        held = all(claim.held for claim in self.claims)
        self.tell(
            "held" if held else "failed",
            f"{sum(c.held for c in self.claims)} of {len(self.claims)} claims held, "
            f"{time.monotonic() - began:.0f} s",
        )
        return held

    def _play(self, lab: Lab, shell: _Shell) -> None:
        foreign = judge.foreign_state(lab)
        before = judge.all_sts_entries(lab)
        self._before(lab, shell)
        self._failure(lab, shell)
        self._rollback(lab, shell, before)
        self._again(lab, shell, before)
        self._release(lab, shell)
        self._claim(
            "other people's VMs are untouched",
            held=judge.foreign_state(lab) == foreign,
            evidence=f"{len(foreign)} VMs",
        )

    def _before(self, lab: Lab, shell: _Shell) -> None:
        self._begin("Before: nobody can log in")
        code = shell.type("preflight")
        self._claim(
            "preflight finds no reason against a repair",
            held=code in {0, 1},
            evidence=f"exit code {code}",
        )
        self._refused(lab)
        code = shell.type("verify")
        self._claim(
            "verify admits that nobody can log in", held=code != 0, evidence=f"exit code {code}"
        )

    def _refused(self, lab: Lab) -> None:
        refusals = [judge.token_refusal(lab, node.fqdn) or "" for node in lab.topology.controllers]
        self._claim(
            f"every STS refuses: {EXPIRED_TEXT}",
            held=all(EXPIRED_TEXT in refusal for refusal in refusals),
            evidence=refusals[0][:100],
        )

    def _failure(self, lab: Lab, shell: _Shell) -> None:
        self._begin("Run, logins proven, then a deliberate failure")
        writer = min(node.fqdn for node in lab.topology.controllers)
        lab.faults.add(Rule(protocol="ldap", call="DELETE", target=writer, times=1000))
        code = shell.type("run", "--yes", "--on-failure", "stop")
        expected = EXIT_CODES[DirectoryFaultError]
        self._claim(
            "the run stops at the refused delete, with its own exit code",
            held=code == expected,
            evidence=f"exit code {code}",
        )
        self._logins(lab)
        lab.faults.clear()

    def _rollback(self, lab: Lab, shell: _Shell, before: dict[str, judge.Entries]) -> None:
        self._begin("Rollback: everything as it was")
        code = shell.type("rollback", "--yes")
        self._claim("the rollback is complete", held=code == 0, evidence=f"exit code {code}")
        self._healthy(lab)
        entries = judge.all_sts_entries(lab)
        count = sum(map(len, entries.values()))
        self._claim(
            "every STS entry of every directory is what it was, byte by byte",
            held=entries == before,
            evidence=f"{count} entries on {len(entries)} directories",
        )
        self._refused(lab)
        shell.type("release", "--yes")

    def _again(self, lab: Lab, shell: _Shell, before: dict[str, judge.Entries]) -> None:
        self._begin("Run again: repaired")
        code = shell.type("run", "--yes", "--on-failure", "stop")
        self._claim("the run is complete", held=code == 0, evidence=f"exit code {code}")
        self._healthy(lab)
        self._logins(lab)
        leaves = {judge.signing_leaf(lab, node.fqdn) for node in lab.topology.controllers}
        self._claim(
            "every STS signs with one and the same new leaf",
            held=len(leaves) == 1 and None not in leaves,
            evidence=", ".join(str(leaf)[:16] for leaf in leaves),
        )
        old = {dn for entries in before.values() for dn in entries if "cn=tenantcredential-" in dn}
        left = {dn for entries in judge.all_sts_entries(lab).values() for dn in entries} & old
        self._claim(
            "the old credentials are gone from every directory",
            held=not left,
            evidence=f"{len(old)} removed",
        )

    def _release(self, lab: Lab, shell: _Shell) -> None:
        self._begin("Release: no snapshot left")
        code = shell.type("release", "--yes")
        self._claim("the release is complete", held=code == 0, evidence=f"exit code {code}")
        ours = [
            f"{vm}: {name}"
            for vm, names in judge.snapshots(lab).items()
            for name in names
            if name.startswith(SNAPSHOT_PREFIX)
        ]
        self._claim(
            "no snapshot of ours is left", held=not ours, evidence="; ".join(ours) or "none"
        )
        self._logins(lab)

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
            evidence="; ".join(refused) or ", ".join([*tokens, *logins]),
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
            "the directories are in sync, in both directions",
            held=not apart,
            evidence="; ".join(apart[:3]) or "no difference",
        )

    def _begin(self, act: str) -> None:
        self._act = act
        self.tell("act", act)

    def _claim(self, text: str, *, held: bool, evidence: str) -> None:
        self.claims.append(Claim(act=self._act, text=text, held=held, evidence=evidence))
        self.tell("held" if held else "failed", f"{text} ({evidence})")


class _Shell:
    """Types commands of stsfix as an operator would, with the lab's configuration."""

    def __init__(self, config: Path, state: Path, tell: Callable[[str, str], None]) -> None:
        self._config = config
        self._state = state
        self._tell = tell

    def type(self, *words: str) -> int:
        """Run one command to its end, show what it prints, and return its exit code."""
        self._tell("command", "stsfix " + " ".join(words))
        environment = {k: v for k, v in os.environ.items() if not k.startswith("STSFIX_")}
        environment |= {"STSFIX_CONFIG": str(self._config), "STSFIX_STATE_DIR": str(self._state)}
        with subprocess.Popen(  # noqa: S603 - our own program with fixed words
            [sys.executable, "-m", "stsfix.plugin", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            self._show(process)
        return process.returncode

    def _show(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            raise AssertionError("the output was asked for")
        for line in process.stdout:
            self._tell("output", line.rstrip("\n"))

"""Preflight's discovery against a running lab, without the command line."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from diagnosis_table import DIAGNOSED
from lab_keys import shared_keys
from stsfix.lab.lab import Lab
from stsfix.plugin.config import load_settings
from stsfix.plugin.secrets import SecretStore
from stsfix.plugin.sources import diagnosis_sources, preflight_sources
from stsfix.plugin.wiring import Wiring
from stsfix.remediation.checks.preflight import assess
from stsfix.remediation.checks.renewal import renewal_of
from stsfix.remediation.diagnosis.evidence import Evidence
from stsfix.remediation.diagnosis.investigate import investigate
from stsfix.remediation.discovery.domain import Discovery
from stsfix.snapshot.system_clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Generator

    from estate_lab import Estate
    from stsfix.remediation.checks.renewal import Wish
    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.model import Finding


@contextmanager
def wired(lab: Lab | Estate) -> Generator[Wiring]:
    """Yield adapters as an operator of *lab* has them; logs out at the end."""
    with TemporaryDirectory() as folder:
        settings = load_settings(lab.write_config(Path(folder)))
        wiring = Wiring(settings, SecretStore(settings, {}), SystemClock(), lambda _: None)
        try:
            yield wiring
        finally:
            wiring.close()


def look(lab: Lab) -> tuple[Inventory, tuple[Finding, ...]]:
    """Return what one preflight of *lab* sees and finds."""
    with wired(lab) as wiring:
        inventory = Discovery(preflight_sources(wiring)).discover()
    return inventory, assess(inventory)


def wished(scenario: str, wish: Wish, topology: str = "elm") -> tuple[Finding, ...]:
    """Return what preflight finds in *scenario* when it is asked to renew certificates."""
    inventory, _ = seen(scenario, topology)
    return assess(inventory, renewal_of(inventory, wish))


def seen(scenario: str, topology: str = "elm") -> tuple[Inventory, tuple[Finding, ...]]:
    """Return what one preflight of a fresh lab of *scenario* sees and finds."""
    evidence, found = shown(scenario, topology)
    return evidence.inventory, found


@functools.cache
def shown(scenario: str, topology: str = "elm") -> tuple[Evidence, tuple[Finding, ...]]:
    """Return what can be read of a fresh lab of *scenario*, and what preflight finds in it.

    A lab costs most of a second, so each is brought up once for everything that is judged of it:
    findings, reports and diagnoses. The files that use it are in `distribution.OF_SCENARIOS`: all
    tests of a scenario share a process.
    """
    with Lab.build(topology, scenario, speed=2000, keys=shared_keys()) as lab, wired(lab) as wiring:
        if scenario in DIAGNOSED:
            evidence = investigate(diagnosis_sources(wiring))
        else:
            evidence = Evidence(inventory=Discovery(preflight_sources(wiring)).discover())
    return evidence, assess(evidence.inventory)

"""Which tests share one of xdist's workers, and which begin first (docs/adr/0045).

What a file's fixtures make is made once if all its tests run in one worker. What takes longest
begins first: the short tests at the end then fill all workers. Long runs go without groups
(``--dist load``): there each worker makes everything once.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest
    from xdist.remote import Producer

PARTS = 4
"""Workers that the tests of scenarios are spread over."""

OF_SCENARIOS = frozenset(
    {
        "tests/lab/test_diagnose_scenarios.py",
        "tests/lab/test_diagnose_symptoms.py",
        "tests/lab/test_findings.py",
        "tests/lab/test_findings_certificates.py",
        "tests/lab/test_findings_nodes.py",
        "tests/lab/test_findings_renewal.py",
        "tests/lab/test_reports_of_lab.py",
    }
)
"""Files whose tests judge what one preflight of a scenario's lab saw (`preflight_lab.shown`): those
of one scenario run in the same worker, whatever their file.
"""

OF_LABS = frozenset({"tests/crash/test_deaths.py", "tests/crash/test_faults.py"})
"""Files of which each test names its lab by its first parameter: a group is those of one lab."""

ORDER = ("crash", "e2e", "lab", "contract", "unit")
"""Folders, that with the longest tests first."""

_TOPOLOGIES = ("-embedded", "-elm", "-external-psc")


def group_of(nodeid: str) -> str:
    """Return the name of the group whose tests one worker runs.

    The scenario is the first parameter of most tests of scenarios; the few others pay a lab more.
    """
    file, _, rest = nodeid.partition("::")
    if file not in OF_SCENARIOS | OF_LABS:
        return file
    first = rest.partition("[")[2].removesuffix("]").partition(" ")[0]
    return f"{file} {first}" if file in OF_LABS else _of_scenario(first)


def _of_scenario(scenario: str) -> str:
    for topology in _TOPOLOGIES:
        scenario = scenario.removesuffix(topology)
    return f"scenarios {zlib.crc32(scenario.encode()) % PARTS}"


def rank(nodeid: str) -> int:
    """Return the place of a test's group among all, the first to begin having the least."""
    file = nodeid.partition("::")[0]
    if file in OF_SCENARIOS:
        return -1
    folder = file.rpartition("/")[0].rpartition("/")[2]
    return ORDER.index(folder) if folder in ORDER else len(ORDER)


def arranged(nodeids: Sequence[str], *, ranked: bool) -> list[int]:
    """Return the places of tests in the order in which they run: those of a file and in it those of
    a group one after the other, else as they were; by `rank` first if that is asked for.
    """
    files: dict[str, int] = {}
    groups: dict[str, int] = {}
    for nodeid in nodeids:
        files.setdefault(nodeid.partition("::")[0], len(files))
        groups.setdefault(group_of(nodeid), len(groups))

    def place(at: int) -> tuple[int, int, int]:
        nodeid = nodeids[at]
        first = rank(nodeid) if ranked else 0
        return first, files[nodeid.partition("::")[0]], groups[group_of(nodeid)]

    return sorted(range(len(nodeids)), key=place)


class Groups(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Hands out the groups in the order in which they were collected.

    xdist's own ``loadgroup`` groups nothing with pytest 9.2 (pytest-xdist issue 1386), and its
    marks are not seen where the tests are handed out.
    """

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

"""Which log tells of which service."""

from __future__ import annotations

import pytest

from stsfix.remediation.nodes.node_logs import FOLDER, LOGS, logs_of
from stsfix.remediation.nodes.service_names import CORE


def test_names_and_paths_are_unique():
    """A log is named in reports by its name alone."""
    assert len({log.name for log in LOGS}) == len({log.path for log in LOGS}) == len(LOGS)


def test_every_log_says_where_its_path_was_seen():
    """Nothing is asked for by a path that somebody made up."""
    assert all(log.source and log.path.startswith(f"{FOLDER}/") for log in LOGS)


@pytest.mark.parametrize("name", ["vpxd-svcs", "vmware-vpxd-svcs"])
def test_a_service_is_known_by_both_its_names(name):
    """service-control and vMon differ in the prefix."""
    assert [log.path for log in logs_of(name)] == [f"{FOLDER}/vpxd-svcs/vpxd-svcs.log"]


@pytest.mark.parametrize("service", sorted(CORE))
def test_every_core_service_has_a_log(service):
    """What a failed start says is somewhere, if only with vMon."""
    assert logs_of(service)


def test_an_unknown_service_is_looked_up_with_vmon():
    """Its own log is not in the table; what vMon wrote of it is."""
    assert [log.name for log in logs_of("vsan-health")] == ["vmon.log"]

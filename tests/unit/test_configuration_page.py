"""docs/configuration.md says what the loader does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from stsfix.plugin.config import Timeouts, load_settings
from stsfix.remediation.steps.context import Limits as StepLimits
from stsfix.snapshot.fleet import Limits as FleetLimits

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("index", range(len(BLOCKS)))
def test_examples_of_the_page_can_be_loaded(tmp_path, index):
    """Whoever copies an example gets a file that is read without a problem."""
    path = tmp_path / "domain.toml"
    path.write_text(BLOCKS[index])

    assert load_settings(path).sso.domain == "vsphere.local"


def test_page_lists_every_timeout_with_its_default():
    """The table of timeouts has exactly the fields of Timeouts and their defaults."""
    table = PAGE.partition("## [timeouts]")[2].partition("## [secrets]")[0]

    rows = {key: float(value) for key, value in re.findall(r"\| `(\w+)` \| (\d+) \|", table)}

    assert rows == {
        field.name: getattr(Timeouts(), field.name).total_seconds()
        for field in dataclasses.fields(Timeouts)
    }


@pytest.mark.parametrize("limits", [StepLimits, FleetLimits], ids=["steps", "fleet"])
def test_every_limit_of_the_lower_layers_can_be_set(limits):
    """Each limit has a timeout of its name, with the same default where it has one."""
    names = {field.name for field in dataclasses.fields(limits)}
    defaults = {
        field.name: field.default
        for field in dataclasses.fields(limits)
        if field.default is not dataclasses.MISSING
    }

    assert names <= {field.name for field in dataclasses.fields(Timeouts)}
    assert defaults == {name: getattr(Timeouts(), name) for name in defaults}


def test_page_names_every_key():
    """Every key that the loader knows is in the page."""
    keys = {
        *("domain", "nodes", "user", "host", "address", "port", "tls", "transport"),
        *("ports.https", "ports.ldaps", "issuer", "ca_certificate", "ca_key", "validity_days"),
        *("retire_old", "publish_root", "restart", "growth_gib", "file", "allow_vmca_key"),
        *("ports.ssh", "ports.vami", "ssh_host_key", "ssh_known_hosts"),
    }

    assert {key for key in keys if f"| `{key}` |" not in PAGE} == set()

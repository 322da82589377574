"""Long matrices: a fixed part of each by default, all of it where STSFIX_MATRIX=all, a shard where
it is 3/8. What the tests did to runs is counted by kind (`reliability`). Each test starts with the
umask of the session, and has to have hit every fault rule that it made (`fault_watch`). Hypothesis
judges what is true, not how long it took: other workers need the machine too.
"""

from __future__ import annotations

import os
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, settings

import distribution
import fault_watch
import reliability
from matrix import part

UMASK = os.umask(0o022)
os.umask(UMASK)
fault_watch.watch()

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


@pytest.hookimpl(optionalhook=True)  # the mutant runner leaves xdist out
def pytest_xdist_make_scheduler(config, log):
    """Let xdist hand out our groups."""
    return distribution.Groups(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_modifyitems(config, items):
    """Leave out what is not asked for, keep together what shares what is expensive, and in xdist's
    workers put first what shall begin first.
    """
    _leave_out(config, items)
    order = distribution.arranged(
        [item.nodeid for item in items], ranked=hasattr(config, "workerinput")
    )
    items[:] = [items[at] for at in order]


def _leave_out(config, items):
    """Leave out all but every n-th case of a test marked ``matrix(n)``, counted in the order of
    its parameters, so that the part is the same whatever order tests run in. Tests that are named
    on the command line all run.
    """
    if any("::" in name for name in config.args):
        return
    matrices = defaultdict(list)
    for item in sorted(items, key=_place):
        every = item.get_closest_marker("matrix")
        if every is not None:
            matrices[item.nodeid.partition("[")[0], every.args[0]].append(item)
    left_out = set()
    for (_, number), found in matrices.items():
        left_out |= set(found) - set(part(found, every=number))
    if left_out:
        config.hook.pytest_deselected(items=sorted(left_out, key=_place))
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Let the report tell which kind of case a test plays; undo the umask that a command which
    was called in this process has set (`plugin.hardening`).
    """
    os.umask(UMASK)
    reliability.tag(item)
    fault_watch.forget()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A fault that never came about is no fault that was survived."""
    result = yield
    fault_watch.require_hits(item)
    return result


def pytest_terminal_summary(terminalreporter):
    """Print how many cases of which kind were survived."""
    reliability.tell(terminalreporter)


def _place(item):
    callspec = getattr(item, "callspec", None)
    return sorted(callspec.indices.items()) if callspec is not None else []

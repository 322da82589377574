"""The audit of dependencies: what is a result, what is none, and what is a failure."""

from __future__ import annotations

import json

import pytest

from audit import BrokenError, Ended, NotDoneError, dependencies, findings, require_advisories

ADVISORY = {"id": "PYSEC-1", "fix_versions": ["2.20"]}
SOUND = {"name": "attrs", "version": "26.1", "vulns": []}
VULNERABLE = {"name": "requests", "version": "2.19.1", "vulns": [ADVISORY]}
SKIPPED = {"name": "pyvmomi", "skip_reason": "not found on PyPI"}
OURS = {"name": "stsfix", "skip_reason": "not found on PyPI"}


def answer(*entries, code=0):
    """Return how pip-audit ends with a result."""
    return Ended(code=code, out=json.dumps({"dependencies": entries}), err="as usual\n")


@pytest.mark.parametrize(
    "err",
    [
        "Traceback\n  raise ConnectionError(e)\nrequests.exceptions.ConnectionError: no route\n",
        "requests.exceptions.ProxyError: HTTPSConnectionPool(host='index.example')\n",
        "requests.exceptions.SSLError: certificate verify failed\n",
        (
            "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed\n"
            "ERROR:pip_audit._cli:Tip: your network may be blocking this service.\n"
        ),
    ],
)
def test_an_index_that_is_not_reached_is_no_failure(err):
    """Where there is no network nothing can be audited; it is said."""
    with pytest.raises(NotDoneError, match="not reached"):
        dependencies(Ended(code=1, err=err))


@pytest.mark.parametrize(
    "ended",
    [
        Ended(code=1, err="Traceback\nModuleNotFoundError: No module named 'pip_audit'\n"),
        Ended(code=2, err="usage: pip-audit\nerror: unrecognized arguments: --local\n"),
        Ended(code=1, err="requests.exceptions.JSONDecodeError: Expecting value\n"),
        Ended(code=None, err="stopped after 180 s"),
        Ended(code=-9),
        Ended(code=0, out="[]"),
        Ended(code=0, out='{"dependencies": null}'),
        answer(SOUND, code=1),
        answer(VULNERABLE, code=0),
    ],
)
def test_whatever_else_is_no_result_is_a_failure(ended):
    """A tool that crashes has audited nothing, however it ends."""
    with pytest.raises(BrokenError, match=r"ended with"):
        dependencies(ended)


def test_an_index_without_advisories_is_found_out():
    """It answers, and says of what is known to be vulnerable that it is not, or nothing."""
    require_advisories(answer(VULNERABLE, code=1))

    for told in (answer(SKIPPED), answer({**VULNERABLE, "vulns": []})):
        with pytest.raises(NotDoneError, match="knows no advisory"):
            require_advisories(told)


def test_what_was_skipped_is_named():
    """Each by its name, but what is ours."""
    lines, is_vulnerable = findings(answer(SOUND, SKIPPED, OURS))

    assert lines == ["1 dependencies, 0 with known vulnerabilities; not audited: pyvmomi"]
    assert not is_vulnerable


def test_a_vulnerability_is_named():
    """With what mends it."""
    lines, is_vulnerable = findings(answer(VULNERABLE, SOUND, code=1))

    assert lines == [
        "requests 2.19.1: PYSEC-1, fixed in 2.20",
        "2 dependencies, 1 with known vulnerabilities",
    ]
    assert is_vulnerable


def test_nothing_audited_is_a_failure():
    """The index has advisories, and none of what is installed was looked up."""
    with pytest.raises(BrokenError, match="every dependency was skipped"):
        findings(answer(SKIPPED, OURS))

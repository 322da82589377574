"""Walks the product's error tree and makes one error of each leaf class."""

from __future__ import annotations

import inspect
import typing

import stsfix.plugin.errors
import stsfix.remediation.errors
import stsfix.remediation.errors_run
import stsfix.snapshot.errors
from stsfix.plugin.errors import ConfigProblem
from stsfix.remediation.errors import LoginRefusal
from stsfix.snapshot.errors import OperationError
from stsfix.snapshot.model import HostRef, VmId

TREES = (
    stsfix.snapshot.errors,
    stsfix.remediation.errors,
    stsfix.remediation.errors_run,
    stsfix.plugin.errors,
)
VM = VmId(host=HostRef("esx1.lab.example"), moref="12", instance_uuid="u-1", name="vc1")
SAMPLES = {
    "vm": VM,
    "vms": (VM,),
    "task": "haTask-1",
    "problems": (ConfigProblem(where="sso.domain", reason="is missing"),),
    "code": 49,
    "waited_s": 60.0,
    "skew_s": 90000.0,
    "sha256": "ab" * 32,
    "refusal": LoginRefusal.EXPIRED,
    "is_changed": False,
}


def error_leaves() -> tuple[type[OperationError], ...]:
    """Return every class of the product's tree that has no subclass in the product."""
    return tuple(sorted(_walk(OperationError), key=lambda leaf: leaf.__name__))


def an_error(leaf: type[OperationError]) -> OperationError:
    """Return an instance of *leaf* built from sample values that fit its parameter names."""
    arguments: dict[str, typing.Any] = {}
    for name, parameter in list(inspect.signature(leaf.__init__).parameters.items())[1:]:
        plural = "Iterable" in str(parameter.annotation)
        default = (f"some-{name}",) if plural else f"some-{name}"
        arguments[name] = SAMPLES.get(name, default)
    return leaf(**arguments)


def _walk(parent: type[OperationError]) -> list[type[OperationError]]:
    children = [c for c in parent.__subclasses__() if c.__module__.startswith("stsfix.")]
    if not children:
        return [parent]
    return [leaf for child in children for leaf in _walk(child)]

"""What differs between the three ages of server that were measured (vmdird measured, 0-6)."""

from __future__ import annotations

from dataclasses import dataclass

SUCCESS = 0
OTHER = 1
PROTOCOL_ERROR = 2
AUTH_METHOD_NOT_SUPPORTED = 7
NO_SUCH_ATTRIBUTE = 16
UNDEFINED_TYPE = 17
CONSTRAINT = 19
VALUE_EXISTS = 20
INVALID_SYNTAX = 21
NO_SUCH_OBJECT = 32
INVALID_DN = 34
INVALID_CREDENTIALS = 49
INSUFFICIENT_ACCESS = 50
UNWILLING = 53
SCHEMA_VIOLATION = 65
NOT_LEAF = 66
ENTRY_EXISTS = 68


class LdapRefusal(Exception):  # noqa: N818 - an answer of the protocol, not an error of the lab
    """The operation has not happened; the client gets *code* and *text*."""

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


class ServerDied(BaseException):
    """The measured server process died on this request; nothing is answered any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Result codes and switches of one age."""

    unknown_bind_dn: int
    not_a_bind_dn: int
    locked_out: int
    anonymous_reads_refused: bool
    schema_violation: int
    constraint: int
    undefined_on_add: int
    descriptor_on_add_refused: bool
    empty_value_kills: bool
    value_index: bool
    tombstone_keeps_class: bool
    root_scan_allowed: bool
    cookie_is_guid: bool
    object_sid: bool
    reduced_root: bool
    replication_interval: int


_NEW = Behaviour(
    unknown_bind_dn=NO_SUCH_OBJECT,
    not_a_bind_dn=INVALID_DN,
    locked_out=INSUFFICIENT_ACCESS,
    anonymous_reads_refused=False,
    schema_violation=SCHEMA_VIOLATION,
    constraint=CONSTRAINT,
    undefined_on_add=NO_SUCH_ATTRIBUTE,
    descriptor_on_add_refused=False,
    empty_value_kills=False,
    value_index=True,
    tombstone_keeps_class=False,
    root_scan_allowed=True,
    cookie_is_guid=True,
    object_sid=False,
    reduced_root=False,
    replication_interval=1,
)
_MIDDLE = Behaviour(
    unknown_bind_dn=INVALID_CREDENTIALS,
    not_a_bind_dn=INVALID_CREDENTIALS,
    locked_out=INVALID_CREDENTIALS,
    anonymous_reads_refused=False,
    schema_violation=SCHEMA_VIOLATION,
    constraint=CONSTRAINT,
    undefined_on_add=NO_SUCH_ATTRIBUTE,
    descriptor_on_add_refused=False,
    empty_value_kills=False,
    value_index=True,
    tombstone_keeps_class=True,
    root_scan_allowed=False,
    cookie_is_guid=True,
    object_sid=False,
    reduced_root=False,
    replication_interval=1,
)
_OLD = Behaviour(
    unknown_bind_dn=INVALID_CREDENTIALS,
    not_a_bind_dn=INVALID_CREDENTIALS,
    locked_out=INVALID_CREDENTIALS,
    anonymous_reads_refused=True,
    schema_violation=OTHER,
    constraint=OTHER,
    undefined_on_add=OTHER,
    descriptor_on_add_refused=True,
    empty_value_kills=True,
    value_index=False,
    tombstone_keeps_class=True,
    root_scan_allowed=False,
    cookie_is_guid=False,
    object_sid=True,
    reduced_root=True,
    replication_interval=30,
)

AGES = {"D": _NEW, "B": _MIDDLE, "A": _OLD}
"""D: Lightwave dev a04d9171 (2022). B: v1.3.1-36 7c92b720 (2019). A: v1.0 007ba70b (2017)."""

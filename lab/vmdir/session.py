"""One connection's state, and the answer to each of its messages."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stsfix.lab.faults import Refused
from stsfix.lab.vmdir import accounts, ages, messages, operations, virtual
from stsfix.lab.vmdir.ages import LdapRefusal
from stsfix.lab.vmdir.ber import BerError
from stsfix.lab.vmdir.messages import (
    AddRequest,
    BindRequest,
    DeleteRequest,
    Message,
    ModifyRequest,
    OtherRequest,
    SearchRequest,
)
from stsfix.lab.vmdir.search import Found, search

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from stsfix.lab.faults import FaultBook
    from stsfix.lab.vmdir.ages import Behaviour
    from stsfix.lab.vmdir.store import DirectoryStore

_CALLS = {
    messages.BIND: "BIND",
    messages.SEARCH: "SEARCH",
    messages.ADD: "ADD",
    messages.MODIFY: "MODIFY",
    messages.DELETE: "DELETE",
}
_LDAP_VERSION = 3


@dataclass(slots=True, kw_only=True)
class Service:
    """What all sessions of a server share. *get_store* is asked anew for every operation."""

    node: str
    get_store: Callable[[], DirectoryStore]
    behaviour: Behaviour
    faults: FaultBook
    now: Callable[[], datetime]
    read_only: bool = False
    write_refused: Callable[[str], None] = lambda _: None


@dataclass(slots=True, kw_only=True)
class Session:
    """*user* is the DN bound, empty while anonymous. *simple_bind* False refuses simple binds."""

    service: Service
    simple_bind: bool
    user: str = ""
    _pages: dict[bytes, list[Found]] = field(default_factory=dict)

    def answer(self, message: Message) -> bytes | None:
        """Do what *message* asks and return the answer; None closes the connection.

        Raises:
            Dropped: A fault rule closes the connection; with AFTER the work is done.
            ServerDied: The whole server ends.
        """
        if message.tag == messages.UNBIND:
            return None
        if message.tag == messages.ABANDON:
            return messages.answer_to_abandon()
        response = messages.RESPONSES[message.tag]
        call = _CALLS.get(message.tag)
        if call is None:
            text = "Operation is not yet implemented."
            if message.tag == messages.MODIFY_DN:
                text = "Operation is not enabled on this server"
            return messages.result(message.id, response, ages.UNWILLING, text)
        try:
            with self.service.faults.around("ldap", call, self.service.node):
                return self._perform(message, response)
        except Refused as refused:
            detail = refused.rule.detail
            code = int(detail) if detail.isdigit() else ages.UNWILLING
            return messages.result(message.id, response, code, "refused by a fault rule of the lab")

    def carry_out(self, request: BindRequest | AddRequest | ModifyRequest | DeleteRequest) -> None:
        """Do one operation for a client on the node itself, which sends no messages.

        Raises:
            LdapRefusal: It had no effect.
            Refused, Dropped: By a fault rule.
        """
        calls = {BindRequest: "BIND", AddRequest: "ADD", ModifyRequest: "MODIFY"}
        call = calls.get(type(request), "DELETE")
        with self.service.faults.around("ldap", call, self.service.node):
            store = self.service.get_store()
            with store.lock:
                if isinstance(request, BindRequest):
                    self._bind(store, request)
                else:
                    self._write(store, request)

    def _perform(self, message: Message, response: int) -> bytes:
        store = self.service.get_store()
        try:
            with store.lock:
                match message.request:
                    case BindRequest() as request:
                        self._bind(store, request)
                    case SearchRequest() as request:
                        return self._search(store, request, message)
                    case AddRequest() | ModifyRequest() | DeleteRequest() as request:
                        self._write(store, request)
                    case OtherRequest():
                        return messages.result(message.id, response, ages.UNWILLING)
        except LdapRefusal as refusal:
            return messages.result(message.id, response, refusal.code, refusal.text)
        return messages.result(message.id, response, ages.SUCCESS)

    def _bind(self, store: DirectoryStore, request: BindRequest) -> None:
        # A failed bind leaves the session anonymous (measured, 2).
        self.user = ""
        if request.version != _LDAP_VERSION:
            raise LdapRefusal(ages.PROTOCOL_ERROR)
        if request.password is None:
            # GSSAPI and SRP were not measured; the lab offers neither.
            raise LdapRefusal(ages.AUTH_METHOD_NOT_SUPPORTED, "SASL is not modelled in the lab")
        if not request.dn and not request.password:
            return
        if request.password and not self.simple_bind:
            raise LdapRefusal(ages.UNWILLING, "Simple bind not allowed")
        age = self.service.behaviour
        self.user = accounts.bind(store, request.dn, request.password, age)

    def _write(
        self, store: DirectoryStore, request: AddRequest | ModifyRequest | DeleteRequest
    ) -> None:
        if not self.user or not accounts.is_administrator(store, self.user):
            raise LdapRefusal(ages.INSUFFICIENT_ACCESS)
        if self.service.read_only:
            self.service.write_refused(type(request).__name__.removesuffix("Request"))
            raise LdapRefusal(ages.UNWILLING, "Server in read-only mode")
        age, now = self.service.behaviour, self.service.now()
        match request:
            case AddRequest():
                operations.add(store, request, age, writer=self.user, now=now)
            case ModifyRequest():
                operations.modify(store, request, age, writer=self.user, now=now)
            case DeleteRequest():
                operations.delete(store, request.dn, age, now=now)

    def _search(self, store: DirectoryStore, request: SearchRequest, message: Message) -> bytes:
        controls = {control.oid: control for control in message.controls}
        try:
            paged = controls.get(virtual.PAGED)
            size, cookie = messages.paged_request(paged) if paged else (0, b"")
        except BerError as error:
            raise LdapRefusal(ages.PROTOCOL_ERROR, str(error)) from error
        left = self._pages.pop(cookie, None) if cookie else None
        if left is None:
            deleted = virtual.SHOW_DELETED in controls
            age = self.service.behaviour
            left = search(store, request, age, user=self.user, show_deleted=deleted)
        answer_controls: list[bytes] = []
        if paged and size > 0:
            left, rest = left[:size], left[size:]
            answer_controls.append(messages.paged_control(virtual.PAGED, self._keep(rest)))
        parts = [messages.entry(message.id, f.dn, f.attributes) for f in left]
        done = messages.result(
            message.id, messages.SEARCH_DONE, ages.SUCCESS, controls=answer_controls
        )
        return b"".join((*parts, done))

    def _keep(self, rest: list[Found]) -> bytes:
        """Keep *rest* for the next page and return its cookie; empty when there is none."""
        if not rest:
            return b""
        cookie = str(uuid.uuid4()) if self.service.behaviour.cookie_is_guid else str(id(rest))
        self._pages[cookie.encode()] = rest
        return cookie.encode()

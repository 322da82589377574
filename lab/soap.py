"""A SOAP service that speaks vSphere's wire format with pyVmomi's own types.

How other parts of the lab use it::

    service = SoapService("vc1.lab.example", faults=faults, api_version="8.0.3.0")
    service.add(my_servant)                  # a stsfix.lab.servant.Servant; by its reference
    reply = service.answer(request)          # stsfix.lab.https.Request -> Reply

`SoapService.answer` takes a parsed HTTP request (``POST /sdk``, ``GET
/sdk/vimServiceVersions.xml``, anything else is 404), so that any HTTPS front can route
``/sdk*`` to it; `stsfix.lab.https.HttpsServer` is a ready front::

    server = HttpsServer("vc1", port=20443, tls=key_pair, answer=service.answer)

A front that owns more paths calls ``service.answer`` only for its ``/sdk`` ones. It must let
`stsfix.lab.faults.Dropped` pass: the connection then closes without an answer.

A method of a servant gets one `Call`:

- ``call.args``: the arguments by their wire names, pyVmomi objects (``call.args["userName"]``);
- ``call.session``: who calls. Log in with ``call.session.log_in(user_session)`` where the
  argument is a ``vim.UserSession``; ``call.session.user`` is None before that;
  ``call.service.log_out(call.session)`` ends it with everything it made;
- ``call.envelope``: the request's bytes as they came. A SAML token is in its
  ``Header/Security``: a ``LoginByToken`` handler reads the ``Assertion`` element there, with
  an XML library of its own choice (the service does not touch signatures);
- ``call.service``: the service, to add objects or to find servants.

It returns the result as pyVmomi values (references are pyVmomi objects without stub), or
raises a pyVmomi fault, which the client gets as that typed fault with HTTP 500.

Every call runs inside ``faults.around("soap", <WSDL name>, <target>)``: the target is the
servant's ``target``, or that of the object in the argument ``vm``, or the service's name.
A refusal is answered with the vim fault named in ``rule.detail`` (HostConnectFault if empty).

Source: what is on the wire was learned from pyVmomi 9.1.1.0 (SoapAdapter.py) and checked
with govc; see docs/adr/0001-lab-esxi-on-pyvmomi-wire-types.md.
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stsfix.lab.faults import Dropped, FaultBook, Refused
from stsfix.lab.https import Reply, Request
from stsfix.lab.servant import Servant, fill
from stsfix.lab.soap_wire import (
    InvalidSoapError,
    SoapRequest,
    fault_envelope,
    read_request,
    result_envelope,
    versions_document,
)
from stsfix.lab.vmomi import VmomiSupport, vim, vmodl

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.lab.servant import Operation

logger = logging.getLogger(__name__)

_COOKIE = re.compile(r'vmware_soap_session="?([0-9a-f]+)')
_XML = "text/xml; charset=utf-8"


@dataclass(kw_only=True, eq=False)
class Session:
    """One client's session, known by its cookie. *objects* are servants only it can see
    (views, property collectors); *state* belongs to servants all sessions share.
    """

    key: str
    user: Any = None
    objects: dict[str, Servant] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)

    def log_in(self, user: Any) -> None:
        """Make this session *user*'s (a ``vim.UserSession``)."""
        self.user = user

    def add(self, servant: Servant) -> Any:
        """Let this session alone see *servant*; return its reference."""
        self.objects[servant.key] = servant
        return servant.ref

    def forget(self, servant: Servant) -> None:
        """Destroy *servant*; nothing happens if it is gone."""
        self.objects.pop(servant.key, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a method, as its servant sees it."""

    service: SoapService
    session: Session
    name: str
    args: dict[str, Any]
    version: str
    envelope: bytes


class SoapService:
    """Managed objects behind ``/sdk``.

    Args:
        name: Target of fault rules for calls that concern no VM: the host or node name.
        faults: Every call runs inside it.
        api_version: Newest API version offered, such as "8.0.3.0".
        permit: Called with (call, servant, operation) before a method runs; raises a fault to
            forbid it (licence, privileges).
        resolve: Finds the servant of a managed object id that was not added, or None.
    """

    def __init__(
        self,
        name: str,
        *,
        faults: FaultBook | None = None,
        api_version: str = "8.0.3.0",
        permit: Callable[[Call, Servant, Operation], None] | None = None,
        resolve: Callable[[str], Servant | None] | None = None,
    ) -> None:
        self.name = name
        self.closing = threading.Event()
        self._faults = faults or FaultBook()
        self._version: str = VmomiSupport.versionMap[f"vim25/{api_version}"]
        self._versions = versions_document(api_version)
        self._permit = permit
        self._resolve = resolve
        self._lock = threading.Lock()
        self._servants: dict[str, Servant] = {}
        self._sessions: dict[str, Session] = {}
        self._serial = 0

    # -- objects and sessions -----------------------------------------------------------

    def add(self, servant: Servant) -> Any:
        """Let every session see *servant*; return its reference."""
        self._servants[servant.key] = servant
        return servant.ref

    def remove(self, key: str) -> None:
        """Forget the servant with that managed object id; later calls say it is gone."""
        self._servants.pop(key, None)

    def find(self, ref: Any, session: Session) -> Servant:
        """Return the servant of *ref*.

        Raises:
            vmodl.fault.ManagedObjectNotFound: There is none.
        """
        key = ref._moId  # noqa: SLF001 - documented as public by pyVmomi
        servant = session.objects.get(key) or self._servants.get(key)
        if servant is None and self._resolve is not None:
            servant = self._resolve(key)
        if servant is None:
            raise vmodl.fault.ManagedObjectNotFound(obj=ref)
        return servant

    def new_key(self, prefix: str) -> str:
        """Return a managed object id that was never used by this service."""
        with self._lock:
            self._serial += 1
            return f"{prefix}-{self._serial}"

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Sessions that are logged in."""
        return tuple(s for s in self._sessions.values() if s.user is not None)

    def log_out(self, session: Session) -> None:
        """End *session*: its next call is not authenticated, its own objects are gone."""
        with self._lock:
            self._sessions.pop(session.key, None)
        session.user = None
        session.objects.clear()
        session.state.clear()

    def expire_sessions(self) -> None:
        """End every session, as an idle time-out or a restarted service does."""
        for session in list(self._sessions.values()):
            self.log_out(session)

    # -- requests -----------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        """Answer one HTTP request.

        Raises:
            Dropped: The connection must be closed without an answer.
        """
        path = request.path.partition("?")[0]
        if request.method == "GET" and path == "/sdk/vimServiceVersions.xml":
            return Reply(body=self._versions, content_type=_XML)
        if request.method == "POST" and path in {"/sdk", "/sdk/", "/sdk/vimService"}:
            return self._answer_soap(request)
        return Reply(status=404, body=b"not found")

    def _answer_soap(self, request: Request) -> Reply:
        session, headers = self._session(request.headers.get("cookie", ""))
        wanted = request.headers.get("soapaction", "").strip('"').removeprefix("urn:")
        version = VmomiSupport.versionMap.get(wanted, self._version)
        try:
            soap = read_request(request.body)
            body = result_envelope(soap, self._invoke(soap, session, version, request), version)
            status = 200
        except vmodl.MethodFault as fault:
            body, status = fault_envelope(fault, version), 500
        except InvalidSoapError as error:
            invalid = fill(vmodl.fault.InvalidRequest, msg=str(error))
            body, status = fault_envelope(invalid, version), 500
        except Dropped:
            raise
        except Exception as error:  # a bug of the lab must reach the client as a fault, and the log
            logger.exception("%s: the lab failed to answer", self.name)
            broken = fill(vmodl.fault.SystemError, reason=repr(error))
            body, status = fault_envelope(broken, version), 500
        return Reply(status=status, body=body, content_type=_XML, headers=headers)

    def _session(self, cookie: str) -> tuple[Session, tuple[tuple[str, str], ...]]:
        """Return the caller's session; a new one comes with its Set-Cookie header."""
        match = _COOKIE.search(cookie)
        with self._lock:
            known = self._sessions.get(match.group(1)) if match else None
            if known is not None:
                return known, ()
            made = Session(key=secrets.token_hex(20))
            self._sessions[made.key] = made
        value = f'vmware_soap_session="{made.key}"; Path=/; HttpOnly; Secure'
        return made, (("Set-Cookie", value),)

    def _invoke(self, soap: SoapRequest, session: Session, version: str, request: Request) -> Any:
        servant = self.find(soap.this, session)
        call = Call(
            service=self,
            session=session,
            name=soap.name,
            args=soap.args,
            version=version,
            envelope=request.body,
        )
        try:
            with self._faults.around("soap", soap.name, self._target(servant, call)):
                return self._run(servant, call)
        except Refused as refused:
            raise named_fault(refused.rule.detail or "HostConnectFault") from None

    def _target(self, servant: Servant, call: Call) -> str:
        vm = call.args.get("vm")
        if isinstance(vm, VmomiSupport.ManagedObject):
            servant = self.find(vm, call.session)
        return servant.target or self.name

    def _run(self, servant: Servant, call: Call) -> Any:
        if call.name == "Fetch":
            path = call.args["prop"]
            if path not in servant.anonymous_properties:
                require_login(servant, call.session)
            return servant.read(path, call.session)
        operation = servant.operations.get(call.name)
        if operation is None:
            raise vmodl.fault.MethodNotFound(receiver=servant.ref, method=call.name)
        if not operation.anonymous:
            require_login(servant, call.session)
        if self._permit is not None:
            self._permit(call, servant, operation)
        return getattr(servant, operation.attribute)(call)


def require_login(servant: Servant, session: Session) -> None:
    """Raise NotAuthenticated unless *session* is logged in."""
    if session.user is None:
        raise vim.fault.NotAuthenticated(object=servant.ref, privilegeId="System.View")


def named_fault(name: str, **fields: Any) -> Any:
    """Return the fault with that name (``NoDiskSpace``, ``NotSupported``), its required
    fields filled.

    Raises:
        ValueError: vSphere has no such fault.
    """
    for space in (vim.fault, vmodl.fault, vmodl):
        found = getattr(space, name, None)
        if isinstance(found, type) and issubclass(found, vmodl.MethodFault):
            return fill(found, **fields)
    raise ValueError(f"vSphere has no fault {name!r}")

"""The vAPI endpoint of one node: sessions over JSON-RPC (``POST /api``) and both REST forms.

Written by hand from what vmware-vapi-runtime 9.1.1.0 sends and reads (jsonrpc.py), so that the
SDK on the client's side judges it. Source: libraries.md 1.
"""

from __future__ import annotations

import base64
import json
import logging
import secrets
import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from stsfix.lab.faults import FaultBook, Refused
from stsfix.lab.https import Reply, Request
from stsfix.lab.sso.logins import LoginRefusedError, Logins

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

    from stsfix.lab.clock import LabClock
    from stsfix.lab.sso.logins import TokenAuthority

logger = logging.getLogger(__name__)

_SESSION_SERVICE = "com.vmware.cis.session"
_BY_PASSWORD = "com.vmware.vapi.std.security.user_pass"  # noqa: S105 - the name of a scheme
_BY_TOKEN = "com.vmware.vapi.std.security.saml_bearer_token"  # noqa: S105 - as above
_BY_SESSION = "com.vmware.vapi.std.security.session_id"
_ERRORS = "com.vmware.vapi.std.errors."
_HEADER = "vmware-api-session-id"


class _VapiError(Exception):
    """An error of the vAPI; *name* is its last part (``unauthenticated``)."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


@dataclass(kw_only=True)
class _Session:
    user: str
    created: datetime
    accessed: datetime


class VapiService:
    """vapi-endpoint. Faults: ``vapi``, ``create|get|delete``, *node*; a refusal is the error
    ServiceUnavailable.

    Args:
        node: FQDN.
        sts: The STS of the node's domain controller.
        clock: The lab's time.
        clock_offset: How far the node's clock is ahead.
        faults: Every operation runs inside it.
        trust_at_start: See `Logins`.
    """

    def __init__(
        self,
        node: str,
        sts: TokenAuthority,
        *,
        clock: LabClock,
        clock_offset: Callable[[], timedelta],
        faults: FaultBook,
        trust_at_start: bool = True,
    ) -> None:
        self.node = node
        self._clock = clock
        self._clock_offset = clock_offset
        self._faults = faults
        self._logins = Logins(authority=sts, now=self.now, trust_at_start=trust_at_start)
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}
        self._running = False

    @property
    def running(self) -> bool:
        """True between `start` and `stop`."""
        return self._running

    @property
    def sessions(self) -> tuple[str, ...]:
        """The users of the open sessions."""
        return tuple(session.user for session in self._sessions.values())

    def has_session(self, request: Request) -> bool:
        """Tell whether *request* comes with an open session's key."""
        with self._lock:
            return request.headers.get(_HEADER, "") in self._sessions

    def now(self) -> datetime:
        """Return the time of the node, aware UTC."""
        return self._clock.now() + self._clock_offset()

    def start(self) -> None:
        """Serve with the trusted chains of this moment."""
        if not self._running:
            self._logins.start()
            self._running = True

    def stop(self) -> None:
        """Serve no more; every session is gone."""
        self._running = False
        self._sessions.clear()

    def handle(self, request: Request) -> Reply:
        """Answer ``POST /api`` (JSON-RPC), and POST, GET and DELETE of ``/api/session`` (since
        7.0 U2 [K]) and of ``/rest/com/vmware/cis/session`` (6.5 to 8.0).

        Raises:
            Dropped: A fault rule closes the connection.
        """
        path = request.path.partition("?")[0].rstrip("/")
        if path == "/api" and request.method == "POST":
            return self._json_rpc(request)
        if path == "/api/session":
            return self._rest(request)
        if path == "/rest/com/vmware/cis/session":
            return self._legacy(self._rest(request))
        return Reply(status=404, content_type="application/json", body=b"{}")

    def _json_rpc(self, request: Request) -> Reply:
        try:
            asked = json.loads(request.body)
            service = str(asked["params"]["serviceId"])
            operation = str(asked["params"]["operationId"])
            context = dict(asked["params"].get("ctx", {}).get("securityCtx") or {})
        except (ValueError, KeyError, TypeError, AttributeError):
            failed = {"code": -32600, "message": "Invalid Request."}
            return _json({"jsonrpc": "2.0", "id": None, "error": failed})
        headers: tuple[tuple[str, str], ...] = ()
        result: dict[str, Any]
        try:
            result = {"output": self._invoke(service, operation, context)}
        except _VapiError as error:
            result = {"error": _error(error)}
            headers = (("vapi-error", _ERRORS + error.name),)
        answer = {"jsonrpc": "2.0", "id": asked.get("id"), "result": result}
        return _json(answer, headers=headers)

    def _invoke(self, service: str, operation: str, context: Mapping[str, Any]) -> Any:
        if service != _SESSION_SERVICE or operation not in {"create", "get", "delete"}:
            raise _VapiError("operation_not_found", f"{service}.{operation}")
        try:
            with self._faults.around("vapi", operation, self.node):
                if operation == "create":
                    return {"SECRET": self._create(context)}
                key, session = self._find(context)
                if operation == "delete":
                    self._delete(key)
                    return None
                return _session_info(session)
        except Refused as refused:
            raise _VapiError("service_unavailable", str(refused)) from refused

    def _create(self, context: Mapping[str, Any]) -> str:
        try:
            subject = self._authenticated(context)
        except (LoginRefusedError, KeyError) as error:
            logger.info("%s: session refused: %s", self.node, error)
            raise _unauthenticated() from error
        moment = self.now()
        key = secrets.token_hex(16)
        with self._lock:
            self._sessions[key] = _Session(user=subject, created=moment, accessed=moment)
        return key

    def _authenticated(self, context: Mapping[str, Any]) -> str:
        scheme = context.get("schemeId")
        if scheme == _BY_PASSWORD:
            return self._logins.by_password(str(context["userName"]), str(context["password"]))
        if scheme == _BY_TOKEN:
            return self._logins.by_token(str(context["samlToken"]))
        raise LoginRefusedError(f"no login with {scheme}")

    def _find(self, context: Mapping[str, Any]) -> tuple[str, _Session]:
        key = str(context.get("sessionId", ""))
        with self._lock:
            session = self._sessions.get(key)
        if context.get("schemeId") != _BY_SESSION or session is None:
            raise _unauthenticated()
        session.accessed = self.now()
        return key, session

    def _delete(self, key: str) -> None:
        with self._lock:
            self._sessions.pop(key, None)

    def _rest(self, request: Request) -> Reply:
        operations = {"POST": "create", "GET": "get", "DELETE": "delete"}
        operation = operations.get(request.method)
        if operation is None:
            return Reply(status=405)
        context = _basic(request) if operation == "create" else _by_header(request)
        try:
            output = self._invoke(_SESSION_SERVICE, operation, context)
        except _VapiError as error:
            status = 401 if error.name == "unauthenticated" else 503
            return _json({"error_type": error.name.upper(), "messages": []}, status=status)
        if operation == "create":
            return _json(output["SECRET"], status=201)
        if operation == "delete":
            return Reply(status=204, content_type="application/json")
        return _json(next(iter(output["STRUCTURE"].values())))

    @staticmethod
    def _legacy(reply: Reply) -> Reply:
        """Wrap an answer as ``/rest`` does: a value in an object, and always 200."""
        if reply.status >= HTTPStatus.BAD_REQUEST:
            kind = "unauthenticated" if reply.status == HTTPStatus.UNAUTHORIZED else "error"
            return _json({"type": _ERRORS + kind, "value": {"messages": []}}, status=reply.status)
        return _json({"value": json.loads(reply.body)} if reply.body else {})


def _basic(request: Request) -> dict[str, str]:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return {}
    return {"schemeId": _BY_PASSWORD, "userName": user, "password": password}


def _by_header(request: Request) -> dict[str, str]:
    return {"schemeId": _BY_SESSION, "sessionId": request.headers.get(_HEADER, "")}


def _unauthenticated() -> _VapiError:
    return _VapiError("unauthenticated", "Authentication required.")


def _session_info(session: _Session) -> dict[str, Any]:
    fields = {
        "user": session.user,
        "created_time": _date_time(session.created),
        "last_accessed_time": _date_time(session.accessed),
    }
    return {"STRUCTURE": {_SESSION_SERVICE + ".info": fields}}


def _date_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _error(error: _VapiError) -> dict[str, Any]:
    message = {
        "id": f"lab.{error.name}",
        "default_message": str(error),
        "args": [],
        "params": {"OPTIONAL": None},
        "localized": {"OPTIONAL": None},
    }
    fields: dict[str, Any] = {
        "messages": [{"STRUCTURE": {"com.vmware.vapi.std.localizable_message": message}}],
        "data": {"OPTIONAL": None},
        "error_type": {"OPTIONAL": error.name.upper()},
    }
    if error.name == "unauthenticated":
        fields["challenge"] = {"OPTIONAL": None}
    return {"ERROR": {_ERRORS + error.name: fields}}


def _json(value: Any, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    body = json.dumps(value).encode()
    return Reply(status=status, content_type="application/json", body=body, headers=headers)

"""Logins to vCenter: SOAP ``/sdk`` by pyVmomi, vAPI ``/api`` by the vSphere Automation SDK.

SmartConnect is not used: its version probe has no timeout and it stops verifying after the
first connection (measured, pyVmomi 9.1.1.0). Session cookies and tokens never leave here.
"""

from __future__ import annotations

import http.client
import ssl
import xml.parsers.expat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stsfix.remediation.errors import NodeUnreachableError, ProofError
from stsfix.remediation.web import https
from stsfix.snapshot.answers import OverdueError, OversizedError
from stsfix.snapshot.broken import in_words
from stsfix.snapshot.errors import AnswerTooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import requests

    from stsfix.snapshot.secret import Secret
    from stsfix.snapshot.tls import Endpoint, PeerContext

_SOAP_VERSION = "vim.version.version11"
"""vSphere API 6.5: the oldest release supported here; newer vCenters serve older clients."""

_UNAVAILABLE = "503"

_ODD_ANSWER = (ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""What the SDK's decoder lets through for JSON of another shape (jsonrpc.py, stub.py, 9.1.1.0)."""


def soap_login(
    endpoint: Endpoint,
    *,
    token: Secret[bytes] | None = None,
    user: str = "",
    password: Secret[str] | None = None,
) -> None:
    """Log in to vCenter's ``/sdk`` with *token* or else *user* and *password*, and out again.

    The token travels in the WS-Security header of LoginByToken alone.

    Raises:
        ProofError: vCenter refused; InvalidLogin by itself does not mean a wrong password.
        NodeUnreachableError: No connection, or vpxd is not up.
        NodeTlsError: The certificate is not the one wanted; nothing was sent.
        AnswerTooLargeError: It answers more than anybody has to read.
    """
    way = "login" if token is None else "login-by-token"
    from pyVmomi import vim

    from stsfix.snapshot.soap_stub import BoundedStub

    stub: Any = BoundedStub(  # type: ignore[no-untyped-call]  # pyVmomi
        host=endpoint.address,
        port=endpoint.port,
        path="/sdk",
        version=_SOAP_VERSION,
        sslContext=https.context_for(endpoint),
        httpConnectionTimeout=endpoint.connect_timeout_s,
    )
    with _soap_translated(endpoint, way):
        try:
            content: Any = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent()
            manager = getattr(content, "sessionManager", None)
            if manager is None:
                raise ProofError(endpoint.name, way, "vCenter shows no SessionManager")
            if token is None:
                opened = manager.Login(user, password.reveal() if password else "", None)
            else:
                stub.samlToken = token.reveal().decode()
                try:
                    opened = manager.LoginByToken(None)
                finally:
                    stub.samlToken = None
            if not opened.key:
                raise ProofError(endpoint.name, way, "vCenter answered without a session")
            manager.Logout()
        finally:
            stub.DropConnections()


@contextmanager
def _soap_translated(endpoint: Endpoint, way: str) -> Generator[None]:
    from pyVmomi import vmodl

    from stsfix.snapshot.soap_stub import ReplyRefusedError

    name = endpoint.name
    try:
        yield
    except vmodl.MethodFault as fault:
        kind = type(fault).__name__.rpartition(".")[2]
        text = " ".join(str(getattr(fault, "msg", None) or "").split())
        raise ProofError(name, way, f"{kind}: {text}" if text else kind) from fault
    except ssl.SSLCertVerificationError as error:
        raise https.tls_error(endpoint, error) from error
    except OversizedError as error:
        raise AnswerTooLargeError(name, str(error)) from error
    except (xml.parsers.expat.ExpatError, UnicodeDecodeError) as error:
        told = f" ({error})" if isinstance(error, ReplyRefusedError) else ""
        raise ProofError(name, way, f"vCenter answered no SOAP{told}") from error
    except http.client.HTTPException as error:
        raise _http_error(name, way, str(error)) from error
    except OSError as error:
        raise NodeUnreachableError(name, in_words(error)) from error


def _http_error(node: str, way: str, text: str) -> NodeUnreachableError | ProofError:
    """Tell a status that pyVmomi reports as ``404 Not Found`` from a broken connection."""
    if text[:3].isdigit() and not text.startswith(_UNAVAILABLE):
        return ProofError(node, way, f"HTTP {text}")
    return NodeUnreachableError(node, text or "the connection broke")


def open_vapi_session(endpoint: Endpoint, *, user: str, password: Secret[str]) -> None:
    """Create a vAPI session on vCenter's ``/api`` and delete it.

    JSON-RPC is the SDK's format on 6.5 and later alike.

    Raises:
        ProofError: Refused, or no vAPI answer.
        NodeUnreachableError: No connection, or the endpoint is not up.
        NodeTlsError: The certificate is not the one wanted; nothing was sent.
        AnswerTooLargeError: It answers more than anybody has to read.
    """
    from com.vmware.cis_client import Session
    from vmware.vapi.lib.log import get_client_wire_logger
    from vmware.vapi.security.session import create_session_security_context
    from vmware.vapi.security.user_password import (
        create_user_password_security_context,
    )

    # It logs whole requests, password included, when the root logger's level is DEBUG (measured,
    # vapi-runtime 9.1.1.0; its documentation says otherwise). Off for the process, for good.
    get_client_wire_logger().disabled = True
    with vapi_session(endpoint) as session, _vapi_translated(endpoint):
        connect = _connector(endpoint, session)
        login = create_user_password_security_context(user, password.reveal())
        session_id = Session(connect(login)).create()
        if not session_id:
            raise ProofError(endpoint.name, "vapi-session", "vCenter answered without a session")
        Session(connect(create_session_security_context(session_id))).delete()


def _connector(endpoint: Endpoint, session: requests.Session) -> Callable[[Any], Any]:
    from vmware.vapi.lib.connect import get_requests_connector
    from vmware.vapi.security.client.security_context_filter import (
        LegacySecurityContextFilter,
    )
    from vmware.vapi.stdlib.client.factories import (
        StubConfigurationFactory,
    )

    def connect(security: Any) -> Any:
        connector = get_requests_connector(
            session=session,
            url=f"{_origin(endpoint)}/api",
            timeout=(endpoint.connect_timeout_s, endpoint.read_timeout_s),
            # Any other value makes the SDK mount adapters of its own over ours, and with them
            # its own idea of whom to trust (RequestsRpcProvider, vapi-runtime 9.1.1.0).
            pool_size=0,
            provider_filter_chain=[LegacySecurityContextFilter(security_context=security)],
        )
        return StubConfigurationFactory.new_std_configuration(connector)

    return connect


def _origin(endpoint: Endpoint) -> str:
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return f"https://{host}:{endpoint.port}"


@contextmanager
def vapi_session(endpoint: Endpoint) -> Generator[requests.Session]:
    """Yield a requests session that reaches *endpoint* alone, by our own context alone.

    No environment (REQUESTS_CA_BUNDLE would override verification), no redirects, no plain
    HTTP: there is no adapter for any other place.
    """
    import requests

    with requests.Session() as session:
        session.trust_env = False
        session.max_redirects = 0
        session.headers["Accept-Encoding"] = "identity"
        session.adapters.clear()
        session.mount(_origin(endpoint) + "/", _adapter(https.context_for(endpoint)))
        yield session


def _adapter(context: PeerContext) -> Any:
    from requests.adapters import HTTPAdapter
    from requests.exceptions import ContentDecodingError
    from urllib3 import HTTPSConnectionPool
    from urllib3.connection import HTTPSConnection

    class Connection(HTTPSConnection):
        """Says that it was verified: our context did it, and urllib3 sees only a CERT_NONE."""

        def connect(self) -> None:
            super().connect()
            self.is_verified = True

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    class Adapter(HTTPAdapter):
        """Hands our context to urllib3 and lets requests change nothing about it."""

        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, ssl_context=context, **kwargs)
            self.poolmanager.pool_classes_by_scheme = {"https": Pool}

        def get_connection_with_tls_context(self, request: Any, *_: Any, **__: Any) -> Any:
            # requests would pass cert_reqs along, and urllib3 sets that on our context.
            return self.poolmanager.connection_from_url(request.url)

        def cert_verify(self, *args: Any, **kwargs: Any) -> None:
            pass

        def build_response(self, req: Any, resp: Any) -> Any:
            # requests would unpack 32 MiB of gzip to 32 GiB.
            if resp.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise ContentDecodingError("the answer is packed, which nobody asked for")
            return super().build_response(req, resp)

    return Adapter(max_retries=0)


@contextmanager
def _vapi_translated(endpoint: Endpoint) -> Generator[None]:
    import requests
    from com.vmware.vapi.std.errors_client import (
        Error,
        ServiceUnavailable,
    )
    from vmware.vapi.bindings.error import VapiError
    from vmware.vapi.data.serializers.jsonrpc import JsonRpcError
    from vmware.vapi.exception import CoreException

    name = endpoint.name
    way = "vapi-session"
    try:
        yield
    except ServiceUnavailable as error:
        raise NodeUnreachableError(name, "vAPI says ServiceUnavailable") from error
    except (Error, VapiError) as error:
        raise ProofError(name, way, type(error).__name__) from error
    except requests.HTTPError as error:
        answer = error.response
        status = str(answer.status_code) if answer is not None else ""
        raise _http_error(name, way, status) from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _connection_error(endpoint, error) from error
    except (
        requests.RequestException,
        JsonRpcError,
        CoreException,
        *_ODD_ANSWER,
    ) as error:
        if any(isinstance(cause, (OversizedError, OverdueError)) for cause in _causes(error)):
            raise _connection_error(endpoint, error) from error
        raise ProofError(name, way, f"no vAPI answer ({type(error).__name__})") from error


def _connection_error(endpoint: Endpoint, error: BaseException) -> Exception:
    """Find the reason below what requests and urllib3 wrapped around it."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return https.tls_error(endpoint, cause)
        if isinstance(cause, OversizedError):
            return AnswerTooLargeError(endpoint.name, str(cause))
        if isinstance(cause, OverdueError):
            return NodeUnreachableError(endpoint.name, str(cause))
    return NodeUnreachableError(endpoint.name, type(error).__name__)


def _causes(error: BaseException) -> Generator[BaseException]:
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop()
        if isinstance(found, BaseException) and not any(found is known for known in seen):
            seen.append(found)
            yield found
            reason = getattr(found, "reason", None)
            waiting += [found.__cause__, found.__context__, reason, *found.args]

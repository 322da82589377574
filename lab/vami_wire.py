"""JSON of an appliance's management interface: values and errors as vAPI's REST writes them.

Source: ``{"value": ...}`` and ``{"type": ..., "value": {"messages": [...]}}`` are in public issues
(centreon-plugins #5551 and others); statuses of the standard errors in VMware's generated bindings
(com.vmware.vapi.std.errors); texts of failed logins in vmware-vapi-runtime's
``security/authentication_filter.py``, whose server side is what applmgmt is made with [INFERRED].
"""

from __future__ import annotations

import json
from typing import Any

from stsfix.lab.https import Reply

STATUSES = {
    "error": 500,
    "internal_server_error": 500,
    "invalid_argument": 400,
    "not_allowed_in_current_state": 400,
    "not_found": 404,
    "service_unavailable": 503,
    "timed_out": 504,
    "unauthenticated": 401,
    "unauthorized": 403,
}
"""HTTP status by the last part of a standard error's name."""

_JSON = "application/json"
EMPTY = Reply(status=200, content_type=_JSON)
GATEWAY_DOWN = Reply(
    status=503,
    content_type="text/html",
    body=b"<html><head><title>503 Service Not Available</title></head>"
    b"<body><h1>503 Service Not Available</h1></body></html>",
)
"""What the web server in front says while applmgmt does not run [K: lighttpd's own page]."""

NO_SUCH_PATH = Reply(
    status=404,
    content_type=_JSON,
    body=json.dumps(
        {
            "name": "com.vmware.vapi.rest.httpNotFound",
            "localizableMessages": [
                {"defaultMessage": "Not found.", "id": "com.vmware.vapi.rest.httpNotFound"}
            ],
            "majorErrorCode": 404,
        }
    ).encode(),
)


class ApiError(Exception):
    """A call ends with standard error *name* (a key of `STATUSES`), message id and text."""

    def __init__(self, name: str, message_id: str, text: str) -> None:
        super().__init__(text)
        self.name = name
        self.message_id = message_id
        self.text = text

    @property
    def reply(self) -> Reply:
        """The answer."""
        message = {"args": [], "default_message": self.text, "id": self.message_id}
        body = {
            "type": f"com.vmware.vapi.std.errors.{self.name}",
            "value": {"messages": [message]},
        }
        challenge = (("WWW-Authenticate", 'Basic realm="VAPI endpoint"'),)
        return Reply(
            status=STATUSES[self.name],
            content_type=_JSON,
            body=json.dumps(body).encode(),
            headers=challenge if self.name == "unauthenticated" else (),
        )


def value(content: Any, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Return the answer of a call that returns *content*."""
    body = json.dumps({"value": content}).encode()
    return Reply(status=200, content_type=_JSON, body=body, headers=headers)


def keyed(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a map as /rest writes it: a list of keys and values."""
    return [{"key": key, "value": found} for key, found in sorted(content.items())]


def argument(body: bytes, *names: str) -> Any:
    """Return what the JSON object *body* holds under *names*, one inside the other.

    Raises:
        ApiError: It is no such object.
    """
    try:
        found = json.loads(body)
        for name in names:
            found = found[name]
    except (ValueError, KeyError, TypeError) as error:
        text = f"Invalid JSON input message, {names[-1]} expected"
        raise ApiError("invalid_argument", "vapi.bindings.typeconverter.invalid", text) from error
    return found

"""The content library of one node, as far as it asks who somebody is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.lab.https import Reply, Request

if TYPE_CHECKING:
    from stsfix.lab.service_logs import ServiceLogs
    from stsfix.lab.sso.vapi import VapiService

PREFIXES = ("/rest/com/vmware/content", "/api/content")
"""Where a front must route to `LibraryService`."""

_JSON = "application/json"
_LIBRARIES = frozenset({"/rest/com/vmware/content/library", "/api/content/library"})


class LibraryService:
    """content-library behind *vapi*: it serves who has a session there. It has no libraries."""

    def __init__(self, vapi: VapiService, logs: ServiceLogs) -> None:
        self._vapi = vapi
        self._logs = logs

    @property
    def running(self) -> bool:
        """True while the vAPI endpoint runs."""
        return self._vapi.running

    def handle(self, request: Request) -> Reply:
        """Answer a GET of the list of libraries."""
        if not self._vapi.has_session(request):
            self._logs.session_refused()
            return Reply(status=401, content_type=_JSON, body=b'{"error_type":"UNAUTHENTICATED"}')
        if request.path.partition("?")[0] not in _LIBRARIES:
            return Reply(status=404, content_type=_JSON, body=b"{}")
        listed = b"[]" if request.path.startswith("/api") else b'{"value":[]}'
        return Reply(content_type=_JSON, body=listed)

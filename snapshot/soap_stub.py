"""pyVmomi's transport with a limit to what a peer may answer.

pyVmomi's own unpacks gzip and deflate whether or not it asked for them, takes declared entities,
and reads until the peer has no more (SoapAdapter.py, 9.1.1.0).
"""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final, NoReturn
from xml.parsers.expat import ExpatError, ParserCreate

from pyVmomi import vmodl
from pyVmomi.SoapAdapter import SoapResponseDeserializer, SoapStubAdapter

from stsfix.snapshot.answers import MIB, OversizedError, bytes_over
from stsfix.snapshot.soap_schema import SchemaError, TolerantDeserializer, require_result
from stsfix.snapshot.words import first_words, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from http.client import HTTPResponse

DOCUMENT_BYTES: Final = 8 * MIB
"""Bytes of one answer that pyVmomi makes objects of; the details of 30 nodes are below 3 MiB."""

ELEMENTS: Final = 150_000
"""XML elements in such an answer: an object that is named and not described takes 45 bytes, and
several KiB of memory."""

_SAID: Final = 120
"""Characters of pyVmomi's words that are kept; a text of the peer's may stand in them."""

_CHUNK_BYTES: Final = 64 * 1024

_NO_ANSWER: Final = (TypeError, ValueError, LookupError, AttributeError)
"""What pyVmomi raises, unwrapped, for XML that does not describe what was asked for."""


class ReplyRefusedError(ExpatError):
    """The answer is no XML, or has a document type; nothing of it is used.

    An ExpatError, because that is how pyVmomi says so: one translation serves both.
    """


class BoundedStub(SoapStubAdapter):
    """Asks for plain answers, takes no other, and none that is too large."""

    def InvokeMethod(self, mo: Any, info: Any, args: Sequence[Any], outerStub: Any = None) -> Any:  # noqa: N802, N803 - overrides pyVmomi's
        """Call a method; raises as `ask`."""
        del outerStub  # a stub of pyVmomi's that logs in by itself; we have none
        return self.ask(mo, info, args)[0]

    def ask(self, thing: Any, info: Any, args: Sequence[Any]) -> tuple[Any, int]:
        """Call a method of *thing* and return what it answers, and its size in bytes.

        Raises:
            vmodl.MethodFault: The peer's fault.
            OversizedError: The answer is too large.
            OSError, HTTPException, ExpatError: The connection broke, or the answer is no SOAP.
        """
        with self._exchange(thing, info, args) as answer:
            document = answer.read(DOCUMENT_BYTES + 1)
        if len(document) > DOCUMENT_BYTES:
            raise bytes_over(DOCUMENT_BYTES)
        found = self._decode(document, info)
        if isinstance(found, vmodl.MethodFault):
            raise found
        if answer.status != HTTPStatus.OK:
            raise HTTPException(f"{answer.status} without a fault")
        try:
            require_result(found, info)
        except SchemaError as error:
            raise ReplyRefusedError(f"no answer to {info.wsdlName}: {error}") from error
        return found, len(document)

    def stream(
        self, thing: Any, name: str, args: Sequence[Any], take: Callable[[bytes], None]
    ) -> None:
        """Call method *name* of *thing* and hand the bytes of its answer to *take*, as they come.

        Raises:
            vmodl.MethodFault: The peer's fault.
            OSError, HTTPException, ExpatError: The connection broke, or *take* refused the bytes.
        """
        info = thing._GetMethodInfo(name)  # noqa: SLF001 - public by pyVmomi's docs
        with self._exchange(thing, info, args) as answer:
            if answer.status != HTTPStatus.OK:
                found = self._decode(answer.read(DOCUMENT_BYTES), info)
                if isinstance(found, vmodl.MethodFault):
                    raise found
                raise HTTPException(f"{answer.status} without a fault")
            while chunk := answer.read(_CHUNK_BYTES):
                take(chunk)

    @contextmanager
    def _exchange(self, thing: Any, info: Any, args: Sequence[Any]) -> Generator[HTTPResponse]:
        """Send a request; the connection is used again if the answer was read to its end."""
        headers = {
            "Cookie": self.cookie,
            "SOAPAction": self.versionId,
            "Content-Type": "text/xml; charset=utf-8",
            "Accept-Encoding": "identity",
        }
        body = self.SerializeRequest(thing, info, args)  # type: ignore[no-untyped-call]  # pyVmomi
        connection = self.GetConnection()  # type: ignore[no-untyped-call]  # pyVmomi
        try:
            connection.request("POST", self.path, body, headers)
            answer = connection.getresponse()
            self._take_head(answer)
            yield answer
            if not answer.isclosed():
                connection.close()
        except BaseException:  # also an interrupt: close what is open, then raise it again
            connection.close()
            raise
        self.ReturnConnection(connection)  # type: ignore[no-untyped-call]  # pyVmomi

    def _take_head(self, answer: HTTPResponse) -> None:
        self.cookie = answer.getheader("Set-Cookie") or self.cookie
        if answer.status not in {HTTPStatus.OK, HTTPStatus.INTERNAL_SERVER_ERROR}:
            raise HTTPException(f"{answer.status} {answer.reason}")
        packed = answer.getheader("Content-Encoding", "identity").lower()
        if packed != "identity":
            kind = shortened(packed, 20)
            raise HTTPException(f"the answer is packed ({kind}), which nobody asked for")

    def _decode(self, document: bytes, info: Any) -> Any:
        """Return the result or the fault that *document* holds."""
        require_plain(document)
        deserializer: Any = SoapResponseDeserializer(self)
        deserializer.deser = TolerantDeserializer(self)  # type: ignore[no-untyped-call]  # pyVmomi
        try:
            return deserializer.Deserialize(document, info.result)
        except _NO_ANSWER as error:
            said = first_words(str(error), _SAID) or type(error).__name__
            raise ReplyRefusedError(f"no answer to {info.wsdlName}: {said}") from error


def require_plain(document: bytes) -> None:
    """Return if *document* declares nothing and has few enough elements.

    Raises:
        ReplyRefusedError: It has a document type.
        OversizedError: It has more than `ELEMENTS` elements.
        ExpatError: It is no XML.
    """
    count = 0

    def began(_name: str, _attributes: object) -> None:
        nonlocal count
        count += 1
        if count > ELEMENTS:
            raise OversizedError(f"more than {ELEMENTS} elements in one answer")

    def declared(*_: object) -> NoReturn:
        raise ReplyRefusedError("a document type is not allowed")

    parser = ParserCreate()
    parser.StartDoctypeDeclHandler = declared
    parser.StartElementHandler = began
    parser.Parse(document, True)

"""SOAP envelopes to pyVmomi values and back. Pure: bytes in, values out.

Leans on parts of pyVmomi 9.1 that carry no promise (SoapDeserializer, SoapSerializer._QName,
outermostAttrs): see docs/adr/0001-lab-esxi-on-pyvmomi-wire-types.md before raising its pin.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from io import StringIO
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate

from stsfix.lab.vmomi import SoapAdapter, VmomiSupport, vmodl

_NS = "urn:vim25"
_ENVELOPE = SoapAdapter.XMLNS_SOAPENV
_PREFIXES = {**SoapAdapter.SOAP_NSMAP, _NS: ""}
_HEAD = f"{SoapAdapter.XML_HEADER}\n{SoapAdapter.SOAP_ENVELOPE_START}{SoapAdapter.SOAP_BODY_START}"
_TAIL = f"{SoapAdapter.SOAP_BODY_END}{SoapAdapter.SOAP_ENVELOPE_END}"
_BODY_DEPTH = 2

_NEWEST = VmomiSupport.versionMap["vim25/8.0.3.0"]

# Versions every host offers; the newest that is not above the host's own comes first.
_KNOWN_VERSIONS = (
    "8.0.3.0",
    "8.0.2.0",
    "8.0.1.0",
    "8.0.0.0",
    "7.0.3.0",
    "7.0.2.0",
    "7.0.1.0",
    "7.0.0.0",
    "6.7.3",
    "6.7",
    "6.5",
    "6.0",
    "5.5",
)

# Texts as hosts send them; what is not here is told by the fault's own name.
_MESSAGES = {
    "InvalidLogin": "Cannot complete login due to an incorrect user name or password.",
    "NotAuthenticated": "The session is not authenticated.",
    "InvalidPowerState": "The attempted operation cannot be performed in the current state"
    " ({existingState}).",
    "ToolsUnavailable": "Cannot complete operation because VMware Tools is not running in this"
    " virtual machine.",
    "TaskInProgress": "Another task is already in progress.",
    "RestrictedVersion": "Current license or ESXi version prohibits execution of the requested"
    " operation.",
    "NoDiskSpace": "Insufficient disk space on datastore '{datastore}'.",
    "ManagedObjectNotFound": "The object has already been deleted or has not been completely"
    " created",
    "NoPermission": "Permission to perform this operation was denied.",
    "InvalidGuestLogin": "Failed to authenticate with the guest operating system using the"
    " supplied credentials.",
    "GuestOperationsUnavailable": "The guest operations agent could not be contacted.",
}


class InvalidSoapError(Exception):
    """The request is no SOAP call of a known method."""


@dataclass(kw_only=True)
class SoapRequest:
    """A decoded call: method (WSDL name), the object it is for, arguments by wire name."""

    name: str
    info: Any
    this: Any = None
    args: dict[str, Any] = field(default_factory=dict)


# ``Fetch`` reads one property; it is on the wire but in no WSDL.
_FETCH = VmomiSupport.Object(
    params=(VmomiSupport.Object(name="prop", type=str, flags=0),), result=object
)


class _Reader(SoapAdapter.ExpatDeserializerNSHandlers):  # type: ignore[misc]  # pyVmomi is Any here
    """Walks the envelope and hands every argument to pyVmomi's deserializer."""

    def __init__(self) -> None:
        super().__init__()
        self.request: SoapRequest | None = None
        self._depth = 0
        self._in_body = False
        self._params: dict[str, Any] = {}
        self._pending: tuple[str, bool, Any] | None = None

    def StartElementHandler(self, tag: str, attributes: dict[str, str]) -> None:  # noqa: N802 - expat's name
        self._collect()
        self._depth += 1
        namespace, _, name = tag.rpartition(SoapAdapter.NS_SEP)
        if self._depth == _BODY_DEPTH:
            self._in_body = (namespace, name) == (_ENVELOPE, "Body")
        elif self._in_body and self._depth == _BODY_DEPTH + 1:
            self._begin_call(namespace, name)
        elif self._in_body:
            self._begin_argument(name, tag, attributes)

    def _begin_call(self, namespace: str, name: str) -> None:
        if name == "Fetch":
            info = _FETCH
        else:
            try:
                info = VmomiSupport.GetWsdlMethod(namespace, name).info
            except KeyError:
                raise InvalidSoapError(f"unknown method {namespace} {name}") from None
        self.request = SoapRequest(name=name, info=info)
        self._params = {p.name: p for p in info.params}
        self.request.args = {
            p.name: p.type() if issubclass(p.type, list) else None for p in info.params
        }

    def _begin_argument(self, name: str, tag: str, attributes: dict[str, str]) -> None:
        if name == "_this":
            wire_type, repeated = VmomiSupport.ManagedObject, False
        elif name in self._params:
            wire_type = self._params[name].type
            repeated = issubclass(wire_type, list)
            if repeated:  # an array arrives as repeated elements of its item type
                wire_type = wire_type.Item
        else:
            raise InvalidSoapError(f"unknown argument {name}")
        reader = SoapAdapter.SoapDeserializer()
        self._pending = (name, repeated, reader)
        # The deserializer takes the parser over until the argument's end tag, then gives it
        # back; the end tag never reaches this class.
        reader.Deserialize(self._parser, wire_type, False, self.nsMap)
        reader.StartElementHandler(tag, attributes)
        self._depth -= 1

    def EndElementHandler(self, _tag: str) -> None:  # noqa: N802 - expat's name
        self._collect()
        self._depth -= 1

    def CharacterDataHandler(self, _data: str) -> None:  # noqa: N802 - expat's name
        """Ignore text between elements, and the header's."""

    def _collect(self) -> None:
        if self._pending is None or self.request is None:
            return
        (name, repeated, reader), self._pending = self._pending, None
        value = reader.GetResult()
        if name == "_this":
            self.request.this = value
        elif repeated:
            self.request.args[name].append(value)
        else:
            self.request.args[name] = value

    def read(self, body: bytes) -> None:
        """Parse *body*; `request` is set if it held a call."""
        self._parser = ParserCreate(namespace_separator=SoapAdapter.NS_SEP)
        self._parser.buffer_text = True
        SoapAdapter.SetHandlers(self._parser, SoapAdapter.GetHandlers(self))
        self._parser.Parse(body, True)


def read_request(body: bytes) -> SoapRequest:
    """Decode a SOAP request.

    Raises:
        InvalidSoapError: It is not XML, no known method, or an argument does not fit.
    """
    reader = _Reader()
    try:
        reader.read(body)
    except (ExpatError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise InvalidSoapError(f"{type(error).__name__}: {error}") from error
    if reader.request is None or reader.request.this is None:
        raise InvalidSoapError("no method call in the envelope")
    return reader.request


class Serializer(SoapAdapter.SoapSerializer):  # type: ignore[misc]  # pyVmomi is Any here
    """pyVmomi's serializer with two corrections for a server."""

    def __init__(self, out: StringIO, version: str) -> None:
        super().__init__(out, version, _PREFIXES)
        self.outermostAttrs = ""  # versionId is for files; hosts never send it

    def _QName(self, wire_type: Any, namespace: str) -> Any:  # noqa: N802 - overrides pyVmomi's
        attribute, name = super()._QName(wire_type, namespace)
        if wire_type is VmomiSupport.ManagedObject:
            # pyVmomi writes "ManagedObject"; govmomi then sees an empty reference.
            name += "Reference"
        return attribute, name


def result_envelope(request: SoapRequest, value: Any, version: str) -> bytes:
    """Encode the result of a call for a client of *version* (newer fields are left out)."""
    out = StringIO()
    out.write(f'{_HEAD}<{request.name}Response xmlns="{_NS}">')
    wire_type = request.info.result
    if value is not None and wire_type is not type(None):
        if wire_type is object and isinstance(value, VmomiSupport.Array):
            # pyVmomi's property accessor reads repeated elements, typed one by one.
            wire_type = type(value)
        info = VmomiSupport.Object(
            name="returnval", type=wire_type, version=version, flags=VmomiSupport.F_OPTIONAL
        )
        Serializer(out, version).Serialize(value, info)
    out.write(f"</{request.name}Response>{_TAIL}")
    return out.getvalue().encode()


def fault_envelope(fault: Any, version: str) -> bytes:
    """Encode *fault* as a typed SOAP fault."""
    bare = copy.copy(fault)
    text = SoapAdapter.XmlEscape(fault.msg or fault_message(fault))
    bare.msg = None  # the text is the faultstring; hosts send no msg element
    wire_type = VmomiSupport.GetCompatibleType(VmomiSupport.Type(bare), version)
    name = VmomiSupport.GetWsdlName(wire_type) + "Fault"
    info = VmomiSupport.Object(name=name, type=object, version=version, flags=0)
    out = StringIO()
    out.write(
        f"{_HEAD}<soapenv:Fault><faultcode>ServerFaultCode</faultcode>"
        f"<faultstring>{text}</faultstring><detail>"
    )
    Serializer(out, version)._SerializeDataObject(bare, info, f' xmlns="{_NS}"', _NS)  # noqa: SLF001 - ADR 0001
    out.write(f"</detail></soapenv:Fault>{_TAIL}")
    return out.getvalue().encode()


def fault_message(fault: Any) -> str:
    """Return the text a host sends with *fault*."""
    name = VmomiSupport.GetWsdlName(type(fault))
    fields = {info.name: getattr(fault, info.name) for info in fault._GetPropertyList()}  # noqa: SLF001 - public by pyVmomi's docs
    return str(_MESSAGES.get(name, name)).format(**fields)


def localized(fault: Any) -> Any:
    """Return *fault* with its text, as it stands in a task's error."""
    if isinstance(fault, vmodl.MethodFault) and not fault.msg:
        fault.msg = fault_message(fault)
    return fault


def versions_document(api_version: str) -> bytes:
    """Return ``vimServiceVersions.xml`` of a host whose newest API is *api_version*."""

    def order(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in version.split("."))

    older = [v for v in _KNOWN_VERSIONS if order(v) < order(api_version)]
    prior = "".join(f"<version>{v}</version>" for v in older)
    return (
        '<?xml version="1.0" encoding="UTF-8" ?>'
        f'<namespaces version="1.0"><namespace><name>{_NS}</name>'
        f"<version>{api_version}</version><priorVersions>{prior}</priorVersions>"
        "</namespace></namespaces>"
    ).encode()


def value_text(value: Any) -> str:
    """Return a text that is equal for equal values (data objects compare by identity)."""
    if isinstance(value, (str, int, float)):
        return str(value)
    return str(SoapAdapter.SerializeToStr(value, version=_NEWEST))

"""dir-cli of a node: arguments, output and exit codes of vmafd/tools/dir-cli (Lightwave).

Modelled are ``service``, ``trustedcert``, ``nodes list`` and ``state get``. It works on the
directory of the node's own controller, with the rules of that vmdird.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from stsfix.lab import pki, tool_io, trusted_roots
from stsfix.lab.dir_cli_texts import (
    LOCAL_OPTION_INVALID,
    LOCAL_OPTION_UNKNOWN,
    LONG_TEXTS,
    NO_SUCH_USER,
    SERVER_DOWN,
    USAGE,
    text_of,
)
from stsfix.lab.faults import Dropped, Refused
from stsfix.lab.tool_io import ToolError
from stsfix.lab.vmdir import ages, messages
from stsfix.lab.vmdir.ages import LdapRefusal
from stsfix.lab.vmdir.messages import (
    AddRequest,
    BindRequest,
    Change,
    DeleteRequest,
    ModifyRequest,
)
from stsfix.lab.x509_text import oneline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stsfix.lab.shell_streams import Files, Streams
    from stsfix.lab.vmdir.server import VmdirServer
    from stsfix.lab.vmdir.session import Session
    from stsfix.lab.vmdir.store import DirectoryStore, Entry

_LOGIN = ("login", "password")
_LONGEST_PASSWORD = 33
_STATES = {"Normal": ("NORMAL", 3), "Read only": ("READONLY", 2)}
_CLASSES = (b"vmwServicePrincipal", b"user")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A directory, and the session that may write to it."""

    server: VmdirServer
    session: Session
    store: DirectoryStore

    def do(self, request: AddRequest | ModifyRequest | DeleteRequest) -> None:
        """Write, or raise ToolError with what the directory said."""
        _carry_out(self.session, request)


def _failure(code: int) -> str:
    if code in LONG_TEXTS:
        return f"dir-cli failed, error= {LONG_TEXTS[code]} {code}"
    return f"dir-cli failed. Error {code}: {text_of(code)} "


class DirCli:
    """The program on one node.

    Args:
        files: The node's files.
        psc: FQDN of the node's controller.
        domain: The SSO domain.
        server: Finds the vmdird of a host, None where none runs.
        afd_runs: Tells whether the node's vmafdd runs: it knows the controller.
    """

    def __init__(
        self,
        files: Files,
        *,
        psc: str,
        domain: str,
        server: Callable[[str], VmdirServer | None],
        afd_runs: Callable[[], bool],
    ) -> None:
        self._files = files
        self._psc = psc
        self._domain = domain
        self._server = server
        self._afd_runs = afd_runs

    def run(self, words: Sequence[str], streams: Streams) -> int:
        """Run the program."""
        return tool_io.run_tool(
            lambda: self._run(words, streams),
            streams,
            usage=USAGE,
            misused=(tool_io.INVALID_PARAMETER, LOCAL_OPTION_UNKNOWN, LOCAL_OPTION_INVALID),
            failure=_failure,
        )

    def _run(self, words: Sequence[str], streams: Streams) -> None:
        if not words:
            raise ToolError(LOCAL_OPTION_INVALID)
        if words[0] == "help":
            streams.out.write(USAGE.encode())
            return
        modules = {"service", "trustedcert", "nodes", "state"}
        if words[0].lower() not in modules:
            raise ToolError(LOCAL_OPTION_UNKNOWN)
        if not self._afd_runs():
            raise ToolError(tool_io.CANNOT_CONNECT_VMAFD)
        work = {
            "service create": self._service_create,
            "service update": self._service_update,
            "service list": self._service_list,
            "service delete": self._service_delete,
            "trustedcert list": self._roots,
            "trustedcert get": self._root,
            "trustedcert publish": self._publish,
            "trustedcert unpublish": self._unpublish,
            "nodes list": self._nodes,
            "state get": self._state,
        }.get(" ".join(words[:2]).lower())
        if work is None:
            raise ToolError(tool_io.INVALID_PARAMETER)
        work(words[2:], streams)

    def _open(self, options: Mapping[str, str], streams: Streams) -> _Opened:
        """Log in; without ``--password`` it is asked for, and one line of the input is read."""
        user, _, domain = options.get("login", "administrator").partition("@")
        password = options.get("password")
        if password is None:
            shown = f"Enter password for {user}@{domain or self._domain}: "
            streams.out.write(shown.encode())
            line = streams.source.read_line().removesuffix(b"\n")
            streams.say("")
            password = line.decode("utf-8", "replace")[:_LONGEST_PASSWORD]
        server = self._server(options.get("server-name", self._psc))
        if server is None or not server.running:
            raise ToolError(SERVER_DOWN)
        store = server.get_store()
        session = server.local_session()
        account = f"cn={user},cn=Users,{store.identity.domain_dn}"
        bind = BindRequest(version=3, dn=account, password=password.encode())
        try:
            session.carry_out(bind)
        except LdapRefusal:
            raise ToolError(tool_io.LOGON_FAILURE) from None
        except (Refused, Dropped):
            raise ToolError(SERVER_DOWN) from None
        return _Opened(server=server, session=session, store=store)

    def _certificates(self, path: str, streams: Streams) -> list[x509.Certificate]:
        try:
            return x509.load_pem_x509_certificates(tool_io.read_input(path, self._files, streams))
        except FileNotFoundError:
            raise ToolError(tool_io.FILE_NOT_FOUND) from None
        except ValueError:
            raise ToolError(tool_io.INVALID_DATA) from None

    def _principals(self, opened: _Opened) -> list[Entry]:
        above = f"cn=ServicePrincipals,{opened.store.identity.domain_dn}"
        with opened.store.lock:
            found = opened.store.children(above)
        return [e for e in found if e.has_class(b"vmwserviceprincipal")]

    def _refuse_shared(self, opened: _Opened, der: bytes, said: str, streams: Streams) -> None:
        """One certificate belongs to one account; the account itself is no exception."""
        for entry in self._principals(opened):
            values = entry.attributes.get("userCertificate", [])
            if len(values) != 1:
                raise ToolError(tool_io.INVALID_STATE)
            if values[0] == der:
                streams.say(f"{said} [{_cn(entry)}].")
                raise ToolError(tool_io.INVALID_DATA)

    def _service(
        self, words: Sequence[str], streams: Streams, said: str
    ) -> tuple[_Opened, str, x509.Certificate]:
        valued = (*_LOGIN, "name", "cert", "ssogroups", "wstrustrole", "ssoadminrole")
        options = tool_io.take_options(words, valued=valued)
        name, path = tool_io.required(options, "name", "cert")
        opened = self._open(options, streams)
        certificate = self._certificates(path, streams)[0]
        self._refuse_shared(opened, pki.der(certificate), said, streams)
        return opened, name, certificate

    def _service_create(self, words: Sequence[str], streams: Streams) -> None:
        said = "Error: Attempt to reuse certificate currently used by service"
        opened, name, certificate = self._service(words, streams, said)
        attributes: tuple[tuple[str, tuple[bytes, ...]], ...] = (
            ("objectClass", _CLASSES),
            ("cn", (name.encode(),)),
            ("sAMAccountName", (name.encode(),)),
            ("vmwSTSSubjectDN", (certificate.subject.rfc4514_string().encode(),)),
            ("userCertificate", (pki.der(certificate),)),
        )
        above = f"cn=ServicePrincipals,{opened.store.identity.domain_dn}"
        opened.do(AddRequest(dn=f"cn={name},{above}", attributes=attributes))
        streams.say(f"Service [{name}] created successfully")

    def _service_update(self, words: Sequence[str], streams: Streams) -> None:
        said = "Error: The same certificate cannot be used by multiple services"
        opened, name, certificate = self._service(words, streams, said)
        entry = self._principal(opened, name)
        changes = [_replace("userCertificate", pki.der(certificate))]
        subject = certificate.subject.rfc4514_string().encode()
        if entry.attributes.get("vmwSTSSubjectDN") != [subject]:
            changes.insert(0, _replace("vmwSTSSubjectDN", subject))
        opened.do(ModifyRequest(dn=entry.dn, changes=tuple(changes)))
        streams.say(f"Service [{name}] updated successfully")

    def _principal(self, opened: _Opened, name: str) -> Entry:
        wanted = name.lower()
        found = [e for e in self._principals(opened) if _cn(e).lower() == wanted]
        if not found:
            raise ToolError(NO_SUCH_USER)
        return found[0]

    def _service_list(self, words: Sequence[str], streams: Streams) -> None:
        opened = self._open(tool_io.take_options(words, valued=_LOGIN), streams)
        for number, entry in enumerate(self._principals(opened), 1):
            streams.say(f"{number}. {_cn(entry)}")

    def _service_delete(self, words: Sequence[str], streams: Streams) -> None:
        options = tool_io.take_options(words, valued=(*_LOGIN, "name"))
        (name,) = tool_io.required(options, "name")
        streams.out.write(f"Confirm deleting service [{name}] - [Y/N] : ".encode())
        if streams.source.read_some(1) not in (b"y", b"Y"):
            streams.say(f"Service [{name}] was not deleted")
            return
        streams.source.read_line()
        opened = self._open(options, streams)
        opened.do(DeleteRequest(dn=self._principal(opened, name).dn))
        streams.say(f"Service [{name}] deleted successfully")

    def _roots(self, words: Sequence[str], streams: Streams) -> None:
        opened = self._open(tool_io.take_options(words, valued=_LOGIN), streams)
        entries = trusted_roots.root_entries(opened.store)
        if entries:
            streams.say(f"Number of certificates:\t{len(entries)}")
        for number, entry in enumerate(entries, 1):
            subject = entry.attributes.get("cACertificateDN", [b""])[0]
            listed = "yes" if entry.attributes.get("certificateRevocationList") else "no"
            streams.say(f"#{number}:")
            streams.say(f"CN(id):\t\t{_cn(entry)}")
            streams.out.write(b"Subject DN:\t" + subject + b"\n")
            streams.say(f"CRL present:\t{listed}")

    def _root(self, words: Sequence[str], streams: Streams) -> None:
        valued = (*_LOGIN, "id", "outcert", "outcrl")
        options = tool_io.take_options(words, valued=valued)
        (name,) = tool_io.required(options, "id")
        if not options.get("outcert") and not options.get("outcrl"):
            raise ToolError(tool_io.INVALID_PARAMETER)
        opened = self._open(options, streams)
        entries = trusted_roots.root_entries(opened.store)
        found = [e for e in entries if _cn(e).lower() == name.lower()]
        if not found:
            raise ToolError(tool_io.INVALID_NAME)
        for option, attribute in (
            ("outcert", "cACertificate"),
            ("outcrl", "certificateRevocationList"),
        ):
            values = found[0].attributes.get(attribute, [])
            if options.get(option) and values:
                content = b"".join(values)
                tool_io.write_output(options[option], content, self._files, streams)
        streams.say("Certificate retrieved successfully")

    def _publish(self, words: Sequence[str], streams: Streams) -> None:
        options = tool_io.take_options(words, valued=(*_LOGIN, "cert", "crl"), flags=["chain"])
        (path,) = tool_io.required(options, "cert")
        opened = self._open(options, streams)
        found = self._certificates(path, streams)
        if len(found) > 1 and "chain" not in options:
            said = f"The file [{path}] contains more than 1 certificate"
            raise ToolError(tool_io.INVALID_DATA, said)
        for certificate in found:
            opened.do(_publication(opened.store, certificate))
        streams.say("Certificate pubished successfully")

    def _unpublish(self, words: Sequence[str], streams: Streams) -> None:
        options = tool_io.take_options(words, valued=(*_LOGIN, "cert"))
        (path,) = tool_io.required(options, "cert")
        opened = self._open(options, streams)
        found = self._certificates(path, streams)
        if len(found) != 1:
            said = f"The file [{path}] contains more than 1 certificate"
            raise ToolError(tool_io.INVALID_DATA, said)
        entry = opened.store.find(_root_dn(opened.store, found[0]))
        if entry is None:
            raise ToolError(tool_io.NOT_FOUND)
        opened.do(DeleteRequest(dn=entry.dn))
        streams.say("Certificate unpubished successfully")

    def _nodes(self, words: Sequence[str], streams: Streams) -> None:
        options = tool_io.take_options(words, valued=(*_LOGIN, "server-name"))
        store = self._open(options, streams).store
        base = store.identity.domain_dn
        with store.lock:
            controllers = store.children(f"ou=Domain Controllers,{base}")
            computers = store.children(f"ou=Computers,{base}")
        for entry in controllers:
            self._controller(store, _cn(entry), streams)
        for entry in computers:
            streams.say(f"Node: {_cn(entry)}\nType: Management\n")

    def _controller(self, store: DirectoryStore, host: str, streams: Streams) -> None:
        me = store.identity
        streams.say(f"Node: {host}\nType: PSC\nSite: {me.site}")
        above = me.agreements_dn.replace(f"cn={me.host},", f"cn={host},", 1)
        with store.lock:
            agreements = store.children(above)
        for number, agreement in enumerate(agreements, 1):
            uri = agreement.attributes["labeledURI"][0].decode()
            streams.say(f"Partner #{number}: {uri}")
        streams.say("")

    def _state(self, words: Sequence[str], streams: Streams) -> None:
        valued = (*_LOGIN, "server-name", "domain-name")
        opened = self._open(tool_io.take_options(words, valued=valued), streams)
        name, number = _STATES["Read only" if opened.server.read_only else "Normal"]
        streams.say(f"Directory Server State: {name} ({number})")


def _carry_out(session: Session, request: AddRequest | ModifyRequest | DeleteRequest) -> None:
    try:
        session.carry_out(request)
    except LdapRefusal as refusal:
        raise ToolError(refusal.code) from None
    except Refused as refused:
        code = refused.rule.detail
        raise ToolError(int(code) if code.isdigit() else ages.UNWILLING) from None
    except Dropped:
        raise ToolError(SERVER_DOWN) from None


def _cn(entry: Entry) -> str:
    return entry.attributes["cn"][0].decode("utf-8", "replace")


def _replace(name: str, value: bytes) -> Change:
    return Change(kind=messages.REPLACE_VALUES, attribute=name, values=(value,))


def _root_dn(store: DirectoryStore, certificate: x509.Certificate) -> str:
    return f"cn={trusted_roots.key_id(certificate)},{trusted_roots.container(store)}"


def _publication(
    store: DirectoryStore, certificate: x509.Certificate
) -> AddRequest | ModifyRequest:
    """Return what publishes a certificate: an entry, or its new certificate in the one there."""
    entry_dn = _root_dn(store, certificate)
    pem = pki.pem(certificate)
    if store.find(entry_dn) is not None:
        return ModifyRequest(dn=entry_dn, changes=(_replace("cACertificate", pem),))
    attributes: tuple[tuple[str, tuple[bytes, ...]], ...] = (
        ("objectClass", (b"vmwCertificationAuthority", b"pkiCA")),
        ("cn", (trusted_roots.key_id(certificate).encode(),)),
        ("cACertificate", (pem,)),
        ("cACertificateDN", (oneline(certificate.subject).encode(),)),
    )
    return AddRequest(dn=entry_dn, attributes=attributes)

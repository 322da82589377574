"""certool of a node: arguments, output and exit codes of vmca/certool (Lightwave).

``--gencertfromcsr`` is not in Lightwave; public notes use it on vCenter (2021), so it is offered
from 7.0 on [K]. ``--gencert`` asks for ten years there; the product's certificates last two
(KB 79248), which *days* says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from stsfix.lab import pki, tool_io, vmca
from stsfix.lab.certool_request import SUBJECT, public_pem, request_of
from stsfix.lab.vmca import VmcaError
from stsfix.lab.x509_text import dump

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from stsfix.lab.shell_streams import Files, Streams
    from stsfix.lab.vmca import Vmca

CONFIG_FILE = "/usr/lib/vmware-vmca/share/config/certool.cfg"
DEFAULT_CONFIG = """#
# Template file for a CSR request
#

# Country is needed and has to be 2 characters
Country = US
Name\t= CA
Organization = VMware
OrgUnit = VMware Engineering
State = California
Locality = Palo Alto
IPAddress = 127.0.0.1
Email = email@acme.com
Hostname = server.acme.com
"""
"""As vmca/config/certool.cfg, with the values of vmdir.md 7."""

_CONFIG_KEYS = (*SUBJECT, "IPAddress", "Email", "Hostname")
_VALUED = (
    *("server", "srp-upn", "srp-pwd", "config", "privkey", "cert", "pubkey", "csrfile", "port"),
    *("wait", "FQDN", "password", "user", "domain", "crl", "currcrl", "outprivkey", "outcert"),
    *("predate", "filter", "option", "viewerror"),
    *_CONFIG_KEYS,
)
_COMMANDS = (
    *("gencsr", "initcsr", "selfca", "rootca", "getdc", "WaitVMDIR", "WaitVMCA"),
    *("publish-roots", "version", "gencert", "genkey", "revokecert", "viewcert", "getrootca"),
    *("enumcert", "genCIScert", "status", "genselfcacert", "gencsrfromcert"),
)
_MODELLED = frozenset(
    {
        *("gencsr", "initcsr", "selfca", "rootca", "publish-roots", "version", "gencert"),
        *("genkey", "viewcert", "getrootca", "genselfcacert", "WaitVMCA", "gencertfromcsr"),
        "getdc",
    }
)
_FROM_CSR = "gencertfromcsr"
_LAG = timedelta(minutes=10)
_ROOT_LAG_MINUTES = 3 * 24 * 60
_MOST_PREDATE_MINUTES = 7 * 24 * 60
_ROOT_YEARS = timedelta(days=3650)


class _OptionError(Exception):
    """Boost's parser does not take the command line; the text is what it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertoolSettings:
    """What certool knows of its node. *days* is how long a certificate is asked to last;
    *takes_requests* tells whether there is ``--gencertfromcsr``.
    """

    fqdn: str
    domain: str
    days: float
    takes_requests: bool


class Certool:
    """The program on one node.

    Args:
        files: The node's files.
        settings: What it knows.
        server: Finds the VMCA of a host by name, None where none listens.
        trust: Puts roots into TRUSTED_ROOTS of this node (``--selfca``).
        now: The node's clock, aware UTC.
    """

    def __init__(
        self,
        files: Files,
        settings: CertoolSettings,
        *,
        server: Callable[[str], Vmca | None],
        trust: Callable[[Sequence[x509.Certificate]], None],
        now: Callable[[], datetime],
    ) -> None:
        self._files = files
        self._settings = settings
        self._server = server
        self._trust = trust
        self._now = now

    def run(self, words: Sequence[str], streams: Streams) -> int:
        """Run the program."""
        try:
            options = self._parse(words)
            if "help" in options or not words:
                return self._help(options.get("help", ""), streams)
        except _OptionError as error:
            streams.complain(f"error: {error}")
            return tool_io.exit_code(vmca.UNKNOWN_ERROR)
        try:
            for command in self._commands():
                if command in options:
                    self._do(command, options, streams)
        except _OptionError as error:
            streams.complain(f"error: {error}")
            return tool_io.exit_code(vmca.UNKNOWN_ERROR)
        except VmcaError as error:
            if error.call:
                streams.out.write(f"Error: {error.code}, {error.call}() failed".encode())
            streams.say("Status : Failed")
            streams.say(f"Error Code : {error.code}")
            text = vmca.MESSAGES.get(error.code, "UNKNOWN")
            streams.say(f"Error Message : {text}")
            return tool_io.exit_code(error.code)
        streams.say("Status : Success")
        return 0

    def _commands(self) -> tuple[str, ...]:
        return (*_COMMANDS, _FROM_CSR) if self._settings.takes_requests else _COMMANDS

    def _parse(self, words: Sequence[str]) -> dict[str, str]:
        """Return options by name as Boost does: ``--name=value`` or ``--name value``, and any
        beginning of a name that only one has.
        """
        known = (*_VALUED, *self._commands(), "help", "PKCS12")
        found: dict[str, str] = {}
        left = list(words)
        while left:
            word = left.pop(0)
            if not word.startswith("--"):
                raise _OptionError("too many positional options have been specified")
            name, equals, value = word[2:].partition("=")
            fitting = [k for k in known if k == name] or [k for k in known if k.startswith(name)]
            if len(fitting) != 1:
                kind = "ambiguous" if fitting else "unrecognised"
                raise _OptionError(f"{kind} option '--{name}'")
            name = fitting[0]
            if name in _VALUED and not equals:
                if not left:
                    text = f"the required argument for option '--{name}' is missing"
                    raise _OptionError(text)
                value = left.pop(0)
            found[name] = value
        return found

    def _help(self, module: str, streams: Streams) -> int:
        known = _COMMANDS[:8] if module == "init" else self._commands()[8:]
        if module in ("init", "functions"):
            for command in known:
                streams.say(f"  --{command}")
        else:
            streams.say("certool general command options:\n  --help [=arg(=)]\n  --server arg")
        return 0

    def _do(self, command: str, options: dict[str, str], streams: Streams) -> None:
        if command not in _MODELLED:
            raise _OptionError(f"the lab does not model --{command}")
        work = {
            "genkey": self._genkey,
            "gencert": self._gencert,
            "gencsr": self._gencsr,
            "initcsr": self._gencsr,
            _FROM_CSR: self._from_request,
            "getrootca": self._getrootca,
            "viewcert": self._viewcert,
            "genselfcacert": self._genselfcacert,
            "selfca": self._selfca,
            "rootca": self._rootca,
            "publish-roots": self._publish,
            "WaitVMCA": self._wait,
            "version": self._version,
            "getdc": self._getdc,
        }[command]
        work(options, streams)

    def _vmca(self, options: Mapping[str, str], call: str) -> Vmca:
        found = self._server(options.get("server", "localhost"))
        if found is None or not found.running:
            raise VmcaError(vmca.CONNECT_REJECTED, call)
        return found

    def _require(
        self, options: Mapping[str, str], names: Sequence[str], said: str, streams: Streams
    ) -> None:
        if any(name not in options for name in names):
            streams.out.write(f"{said}\n".encode())
            raise VmcaError(vmca.ARGUMENT_ERROR)

    def _configuration(self, options: Mapping[str, str], streams: Streams) -> dict[str, str]:
        """Return the values of the configuration file, those of the command line before them."""
        path = options.get("config", "certool.cfg")
        found = None if path.startswith("/dev/") else self._files.find(path)
        if path != "/dev/null" and found is None:
            streams.out.write(f"Failed to open config file: {path}\nExiting ...".encode())
            streams.out.write(b"Unable to read the config file")
            raise VmcaError(vmca.ARGUMENT_ERROR)
        streams.say(f"Using config file : {path}")
        values: dict[str, str] = {}
        text = b"" if found is None else found.content
        for raw in text.decode("utf-8", "replace").splitlines():
            line = raw.partition("#")[0].strip()
            name, equals, value = (part.strip() for part in line.partition("="))
            if line and (not equals or name not in _CONFIG_KEYS):
                raise _OptionError(f"unrecognised option '{name}'")
            if line:
                values[name] = value
        return values | {name: options[name] for name in _CONFIG_KEYS if name in options}

    def _read(self, path: str, streams: Streams) -> bytes:
        try:
            return tool_io.read_input(path, self._files, streams)
        except FileNotFoundError as error:
            raise VmcaError(tool_io.FILE_NOT_FOUND) from error

    def _write(self, path: str, content: bytes, streams: Streams) -> None:
        tool_io.write_output(path, content, self._files, streams)

    def _key(self, path: str, streams: Streams) -> rsa.RSAPrivateKey:
        try:
            key = pki.private_key(self._read(path, streams))
        except (ValueError, TypeError) as error:
            raise VmcaError(vmca.KEY_IO_FAILURE) from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise VmcaError(vmca.KEY_IO_FAILURE)
        return key

    def _genkey(self, options: dict[str, str], streams: Streams) -> None:
        said = "Error : To generate a key pair we need public and private key files names"
        self._require(options, ("privkey", "pubkey"), said, streams)
        key = pki.new_key()
        self._write(options["privkey"], pki.key_pem(key), streams)
        self._write(options["pubkey"], public_pem(key), streams)

    def _gencsr(self, options: dict[str, str], streams: Streams) -> None:
        said = "To create a CSR we need a private key path.\n"
        self._require(options, ("privkey", "pubkey", "csrfile"), said, streams)
        values = self._configuration(options, streams)
        key = pki.new_key()
        request = request_of(values, key, usages=())
        self._write(options["privkey"], pki.key_pem(key), streams)
        self._write(options["pubkey"], public_pem(key), streams)
        pem = request.public_bytes(serialization.Encoding.PEM)
        self._write(options["csrfile"], pem, streams)

    def _gencert(self, options: dict[str, str], streams: Streams) -> None:
        said = "Error : To generate a certificate we need access to a private key."
        self._require(options, ("privkey", "cert"), said, streams)
        values = self._configuration(options, streams)
        key = self._key(options["privkey"], streams)
        usages = ("digital_signature", "content_commitment", "key_encipherment")
        self._sign(request_of(values, key, usages=usages), options, streams)

    def _from_request(self, options: dict[str, str], streams: Streams) -> None:
        said = "Error : To generate a certificate we need a CSR file."
        self._require(options, ("csrfile", "cert"), said, streams)
        try:
            request = x509.load_pem_x509_csr(self._read(options["csrfile"], streams))
        except ValueError as error:
            raise VmcaError(vmca.REQUEST_ERROR) from error
        self._sign(request, options, streams)

    def _sign(
        self, request: x509.CertificateSigningRequest, options: dict[str, str], streams: Streams
    ) -> None:
        begins = self._now().replace(microsecond=0) - _LAG
        ends = begins + timedelta(days=self._settings.days)
        server = self._vmca(options, "VMCAGetSignedCertificatePrivate")
        chain = server.sign(request, begins, ends)
        self._write(options["cert"], b"".join(pki.pem(c) for c in chain), streams)

    def _getrootca(self, options: dict[str, str], streams: Streams) -> None:
        chain = self._vmca(options, "VMCAGetRootCACertificatePrivate").chain()
        if "cert" in options:
            self._write(options["cert"], b"".join(pki.pem(c) for c in chain), streams)
        streams.say(dump(chain[0]))
        if "cert" in options:
            streams.say(f"Certificate written to file : {options['cert']}")

    def _viewcert(self, options: dict[str, str], streams: Streams) -> None:
        self._require(options, ("cert",), "Error : To view a cert, you need a path", streams)
        try:
            found = x509.load_pem_x509_certificates(self._read(options["cert"], streams))
        except ValueError as error:
            raise VmcaError(vmca.CERT_DECODE_FAILURE) from error
        streams.say(dump(found[0]))

    def _new_root(
        self, values: Mapping[str, str], key: rsa.RSAPrivateKey, predate_minutes: int
    ) -> x509.Certificate:
        begins = self._now().replace(microsecond=0) - timedelta(minutes=predate_minutes)
        labels = values.get("DomainComponent", self._settings.domain).split(".")
        parts = [
            (NameOID.COMMON_NAME, values.get("Name", "CA")),
            *((NameOID.DOMAIN_COMPONENT, label) for label in labels),
            *((oid, values[name]) for name, oid in list(SUBJECT.items())[2:] if values.get(name)),
        ]
        subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])
        return pki.self_signed_root(
            key, subject=subject, not_before=begins, not_after=begins + _ROOT_YEARS
        )

    def _predate(self, options: Mapping[str, str], streams: Streams) -> int:
        minutes = int(options.get("predate", _ROOT_LAG_MINUTES))
        if not 0 <= minutes <= _MOST_PREDATE_MINUTES:
            streams.say(
                "Invalid start time predate specified it should be between "
                f"{_MOST_PREDATE_MINUTES} and 0 "
            )
            raise VmcaError(vmca.ARGUMENT_ERROR)
        return minutes

    def _genselfcacert(self, options: dict[str, str], streams: Streams) -> None:
        said = "Error : No private key file specified."
        self._require(options, ("outprivkey", "outcert"), said, streams)
        values = self._configuration(options, streams)
        key = pki.new_key()
        root = self._new_root(values, key, int(options.get("predate", _ROOT_LAG_MINUTES)))
        self._write(options["outcert"], pki.pem(root), streams)
        self._write(options["outprivkey"], pki.key_pem(key), streams)

    def _selfca(self, options: dict[str, str], streams: Streams) -> None:
        values = self._configuration(options, streams)
        predate = self._predate(options, streams)
        # The host's name is the organization of such a root (VMCAInitPKCS10DataWithDCA).
        values |= {"DomainComponent": self._settings.domain, "Organization": self._settings.fqdn}
        values.pop("Locality", None)
        key = pki.new_key()
        root = self._new_root(values, key, predate)
        server = self._vmca(options, "VMCAAddRootCertificatePrivate")
        server.add_root(pki.pem(root), pki.key_pem(key))
        self._trust([root])

    def _rootca(self, options: dict[str, str], streams: Streams) -> None:
        said = "To upload a Root CA Cert, we need both Cert and Private Key.\n"
        self._require(options, ("cert", "privkey"), said, streams)
        chain, key = (self._read(options[name], streams) for name in ("cert", "privkey"))
        self._vmca(options, "VMCAAddRootCertificatePrivate").add_root(chain, key)

    def _publish(self, options: dict[str, str], streams: Streams) -> None:
        del streams
        self._vmca(options, "VMCAPublishRootCertsPrivate").publish_roots()

    def _wait(self, options: dict[str, str], streams: Streams) -> None:
        """Nothing comes up while certool waits: the lab answers at once."""
        del streams
        self._vmca(options, "VMCAGetRootCACertificatePrivate")

    def _version(self, options: dict[str, str], streams: Streams) -> None:
        self._vmca(options, "VMCAGetServerVersionPrivate")
        streams.say("VMware Certificate Server Version : 6.0.0.0")

    def _getdc(self, options: dict[str, str], streams: Streams) -> None:
        del options
        streams.say(f"Default Domain Name : {self._settings.domain}")

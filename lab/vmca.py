"""vmcad of one node: the root it signs with, and the rules by which it signs.

Source: VMCASignedRequestPrivate in vmca/service/utils.c (Lightwave), vmdir.md 7. It does not look
at the end of its own root: what it signs then ends with it, in the past.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from stsfix.lab import pki
from stsfix.lab.disk import NodeFile
from stsfix.lab.services import StartFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from stsfix.lab.disk import NodeDisk

FOLDER = "/var/lib/vmware/vmca"
WINDOWS_FOLDER = "c:\\programdata\\vmware\\vcenterserver\\data\\vmca"
"""[K]; in lower case, as a Windows node's disk has its paths."""

ROOT_CA_MISSING = 70000
INVALID_TIME = 70002
ARGUMENT_ERROR = 70003
REQUEST_ERROR = 70006
CERT_DECODE_FAILURE = 70008
KEY_IO_FAILURE = 70009
CERT_IO_FAILURE = 70010
NOT_CA_CERT = 70011
INVALID_CSR_FIELD = 70012
INVALID_KEY_LENGTH = 70015
START_TIME_ERROR = 70034
KEY_MISMATCH = 70037
INCOMPLETE_CHAIN = 70062
UNKNOWN_ERROR = 70101
CONNECT_REJECTED = 382312470
"""rpc_s_connect_rejected of DCE RPC: what a client hears while vmcad is down [K]."""

MESSAGES = {
    2: "Operation failed with error ERROR_FILE_NOT_FOUND (2)",
    ROOT_CA_MISSING: "The Root CA certificate is missing or failed to Initialize",
    INVALID_TIME: "Invalid time specified for the Certififcate",
    ARGUMENT_ERROR: "Invalid arguments found",
    REQUEST_ERROR: "Unable decode CSR",
    CERT_DECODE_FAILURE: "Cert Decode failure",
    KEY_IO_FAILURE: "Key I/O failure",
    CERT_IO_FAILURE: "Cert I/O failure",
    NOT_CA_CERT: "Not a CA Cert",
    INVALID_CSR_FIELD: "Invalid CSR field",
    INVALID_KEY_LENGTH: "Key length has to be between 2048(2KB) and 16384(16KB)",
    START_TIME_ERROR: "Start Time Error",
    KEY_MISMATCH: "Cert/Key pair does not match",
    INCOMPLETE_CHAIN: "Certificate chain is incomplete",
    UNKNOWN_ERROR: "VMCA Unknown Error",
    CONNECT_REJECTED: f"DCE RPC error: rpc_s_connect_rejected ({CONNECT_REJECTED})",
}
"""Texts of vmca/include/vmca_error.h; that of the RPC error is [K]."""

BACKDATED = timedelta(weeks=2)
LONGEST = timedelta(days=3650)
_LEAST_BITS = 2048
_SERIAL_SHIFT = 96
"""Leaves 64 random bits of a serial number, as VMCA takes."""


def vmca_files(disk: NodeDisk) -> tuple[str, str]:
    """Return the paths of VMCA's root and of its key on *disk*."""
    folder = f"{FOLDER}/" if disk.windows is None else f"{WINDOWS_FOLDER}\\"
    return f"{folder}root.cer", f"{folder}privatekey.pem"


class VmcaError(Exception):
    """VMCA says no; *code* is its own, *call* the client function that prints it."""

    def __init__(self, code: int, call: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.call = call


class Vmca:
    """vmcad during one boot. What it signs with is read from the disk when it starts.

    Args:
        disk: The node's disk.
        now: The node's clock, aware UTC.
        publish: Puts roots into the directory of the node (VMCASrvNotifyDirSync).
    """

    def __init__(
        self,
        disk: NodeDisk,
        *,
        now: Callable[[], datetime],
        publish: Callable[[Sequence[x509.Certificate]], None],
    ) -> None:
        self._disk = disk
        self._now = now
        self._publish = publish
        self._chain: list[x509.Certificate] = []
        self._key: rsa.RSAPrivateKey | None = None
        self.running = False

    def start(self) -> None:
        """See services.Program.

        Raises:
            StartFailedError: Root or key cannot be read, or do not belong together.
        """
        root_file, key_file = vmca_files(self._disk)
        try:
            chain = x509.load_pem_x509_certificates(self._disk.files[root_file].content)
            key = _rsa_key(self._disk.files[key_file].content)
        except (KeyError, ValueError, VmcaError) as error:
            raise StartFailedError(f"VMCA cannot read its root: {error!r}") from error
        if key.public_key() != chain[0].public_key():
            raise StartFailedError("VMCA's key does not belong to its root")
        self._chain, self._key = chain, key
        self.running = True

    def stop(self) -> None:
        """See services.Program."""
        self.running = False

    def chain(self) -> list[x509.Certificate]:
        """Return what it issues with, the root last.

        Raises:
            VmcaError: It does not run.
        """
        self._connected("VMCAGetRootCACertificatePrivate")
        return list(self._chain)

    def _connected(self, call: str) -> None:
        if not self.running:
            raise VmcaError(CONNECT_REJECTED, call)

    def sign(
        self, request: x509.CertificateSigningRequest, not_before: datetime, not_after: datetime
    ) -> list[x509.Certificate]:
        """Return the certificate, with VMCA's own chain behind it unless VMCA is a root.

        Raises:
            VmcaError: A rule forbids it; nothing was signed.
        """
        call = "VMCAGetSignedCertificatePrivate"
        self._connected(call)
        issuer, key = self._chain[0], self._key
        if key is None:
            raise VmcaError(ROOT_CA_MISSING, call)
        if (code := _forbidden(request, issuer, not_before, not_after, self._now())) is not None:
            raise VmcaError(code, call)
        ends = min(not_after, issuer.not_valid_after_utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(issuer.subject)
            .public_key(request.public_key())
            .serial_number(1 + (x509.random_serial_number() >> _SERIAL_SHIFT))
            .not_valid_before(not_before)
            .not_valid_after(max(ends, not_before + timedelta(seconds=1)))
        )
        for extension in request.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        if request.extensions:
            for value in _added(key, self._disk.fqdn):
                builder = builder.add_extension(value, critical=False)
        signed = builder.sign(key, hashes.SHA256())
        if ends <= not_before:
            # Clipped to the issuer's end without a word, whether that is over or not.
            signed = pki.ended_at(signed, key, ends)
        selfsigned = issuer.subject == issuer.issuer
        return [signed] if selfsigned else [signed, *self._chain]

    def add_root(self, chain_pem: bytes, key_pem: bytes) -> None:
        """Sign with this chain and key from now on, and tell the directory.

        Raises:
            VmcaError: It is no CA, or the key is another's; nothing is changed.
        """
        call = "VMCAAddRootCertificatePrivate"
        self._connected(call)
        try:
            chain = x509.load_pem_x509_certificates(chain_pem)
        except ValueError as error:
            raise VmcaError(CERT_DECODE_FAILURE, call) from error
        key = _rsa_key(key_pem)
        if not _is_authority(chain[0]):
            raise VmcaError(NOT_CA_CERT, call)
        if key.public_key() != chain[0].public_key():
            raise VmcaError(KEY_MISMATCH, call)
        if chain[-1].subject != chain[-1].issuer:
            raise VmcaError(INCOMPLETE_CHAIN, call)
        contents = (b"".join(pki.pem(c) for c in chain), pki.key_pem(key))
        for path, content in zip(vmca_files(self._disk), contents, strict=True):
            self._disk.files[path] = NodeFile(
                content=content, mode=0o600, changed=self._now().timestamp()
            )
        self._chain, self._key = chain, key
        self._publish(chain)

    def publish_roots(self) -> None:
        """Put the chain into the directory.

        Raises:
            VmcaError: It does not run.
        """
        self._connected("VMCAPublishRootCertsPrivate")
        self._publish(self._chain)


def _rsa_key(pem: bytes) -> rsa.RSAPrivateKey:
    try:
        key = pki.private_key(pem)
    except (ValueError, TypeError) as error:
        raise VmcaError(KEY_IO_FAILURE) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise VmcaError(KEY_IO_FAILURE)
    return key


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return found.value.ca


def _forbidden(
    request: x509.CertificateSigningRequest,
    issuer: x509.Certificate,
    not_before: datetime,
    not_after: datetime,
    now: datetime,
) -> int | None:
    """Return the code of the first rule that *request* breaks, in VMCA's order; None for none."""
    key = request.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _LEAST_BITS:
        return INVALID_KEY_LENGTH
    if not_before < now - BACKDATED or not_after - not_before > LONGEST:
        return INVALID_TIME
    if not request.is_signature_valid or not list(request.subject):
        return INVALID_CSR_FIELD
    if not_before <= issuer.not_valid_before_utc:
        return START_TIME_ERROR
    try:
        usage = request.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return INVALID_CSR_FIELD if usage.data_encipherment else None


def _added(
    key: rsa.RSAPrivateKey, host: str
) -> tuple[x509.AuthorityKeyIdentifier, x509.AuthorityInformationAccess]:
    """Return what VMCA adds to the extensions of a request (VMCACopyExtensions)."""
    return (
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()),
        pki.issuer_address(host),
    )

"""The scripts that ask a node's VMCA through certool, and what their output means. Pure.

Source: vmca/certool/certool.cpp and Handler.cpp, Lightwave a04d9171: options, the lines
``Status : Success`` and ``Error Code : n``, and that the exit status is the error code cut to
eight bits. ``--gencertfromcsr`` is not in Lightwave; public notes use it on vCenter's certool
(2021), so certool's own help decides whether it is there. Paths: fixsts.sh (KB 76719) and
vmca/config. None of it was tried on a real appliance.
"""

from __future__ import annotations

import base64
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from stsfix.remediation.nodes.sections import Sections, end_of, mark
from stsfix.remediation.pki import certificates
from stsfix.remediation.pki.authority import (
    SUBJECT_KEYS,
    Authority,
    CertificateRequest,
    Unknown,
    signing_request,
)
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.words import first_words

if TYPE_CHECKING:
    from collections.abc import Sequence

TOOL: Final = "/usr/lib/vmware-vmca/bin/certool"
ROOT: Final = "/var/lib/vmware/vmca/root.cer"
ROOT_KEY: Final = "/var/lib/vmware/vmca/privatekey.pem"
FOLDER: Final = "/root/.stsfix-vmca"
"""Where a request, or a key for a moment, is put: a folder that only root can make or enter."""

_KEY: Final = "key.pem"
_CERTIFICATE: Final = "certificate.pem"
_FROM_REQUEST: Final = "gencertfromcsr"
_OK: Final = re.compile(r"^Status\s*:\s*Success\s*$", re.MULTILINE)
# Possessive: what a node repeats is not searched again from each of its characters.
_PEM: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----\s++([A-Za-z0-9+/=\s]{1,90000}+)-----END CERTIFICATE-----"
)
_PUBLIC: Final = re.compile(
    r"-----BEGIN PUBLIC KEY-----\s++[A-Za-z0-9+/=\s]{1,8000}+-----END PUBLIC KEY-----"
)
_PRIVATE: Final = re.compile(
    r"-----BEGIN (?P<kind>(?:RSA )?PRIVATE KEY)-----\s++[A-Za-z0-9+/=\s]{1,20000}+"
    r"-----END (?P=kind)-----"
)
_SERIAL: Final = re.compile(
    r"Serial Number:\s*(?:(?P<small>[0-9]{1,20}) \("
    r"|(?P<octets>[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){1,24})\s)"
)
_SAID: Final = 200
_NOT_FOUND: Final = "127"


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where the programs and files of a node are; absolute paths without blanks or quotes."""

    certool: str = TOOL
    openssl: str = "openssl"
    root: str = ROOT
    root_key: str = ROOT_KEY
    folder: str = FOLDER

    def __post_init__(self) -> None:
        if shlex.quote(self.folder) != self.folder or not self.folder.startswith("/"):
            raise ValueError(f"{self.folder!r} is no path for a script")


def read_script(nonce: str, programs: Programs) -> str:
    """Return the script that looks at VMCA; it changes nothing, and of the key file only the
    public half is printed. *nonce* marks its sections.
    """
    tool, root, key = (shlex.quote(p) for p in (programs.certool, programs.root, programs.root_key))
    openssl = shlex.quote(programs.openssl)
    commands = {
        "help": f"{tool} --help=init; {tool} --help=functions",
        "certool": 'echo "$code"',
        "root": f"cat {root}",
        "key": f"{openssl} pkey -in {key} -pubout",
        "served": f"{tool} --getrootca --server=localhost",
    }
    lines = ["export LC_ALL=C"]
    for name, command in commands.items():
        lines += ["echo", f"echo '{mark(nonce, name)}'", command]
        lines += ["code=$?"] if name == "help" else []
    return "\n".join([*lines, "echo", f"echo '{end_of(nonce)}'", ""])


def parse_authority(output: str, *, node: str, nonce: str) -> Authority:
    """Return what the *output* of `read_script` says; any text gives some answer."""
    found = Sections.of(output, nonce)
    served = found.text("served")
    chain, reason = _chain(found)
    issuing = certificates.parse(chain[0]) if chain else None
    root = issuing if isinstance(issuing, certificates.Certificate) else None
    return Authority(
        node=node,
        chain=chain,
        unread=reason,
        certool=_certool(found),
        serves=Unknown(reason=found.why("served")) if served is None else bool(_OK.search(served)),
        serves_root=_serves(served, root),
        key_matches=_key_matches(found.text("key"), root),
        takes_requests=_FROM_REQUEST in (found.text("help") or ""),
    )


def _certool(found: Sections) -> bool | Unknown:
    """Tell by the exit status of its help: bash says 127 if there is no such program."""
    said = (found.text("certool") or "").strip()
    return said != _NOT_FOUND if said.isdigit() else Unknown(reason=found.why("certool"))


def _chain(found: Sections) -> tuple[tuple[bytes, ...], str]:
    text = found.text("root")
    if text is None:
        return (), found.why("root")
    chain = pem_certificates(text)
    if not chain:
        return (), f"{ROOT} holds no certificate: the node said {_quoted(text)}"
    if isinstance(certificates.parse(chain[0]), certificates.Malformed):
        return (), f"{ROOT} holds a malformed certificate"
    return chain, ""


def _serves(served: str | None, root: certificates.Certificate | None) -> bool | Unknown:
    """Compare the serial number that VMCA shows as text with that of the file."""
    shown = _SERIAL.search(served or "")
    if shown is None or root is None:
        return Unknown(reason="VMCA did not show its root")
    small, octets = shown["small"], shown["octets"]
    serial = int(small) if small else int(octets.replace(":", ""), 16)
    return serial == root.x509.serial_number


def _key_matches(text: str | None, root: certificates.Certificate | None) -> bool | Unknown:
    shown = _PUBLIC.search(text or "")
    if shown is None or root is None:
        said = f": the node said {_quoted(text)}" if text and text.strip() else ""
        return Unknown(reason=f"the key of the root could not be looked at{said}")
    try:
        key = load_pem_public_key(shown.group().encode())
    except ValueError:
        return Unknown(reason="the key of the root is of an unknown kind")
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der == certificates.key_bytes(root)


def request_script(request: CertificateRequest, nonce: str, programs: Programs) -> str:
    """Return the script that lets VMCA sign a certificate request; no key is in it.

    Raises:
        ValueError: The key is none, or a name cannot be written.
    """
    folder = programs.folder
    command = (
        f"{shlex.quote(programs.certool)} --{_FROM_REQUEST} --server=localhost"
        f" --csrfile={folder}/request.pem --cert={folder}/{_CERTIFICATE}"
    )
    files = {"request.pem": signing_request(request).decode()}
    return "\n".join([folder_script(programs), _signing(files, command, nonce, programs)])


def folder_script(programs: Programs) -> str:
    """Return the script that makes the folder anew, empty, for root alone.

    What an attempt left there that was killed is removed with it.
    """
    folder = programs.folder
    return f"umask 077\nrm -rf {folder} && mkdir {folder} || exit 97\n"


def removal_script(programs: Programs) -> str:
    """Return the script that removes the folder."""
    return f"rm -rf {programs.folder}\n"


def key_file(request: CertificateRequest, programs: Programs) -> tuple[str, Secret[bytes]]:
    """Return where `key_script` expects the key, and the key as PEM.

    Raises:
        ValueError: The key is none.
    """
    key = request.private_key()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return f"{programs.folder}/{_KEY}", Secret(pem)


def key_script(request: CertificateRequest, nonce: str, programs: Programs) -> str:
    """Return the script that lets certool make and sign a request with the key that is in the
    folder; the folder is gone when the script ends.
    """
    folder = programs.folder
    command = (
        f"{shlex.quote(programs.certool)} --gencert --server=localhost"
        f" --privkey={folder}/{_KEY} --cert={folder}/{_CERTIFICATE} --config={folder}/certool.cfg"
    )
    return _signing({"certool.cfg": configuration(request)}, command, nonce, programs)


def configuration(request: CertificateRequest) -> str:
    """Return the configuration file that certool reads subject and names from.

    Several values are separated by commas, labels of a domain by dots
    (VMCACreateCertificateName, VMCAAppendAlternateNameString, VMCASetAddDCToX509Name).
    """
    values: dict[str, list[str]] = {}
    for key, value in request.subject:
        values.setdefault(SUBJECT_KEYS[key], []).append(value)
    values |= {"IPAddress": list(request.ip_addresses), "Hostname": list(request.dns_names)}
    return "".join(
        f"{key} = {('.' if key == SUBJECT_KEYS['DC'] else ',').join(several)}\n"
        for key, several in values.items()
        if several
    )


def parse_root_key(content: Secret[bytes]) -> Secret[bytes] | Unknown:
    """Return VMCA's key as PKCS#8 DER; nothing of *content* is told if it holds none."""
    shown = _PRIVATE.search(content.reveal().decode("ascii", "replace"))
    if shown is None:
        return Unknown(reason=f"{ROOT_KEY} holds no key")
    try:
        key = load_pem_private_key(shown.group().encode(), password=None)
    except (ValueError, TypeError):
        return Unknown(reason=f"{ROOT_KEY} holds no usable key")
    return Secret(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def _signing(files: dict[str, str], command: str, nonce: str, programs: Programs) -> str:
    """Run *command* beside *files* and print the certificate; the folder is removed however the
    script ends.
    """
    folder = programs.folder
    lines = ["export LC_ALL=C", "umask 077", f'trap "rm -rf {folder}" EXIT']
    for name, content in files.items():
        lines += [f"cat > {folder}/{name} <<'{nonce}'", content.rstrip("\n"), nonce]
    lines += [
        f"echo '{mark(nonce, 'certool')}'",
        f"{command} < /dev/null",
        "code=$?",
        "echo",
        f"echo '{mark(nonce, 'certificate')}'",
        f"cat {folder}/{_CERTIFICATE}",
        "echo",
        f"echo '{end_of(nonce)}'",
        'exit "$code"',
        "",
    ]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What a signing script gave: certificates as DER, or why there is none."""

    certificates: tuple[bytes, ...] = ()
    refusal: str = ""


def parse_signed(output: str, nonce: str, exit_code: int) -> Signed:
    """Return the certificates in the output of a signing script, none unless all went well."""
    found = Sections.of(output, nonce)
    if exit_code or not found.complete:
        said = found.text("certool")
        reason = error_of(said if said is not None else output)
        return Signed(refusal=reason or f"the script ended with {exit_code}")
    pem = pem_certificates(found.text("certificate") or "")
    return Signed(certificates=pem) if pem else Signed(refusal="certool wrote no certificate")


def error_of(said: str) -> str:
    """Return certool's error as a clause; empty if it said nothing."""
    message = re.search(r"^Error Message\s*:\s*(.+)$", said, re.MULTILINE)
    code = re.search(r"^Error Code\s*:\s*([0-9]+)", said, re.MULTILINE)
    if message or code:
        parts = [f"error {code[1]}" if code else "", message[1] if message else ""]
        return f"certool said {_quoted(': '.join(p for p in parts if p))}"
    return f"certool said {_quoted(said)}" if said.strip() else ""


def pem_certificates(text: str) -> tuple[bytes, ...]:
    """Return what stands between PEM marks of certificates in *text*, in order, as DER."""
    return tuple(_decoded(body) for body in _PEM.findall(text))


def _decoded(body: str) -> bytes:
    """Return the bytes of a PEM block's *body*; what is no base64 is kept as it was."""
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except ValueError:
        return body.encode()


def chain_of(leaf: bytes, others: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return *leaf* and its issuers among *others* up to the root, DER, in order."""
    start = certificates.parse(leaf)
    if isinstance(start, certificates.Malformed):
        return (leaf,)
    parsed = [certificates.parse(der) for der in others]
    usable = [c for c in parsed if isinstance(c, certificates.Certificate)]
    return tuple(c.der for c in certificates.path_up(start, usable))


def _quoted(text: str | None) -> str:
    words = first_words(text or "", _SAID)
    printable = "".join(c if c.isprintable() else "?" for c in words)
    return repr(printable) if printable else "nothing"

"""``openssl`` of a node, in the small part that scripts need: x509 and pkey."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from stsfix.lab import pki, tool_io
from stsfix.lab.x509_text import dump, name, octets, oneline, when

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from stsfix.lab.shell_streams import Files, Streams

_NEWER = (8,)
_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - a fingerprint, as the program makes it
    "sha256": hashes.SHA256(),
}
_SHOWING = (
    *("subject", "issuer", "enddate", "startdate", "dates", "serial", "fingerprint", "text"),
    *("pubkey", "subject_hash", "checkend"),
)


class OpensslCli:
    """The program on one node; *release* decides how names are shown (1.0.2 before 8.0 [K])."""

    def __init__(
        self, files: Files, *, release: tuple[int, ...], now: Callable[[], datetime]
    ) -> None:
        self._files = files
        self._newer = release >= _NEWER
        self._now = now

    def run(self, words: Sequence[str], streams: Streams) -> int:
        """Run the program; what it does not model ends with 1, as an unknown option does."""
        commands = {"x509": self._x509, "pkey": self._pkey, "rsa": self._pkey}
        if not words or words[0] not in commands:
            streams.complain(f"Invalid command '{words[0] if words else ''}'; type \"help\".")
            return 1
        try:
            return commands[words[0]](list(words[1:]), streams)
        except FileNotFoundError as error:
            streams.complain(f"Can't open {error} for reading, No such file or directory")
            return 1
        except (ValueError, TypeError):
            streams.complain("unable to load what was given")
            return 1

    def _read(self, words: list[str], streams: Streams) -> bytes:
        """Take ``-in FILE`` out of *words* and return the content, else the standard input."""
        if "-in" not in words:
            return streams.stdin
        at = words.index("-in")
        path = words[at + 1]
        del words[at : at + 2]
        return tool_io.read_input(path, self._files, streams)

    def _x509(self, words: list[str], streams: Streams) -> int:
        content = self._read(words, streams)
        options = _options(words, ("inform", "outform", "out", "checkend", "nameopt"))
        known = {*_SHOWING, *_DIGESTS, "noout", "in", "inform", "outform", "out", "nameopt"}
        if not options.keys() <= known:
            streams.complain(f"x509: Unknown option: -{min(options.keys() - known)}")
            return 1
        if options.get("inform", "").upper() == "DER":
            certificate = x509.load_der_x509_certificate(content)
        else:
            certificate = x509.load_pem_x509_certificate(content)
        for option in options:
            self._show(option, options, certificate, streams)
        if "noout" not in options:
            form = options.get("outform", "").upper()
            made = pki.der(certificate) if form == "DER" else pki.pem(certificate)
            tool_io.write_output(options.get("out", "/dev/stdout"), made, self._files, streams)
        if "checkend" not in options:
            return 0
        until = self._now() + timedelta(seconds=int(options["checkend"]))
        ends = certificate.not_valid_after_utc < until
        streams.say(f"Certificate will {'' if ends else 'not '}expire")
        return int(ends)

    def _show(
        self,
        option: str,
        options: dict[str, str],
        certificate: x509.Certificate,
        streams: Streams,
    ) -> None:
        match option:
            case "subject" | "issuer":
                found = certificate.subject if option == "subject" else certificate.issuer
                streams.say(f"{option}={self._name(found)}")
            case "startdate" | "enddate" | "dates":
                if option != "enddate":
                    streams.say(f"notBefore={when(certificate.not_valid_before_utc)}")
                if option != "startdate":
                    streams.say(f"notAfter={when(certificate.not_valid_after_utc)}")
            case "serial":
                number = f"{certificate.serial_number:X}"
                streams.say(f"serial={number.zfill(len(number) + len(number) % 2)}")
            case "fingerprint":
                asked = next((d for d in _DIGESTS if d in options), "")
                value = octets(certificate.fingerprint(_DIGESTS[asked or "sha1"])).upper()
                title = asked if asked and self._newer else (asked or "sha1").upper()
                streams.say(f"{title} Fingerprint={value}")
            case "text":
                streams.out.write(dump(certificate).encode())
            case "pubkey":
                streams.out.write(_public(certificate.public_key()))
            case _:
                return

    def _name(self, found: x509.Name) -> str:
        return name(found, equals=" = ") if self._newer else f" {oneline(found)}"

    def _pkey(self, words: list[str], streams: Streams) -> int:
        content = self._read(words, streams)
        options = _options(words, ("inform", "outform", "out"))
        if not options.keys() <= {"pubout", "noout", "check", "out", "inform", "outform"}:
            streams.complain("pkey: Unknown option")
            return 1
        der = options.get("inform", "").upper() == "DER"
        if der == content.lstrip().startswith(b"-----BEGIN"):
            raise ValueError("the key is in the other form")
        key = pki.private_key(content)
        form = serialization.Encoding.PEM
        if options.get("outform", "").upper() == "DER":
            form = serialization.Encoding.DER
        if "pubout" in options:
            made = _public(key.public_key(), form)
        elif "noout" in options:
            return 0
        else:
            made = key.private_bytes(
                form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        tool_io.write_output(options.get("out", "/dev/stdout"), made, self._files, streams)
        return 0


def _public(key: object, form: serialization.Encoding = serialization.Encoding.PEM) -> bytes:
    made: bytes = key.public_bytes(  # type: ignore[attr-defined] # every public key has it
        form, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return made


def _options(words: Sequence[str], valued: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    left = list(words)
    while left:
        option = left.pop(0).lstrip("-")
        found[option] = left.pop(0) if option in valued else ""
    return found

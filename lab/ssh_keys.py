"""Host keys of a node's sshd."""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)


def new_host_keys() -> tuple[bytes, ...]:
    """Make host keys as an appliance has them: Ed25519, and ECDSA on P-256.

    Private keys in OpenSSH's format. (An appliance also has an RSA key; clients prefer these.)
    """
    keys = (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1()))
    return tuple(
        key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()) for key in keys
    )


def public_line(private: bytes) -> str:
    """Return the public key as known_hosts and authorized_keys have it: type and base64."""
    key = load_ssh_private_key(private, password=None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def fingerprint(private: bytes) -> str:
    """Return the SHA-256 of the public key's blob, 64 lower-case hex digits."""
    blob = base64.b64decode(public_line(private).split()[1])
    return hashlib.sha256(blob).hexdigest()

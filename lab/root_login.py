"""Who gets in as root: one tally for VMware Tools, SSH and the management interface."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stsfix.lab.disk import NodeDisk

ROOT = "root"

LOGIN_LIMIT = 3
"""Wrong passwords after which pam locks root (KB 322247; 3 to 5 by release)."""


class Login(enum.Enum):
    """What pam says to one attempt."""

    WELCOME = "welcome"
    WRONG = "wrong"
    LOCKED = "locked"
    EXPIRED = "expired"


def log_in(disk: NodeDisk, user: str, password: str) -> Login:
    """Judge one attempt and count it.

    A locked account refuses the right password too; an expired password is a right one, and
    says so only to who asks (sshd, vAPI; VGAuth does not: vsphere.md 2).
    """
    if user != ROOT:
        return Login.WRONG
    if disk.failed_logins >= LOGIN_LIMIT:
        return Login.LOCKED
    if password != disk.root_password:
        disk.failed_logins += 1
        return Login.WRONG
    if disk.root_password_expired:
        return Login.EXPIRED
    disk.failed_logins = 0
    return Login.WELCOME


def locked_text(disk: NodeDisk) -> str:
    """Return what pam tells of a locked account before it asks for the password; else empty.

    Source: format strings of pam_tally2 and, from Photon 4 (vCenter 8) on, pam_faillock.
    """
    if disk.failed_logins < LOGIN_LIMIT:
        return ""
    if disk.release < (8,):
        return f"Account locked due to {disk.failed_logins} failed logins"
    return (
        f"The account is locked due to {disk.failed_logins} failed logins.\n"
        "(15 minutes left to unlock)"
    )

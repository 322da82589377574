"""What PAM's words say about an account, over whatever way they are heard. Pure."""

from __future__ import annotations

import re

from stsfix.remediation.errors import LoginRefusal

_EXPIRED = re.compile(
    r"required to change your password|password change required|password (has )?expired"
    r"|must change your password|changing password for",
    re.IGNORECASE,
)
_LOCKED = re.compile(r"account (is )?(temporarily )?locked|locked due to \d+ failed", re.IGNORECASE)


def refusal_in(text: str) -> LoginRefusal | None:
    """Return what PAM's words say about an account, None if they say nothing of it.

    Source: Linux-PAM's pam_unix, pam_faillock and pam_tally2, sshd's auth-pam.c; seen on
    appliances (KB 332308).
    """
    if _LOCKED.search(text):
        return LoginRefusal.LOCKED
    return LoginRefusal.EXPIRED if _EXPIRED.search(text) else None

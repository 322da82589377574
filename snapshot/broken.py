"""Why a connection failed, as people say it. Pure: the errors of sockets and TLS are known by what
they are called and bear, not imported.
"""

from __future__ import annotations

import re

NO_ADDRESS = "its name has no address here"
_NUMBER = re.compile(r"\[Errno -?\d+\] ")


def in_words(error: BaseException) -> str:
    """Return what broke or refused a connection, never empty: the system's words without its
    numbers, and a name that cannot be resolved as what it is.
    """
    said = str(getattr(error, "strerror", None) or "")
    if type(error).__name__ == "gaierror":
        return f"{NO_ADDRESS} ({said or error})"
    is_tls = hasattr(error, "library")  # ssl.SSLError; its text has more than strerror
    if isinstance(error, OSError) and said and not is_tls:
        return said
    return _NUMBER.sub("", str(error)) or type(error).__name__

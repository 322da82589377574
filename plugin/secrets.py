"""Finds each password once and keeps it in memory only."""

from __future__ import annotations

import getpass
import re
import sys
import threading
import unicodedata
import warnings
from typing import TYPE_CHECKING

from stsfix.plugin.errors import SecretError
from stsfix.plugin.secrets_file import FileSecrets, read_secrets_file
from stsfix.plugin.text import printable
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from stsfix.plugin.config import Settings

    Ask = Callable[[str], str]
    """Shows a prompt and returns what was typed, without echo."""

PREFIX = "STSFIX_SECRET_"


def variable_name(kind: str, name: str = "") -> str:
    """Return the environment variable of one secret.

    Args:
        kind: ``sso``, ``export``, ``esxi`` or ``nodes``.
        name: Host or node name; empty for the variable that holds for all of its kind.
    """
    suffix = "_" + re.sub(r"[^A-Z0-9]", "_", name.upper()) if name else ""
    return PREFIX + kind.upper() + suffix


def terminal_prompt() -> Ask | None:
    """Return a prompt without echo, or None if nobody sits at a terminal."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(prompt: str) -> str:
        with warnings.catch_warnings():
            # getpass only warns when it cannot switch the echo off, and then shows the password.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(printable(prompt))

    return ask


class SecretStore:
    """Passwords of one configuration, from the environment, a 0600 file or a prompt.

    Each is looked up at most once; the same answer is given from then on. Safe to call from
    several threads: prompts come one after the other.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        ask: Ask | None = None,
        *,
        found: Callable[[Secret[str]], None] | None = None,
    ) -> None:
        """Look nothing up yet.

        Args:
            settings: Names the user of each login and the secrets file.
            environ: The process environment.
            ask: Prompts on a terminal; None where there is none.
            found: Told of every secret before it is returned (for redaction).
        """
        self._settings = settings
        self._environ = environ
        self._ask = ask
        self._found = found
        self._known: dict[tuple[str, str], Secret[str]] = {}
        self._file: FileSecrets | None = None
        self._lock = threading.Lock()

    def sso(self) -> Secret[str]:
        """Return the password of the SSO administrator.

        Raises:
            SecretError: There is none, or it is empty; the error names every place to put it.
        """
        return self._get("sso", "", f"password of {self._settings.sso.user}")

    def export(self) -> Secret[str]:
        """Return the passphrase of exports: one of their own, else the SSO administrator's
        password. Who knows that can read the same keys from the directory anyway.

        Raises:
            SecretError: As for `sso`.
        """
        with self._lock:
            known = self._known.get(("export", ""))
            if known is None:
                what = "passphrase of exports"
                known = self._from_environment("export", "", what)
                known = known or self._from_file("export", "", what)
                if known is not None and self._found is not None:
                    self._found(known)
                if known is not None:
                    self._known["export", ""] = known
        return known if known is not None else self.sso()

    def esxi(self, host: str) -> Secret[str]:
        """Return the password for ESXi host *host*, named as in the configuration.

        Raises:
            SecretError: As for `sso`.
        """
        users = [h.user for h in self._settings.hosts if h.host.lower() == host.lower()]
        user = users[0] if users else "root"
        return self._get("esxi", host.lower(), f"password of {user} on ESXi host {host}")

    def node(self, fqdn: str) -> Secret[str]:
        """Return the appliance password of node *fqdn*.

        Raises:
            SecretError: As for `sso`.
        """
        node = self._settings.node(fqdn)
        return self._get("nodes", node.fqdn, f"password of {node.user} on node {node.fqdn}")

    def _get(self, kind: str, name: str, what: str) -> Secret[str]:
        with self._lock:
            known = self._known.get((kind, name))
            if known is None:
                known = self._look_up(kind, name, what)
                self._known[kind, name] = known
            return known

    def _look_up(self, kind: str, name: str, what: str) -> Secret[str]:
        secret = self._from_environment(kind, name, what) or self._from_file(kind, name, what)
        if secret is None:
            secret = self._from_prompt(kind, name, what)
        if self._found is not None:
            self._found(secret)
        return secret

    def _from_environment(self, kind: str, name: str, what: str) -> Secret[str] | None:
        for variable in _variables(kind, name):
            if variable in self._environ:
                return _cleaned(self._environ[variable], what, f"in ${variable}")
        return None

    def _from_file(self, kind: str, name: str, what: str) -> Secret[str] | None:
        path = self._settings.secrets_file
        if path is None:
            return None
        if self._file is None:
            self._file = read_secrets_file(path)
        found = _in_file(self._file, kind, name)
        return None if found is None else _cleaned(found.reveal(), what, f"in {path}")

    def _from_prompt(self, kind: str, name: str, what: str) -> Secret[str]:
        places = _places(kind, name, self._settings.secrets_file)
        if self._ask is None:
            raise SecretError(what, "nowhere to be found", places)
        try:
            answer = self._ask(f"{what[0].upper()}{what[1:]}: ")
        except EOFError:
            raise SecretError(what, "the prompt was closed without an answer", places) from None
        except getpass.GetPassWarning:
            reason = "this terminal would show it while it is typed"
            raise SecretError(what, reason, places) from None
        return _cleaned(answer, what, "as typed")


def _variables(kind: str, name: str) -> tuple[str, ...]:
    own = variable_name(kind, name)
    return (own, variable_name(kind)) if name else (own,)


def _in_file(file: FileSecrets, kind: str, name: str) -> Secret[str] | None:
    if kind in {"sso", "export"}:
        return file.sso if kind == "sso" else file.export
    table = file.esxi if kind == "esxi" else file.nodes
    return table.get(name) or table.get("default")


def _places(kind: str, name: str, path: Path | None) -> tuple[str, ...]:
    file = f"the secrets file {path}" if path else 'a secrets file ([secrets] file = "...")'
    entry = f'[{kind}] "{name}" or default' if name else kind
    return (
        *(f"the environment ({variable})" for variable in _variables(kind, name)),
        f"{file} ({entry})",
        "a prompt (on a terminal)",
    )


def _cleaned(raw: str, what: str, place: str) -> Secret[str]:
    r"""Return *raw* without what editors and shells put around a password, and nothing more.

    One byte order mark in front (Notepad; a password with it is refused as wrong, which counts
    towards the lock-out: Broadcom KB 409987) and one line end behind are removed. Blanks stay:
    they may belong to the password.
    """
    text = raw.removeprefix("\ufeff")
    for end in ("\r\n", "\n", "\r"):
        if text.endswith(end):
            text = text.removesuffix(end)
            break
    if not text:
        raise SecretError(what, f"is empty {place}")
    # XML carries none of these, and the STS takes the password in XML.
    if any(unicodedata.category(c) in {"Cc", "Cs"} or c in "\ufffe\uffff" for c in text):
        raise SecretError(what, f"holds a control character or a broken byte {place}")
    return Secret(text)

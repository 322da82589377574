"""Read what preflight wants to know of certificates: in parallel, and never stopping early."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from stsfix.remediation.errors import DirectoryLoginError, PlainBindRefusedError
from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.remediation.inventory_certificates import (
    DirectoryCertificates,
    NodeCertificates,
    Part,
    PublishedKey,
    ShownCertificate,
    TlsPort,
    UnreadPart,
)
from stsfix.snapshot.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from stsfix.remediation.model import Role
    from stsfix.remediation.ports import Directory

_WORKERS = 32
_PARTS: tuple[Part, ...] = (
    "solution users",
    "trusted roots",
    "trusted chains",
    "lookup service registrations",
    "identity sources",
)


class ShownLeaves(Protocol):
    """Reads what TLS ports show."""

    def read_shown_leaf(self, node: str, port: TlsPort) -> bytes:
        """Return the leaf (DER) that *port* of *node* shows; raises NodeUnreachableError."""


class Published(Protocol):
    """The two reads of `stsfix.remediation.ports.Logins` that need no login."""

    def read_published_leaf(self, node: str) -> bytes:
        """See `ports.Logins`."""

    def read_published_keys(self, node: str) -> tuple[PublishedKey, ...]:
        """See `ports.Logins`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSources:
    """Whom to ask. *published* makes the reader for the nodes that are given to it."""

    shown: ShownLeaves
    published: Callable[[Sequence[str]], Published]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One thing to read of one node, under the name of the field it is for."""

    node: str
    field: str
    what: str
    call: Callable[[], Any]


def read_nodes(
    sources: CertificateSources, nodes: Mapping[str, Role]
) -> dict[str, NodeCertificates]:
    """Return what each of *nodes* shows; what does not answer is among its unread things."""
    questions = list(_questions(sources, nodes))
    if not questions:
        return {}
    with ThreadPoolExecutor(min(_WORKERS, len(questions)), "certificates") as pool:
        answers = list(pool.map(_ask, questions))
    shown: dict[str, list[ShownCertificate]] = defaultdict(list)
    unread: dict[str, list[UnreadPart]] = defaultdict(list)
    rest: dict[str, dict[str, Any]] = defaultdict(dict)
    for question, answer in zip(questions, answers, strict=True):
        if isinstance(answer, UnreadPart):
            unread[question.node].append(answer)
        elif question.field == "shown":
            shown[question.node].append(answer)
        else:
            rest[question.node][question.field] = answer
    return {
        node: NodeCertificates(shown=tuple(shown[node]), unread=tuple(unread[node]), **rest[node])
        for node in nodes
    }


def _questions(sources: CertificateSources, nodes: Mapping[str, Role]) -> Iterator[_Question]:
    with_sts = [node for node, role in nodes.items() if role.has_directory]
    published = sources.published(with_sts) if with_sts else None
    for node, role in nodes.items():
        for port in _ports(role):
            yield _Question(
                node=node,
                field="shown",
                what=f"the certificate of its {port} port",
                call=partial(_shown, sources.shown, node, port),
            )
        if published is not None and role.has_directory:
            yield _Question(
                node=node,
                field="published",
                what="its SAML metadata",
                call=partial(published.read_published_leaf, node),
            )
            yield _Question(
                node=node,
                field="keys",
                what="its JWKS",
                call=partial(published.read_published_keys, node),
            )


def _ports(role: Role) -> tuple[TlsPort, ...]:
    return ("https", "ldaps", "vami") if role.has_directory else ("https", "vami")


def _shown(source: ShownLeaves, node: str, port: TlsPort) -> ShownCertificate:
    return ShownCertificate(port=port, leaf=source.read_shown_leaf(node, port))


def _ask(question: _Question) -> Any:
    try:
        return question.call()
    except InterruptedRunError:
        raise
    except OperationError as error:
        return UnreadPart(what=question.what, reason=str(error))


def read_directory(directories: Iterable[Directory]) -> DirectoryCertificates:
    """Return what the first of *directories* that can be read holds: they replicate it.

    A refused login ends it: the same password is not sent to another node. If none could be
    read, every part is unread for the last reason.
    """
    reason = "no directory of the domain was asked"
    for directory in directories:
        try:
            return directory.read_certificates()
        except (DirectoryLoginError, PlainBindRefusedError) as error:
            reason = str(error)
            break
        except InterruptedRunError:
            raise
        except OperationError as error:
            reason = str(error)
    return unread_directory(reason)


def unread_directory(reason: str) -> DirectoryCertificates:
    """Return the answer of a domain whose directory could not be read."""
    return DirectoryCertificates(
        node="", unread=tuple(UnreadPart(what=part, reason=reason) for part in _PARTS)
    )

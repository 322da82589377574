"""Accounts and trust anchors of `memory_directory`: a fake `Registrations` for step tests."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

from stsfix.remediation.directory.vmdir_certificates import from_base64
from stsfix.remediation.errors import DirectoryFaultError, EntryChangedError
from stsfix.remediation.inventory_certificates import (
    DirectoryCertificates,
    LookupRegistration,
    SolutionUser,
)
from stsfix.remediation.renewal.trust_anchors import Replacement, TrustAnchors

if TYPE_CHECKING:
    from memory_directory import MemoryDirectory, MemoryDomain
    from memory_node import MemoryNode


class MemoryRegistrations:
    """The `Registrations` port on one node of a `MemoryDomain`."""

    def __init__(self, world: MemoryDomain, directory: MemoryDirectory) -> None:
        self._world = world
        self._directory = directory

    def read_solution_user(self, name: str) -> SolutionUser | None:
        """See the port."""
        held = _held(self._directory.enter("read_solution_user"))
        return next((u for u in held.solution_users if u.name.lower() == name.lower()), None)

    def replace_certificate(self, user: SolutionUser, certificate: bytes, subject: str) -> None:
        """See the port."""
        name = self._directory.node
        found = self.read_solution_user(user.name)
        if found is None:
            raise DirectoryFaultError(name, "replace_certificate", 32, "")
        same_subject = found.subject.lower() == subject.lower()
        if found.certificates == (certificate,) and same_subject:
            return
        if found != user:
            raise EntryChangedError(name, user.name)
        kept = found.subject if same_subject else subject
        made = replace(found, certificates=(certificate,), subject=kept)

        def _apply(node: MemoryNode) -> None:
            held = _held(node)
            users = tuple(made if u.name == made.name else u for u in held.solution_users)
            node.certificates = replace(held, solution_users=users)

        self._world.change(
            self._directory.enter("replace_certificate"), "replace_certificate", _apply
        )

    def read_trust_anchors(self) -> tuple[TrustAnchors, ...]:
        """See the port."""
        held = _held(self._directory.enter("read_trust_anchors"))
        return tuple(
            TrustAnchors(
                dn=_endpoint_dn(service, number),
                uri=endpoint.uri,
                values=tuple(base64.b64encode(der) for der in endpoint.trust),
                certificates=endpoint.trust,
                encoding="base64",
            )
            for service in held.registrations
            for number, endpoint in enumerate(service.endpoints)
            if endpoint.trust
        )

    def replace_trust_anchors(self, replacement: Replacement) -> None:
        """See the port."""
        wanted = replacement.anchors.dn
        found = next((a for a in self.read_trust_anchors() if a.dn == wanted), None)
        values = found.values if found else ()
        if values == replacement.values:
            return
        if values != replacement.anchors.values:
            raise EntryChangedError(self._directory.node, wanted)
        trust = tuple(from_base64(value) for value in replacement.values)

        def _apply(node: MemoryNode) -> None:
            held = _held(node)
            services = tuple(
                replace(
                    service,
                    endpoints=tuple(
                        replace(e, trust=trust) if _endpoint_dn(service, n) == wanted else e
                        for n, e in enumerate(service.endpoints)
                    ),
                )
                for service in held.registrations
            )
            node.certificates = replace(held, registrations=services)

        self._world.change(
            self._directory.enter("replace_trust_anchors"), "replace_trust_anchors", _apply
        )

    def read_roots(self) -> frozenset[bytes]:
        """See the port."""
        node = self._directory.enter("read_roots")
        listed = (der for root in _held(node).roots for der in root.certificates)
        return frozenset((*node.roots, *listed))

    def remove_root(self, root: bytes) -> None:
        """See the port."""
        node = self._directory.enter("remove_root")
        if root in node.roots:
            self._world.change(node, "remove_root", lambda n: n.roots.remove(root))


def _held(node: MemoryNode) -> DirectoryCertificates:
    return node.certificates or DirectoryCertificates(node=node.name)


def _endpoint_dn(service: LookupRegistration, number: int) -> str:
    return f"cn=Endpoint{number},cn={service.name}"

"""A picture of the SSO domain: ESXi hosts, the nodes on them, who replicates with whom. Pure.

Few nodes stand side by side with their links below, many one below the other with the links at
the right: so no link ever crosses a node, and every name can be read at any width.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.plugin.page.markup import Markup, element, joined
from stsfix.plugin.page.shapes import health_class, health_icon, label, picture
from stsfix.plugin.preflight_view import (
    POWER_WORDS,
    Health,
    Link,
    NodeState,
    links,
    node_state,
    version_words,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stsfix.plugin.preflight_view import PreflightReport
    from stsfix.remediation.inventory import NodeInventory

WIDE, NARROW = 1120.0, 358.0
"""Widths of the two pictures; the page shows the one that fits."""

_SIDE_BY_SIDE = 4
_GAP, _PAD, _HEAD = 14.0, 12.0, 30.0
_TALL, _FLAT = 118.0, 62.0
_GUTTER = {WIDE: 200.0, NARROW: 44.0}
_NOWHERE = "VM not found on any host"
_UNLISTED = "named by a partner, not in the domain"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Card:
    """One node to be drawn; *node* is None for a name that only a partner knows."""

    name: str
    node: NodeInventory | None
    state: NodeState


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """A host, or a reason to have none, with its nodes."""

    title: str
    cards: tuple[_Card, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    x: float
    y: float
    width: float
    height: float


def topology_pictures(report: PreflightReport) -> Markup:
    """Return the picture twice: for a desktop and for a phone; the style sheet shows one."""
    groups = _groups(report)
    agreements = links(report)
    return joined(
        _picture(groups, agreements, report, width=width, kind=kind)
        for width, kind in ((WIDE, "wide"), (NARROW, "narrow"))
    )


def _groups(report: PreflightReport) -> tuple[_Group, ...]:
    inventory = report.inventory
    placed: dict[str, list[_Card]] = {}
    for node in sorted(inventory.nodes, key=lambda n: (not n.role.has_directory, natural(n.fqdn))):
        found = node.location.found
        host = f"ESXi {found.vm.host}" if found is not None else _NOWHERE
        card = _Card(name=node.fqdn, node=node, state=node_state(node, report))
        placed.setdefault(host, []).append(card)
    known = {node.fqdn for node in inventory.nodes}
    strangers = sorted(
        {name for link in links(report) for name in (link.first, link.second)} - known
    )
    lost = NodeState(health=Health.UNREAD, signer="never asked")
    if strangers:
        placed[_UNLISTED] = [_Card(name=name, node=None, state=lost) for name in strangers]
    order = sorted(placed, key=lambda title: (title in {_NOWHERE, _UNLISTED}, natural(title)))
    return tuple(_Group(title=title, cards=tuple(placed[title])) for title in order)


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts ``vc2`` before ``vc10``."""
    return tuple((len(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name))


def _picture(
    groups: Sequence[_Group],
    agreements: Sequence[Link],
    report: PreflightReport,
    *,
    width: float,
    kind: str,
) -> Markup:
    count = sum(len(group.cards) for group in groups)
    beside = width == WIDE and count <= _SIDE_BY_SIDE
    boxes, cards, height = (_row if beside else _column)(groups, width)
    depth = _lanes(agreements, cards) * 26.0 + 34 if beside and agreements else 0.0
    shapes = [
        *(_host(group, box) for group, box in zip(groups, boxes, strict=True)),
        *(_link(link, cards, beside=beside, room=_GUTTER[width]) for link in agreements),
        *(_card(card, cards[card.name]) for group in groups for card in group.cards),
    ]
    return picture(
        *shapes,
        name=f"topology-{kind}",
        width=width,
        height=height + depth,
        title=f"Nodes of {report.inventory.domain}",
        description=_words(groups, agreements),
        kind=kind,
    )


def _row(groups: Sequence[_Group], width: float) -> tuple[list[_Box], dict[str, _Box], float]:
    """Place hosts and their nodes from left to right."""
    count = max(1, sum(len(group.cards) for group in groups))
    free = width - _GAP * (len(groups) - 1) - sum(_PAD * (len(g.cards) + 1) for g in groups)
    card = min(free / count, 540.0)
    height = _HEAD + _TALL + _PAD
    boxes, cards, x = [], {}, 0.0
    for group in groups:
        span = _PAD + (card + _PAD) * len(group.cards)
        boxes.append(_Box(x=x, y=0, width=span, height=height))
        for position, found in enumerate(group.cards):
            left = x + _PAD + position * (card + _PAD)
            cards[found.name] = _Box(x=left, y=_HEAD, width=card, height=_TALL)
        x += span + _GAP
    return boxes, cards, height


def _column(groups: Sequence[_Group], width: float) -> tuple[list[_Box], dict[str, _Box], float]:
    """Place hosts and their nodes from top to bottom, with room for links at the right."""
    span = width - _GUTTER[width]
    each = _FLAT if width == WIDE else _TALL
    boxes, cards, y = [], {}, 0.0
    for group in groups:
        height = _HEAD + (each + _PAD) * len(group.cards)
        boxes.append(_Box(x=0, y=y, width=span, height=height))
        for position, found in enumerate(group.cards):
            top = y + _HEAD + position * (each + _PAD)
            cards[found.name] = _Box(x=_PAD, y=top, width=span - 2 * _PAD, height=each)
        y += height + _GAP
    return boxes, cards, max(y - _GAP, _HEAD)


def _host(group: _Group, box: _Box) -> Markup:
    return element(
        "g",
        element("rect", x=box.x, y=box.y, width=box.width, height=box.height, rx=10, class_="host"),
        label(group.title, x=box.x + _PAD, y=box.y + 20, room=box.width - 2 * _PAD, class_="soft"),
    )


def _card(card: _Card, box: _Box) -> Markup:
    kind = health_class(card.state.health)
    frame = element(
        "rect",
        x=box.x,
        y=box.y,
        width=box.width,
        height=box.height,
        rx=8,
        class_=f"card {kind}",
        stroke_dasharray="5 4" if card.node is None else None,
    )
    edge = element(
        "rect", x=box.x, y=box.y, width=5, height=box.height, rx=2.5, class_=f"bar {kind}"
    )
    icon = health_icon(card.state.health, x=box.x + 14, y=box.y + 12)
    return element("g", frame, edge, icon, *_card_lines(card, box))


def _card_lines(card: _Card, box: _Box) -> Iterator[Markup]:
    """Yield five lines below each other, or beside each other in a flat card."""
    about, where = _card_words(card)
    word = f"word {health_class(card.state.health)}"
    left = box.x + 42
    flat = box.height == _FLAT
    room = (box.width - 52) / 2 - 40 if flat else box.width - 52
    beside = left + room + 16 if flat else left
    lower = 0 if flat else 40
    yield label(card.name, x=left, y=box.y + 26, room=room, size=15, class_="strong")
    yield label(about, x=left, y=box.y + 46, room=room, size=13, class_="soft")
    yield label(where, x=beside, y=box.y + 26 + lower, room=room, size=13, class_="soft")
    yield label(card.state.signer, x=beside, y=box.y + 46 + lower, room=room, size=13)
    state = card.state.health.upper()
    if flat:
        right = box.x + box.width - 14
        yield label(state, x=right, y=box.y + 36, room=90, size=12, class_=word, anchor="end")
    else:
        yield label(state, x=left, y=box.y + 107, room=room, size=12, class_=word)


def _card_words(card: _Card) -> tuple[str, str]:
    """Return what the node is, and where it runs."""
    node = card.node
    if node is None:
        return "unknown", "no VM known"
    role = f"{node.role}{'' if node.role_verified else ', by guess'}"
    version = version_words(node)
    found = node.location.found
    where = (
        f"VM {found.vm.name} · {POWER_WORDS[found.power]}" if found is not None else "no VM known"
    )
    return f"{role} · {version}" if version else role, where


def _lanes(agreements: Sequence[Link], cards: dict[str, _Box]) -> int:
    """Return how many places the longest link spans."""
    order = {name: position for position, name in enumerate(cards)}
    return max((abs(order[a.first] - order[a.second]) for a in agreements), default=0)


def _link(link: Link, cards: dict[str, _Box], *, beside: bool, room: float) -> Markup:
    order = {name: position for position, name in enumerate(cards)}
    apart = abs(order[link.first] - order[link.second])
    one, other = sorted((cards[link.first], cards[link.second]), key=lambda b: (b.y, b.x))
    if beside:
        start = (one.x + one.width * 0.6, one.y + one.height)
        end = (other.x + other.width * 0.4, other.y + other.height)
        low = start[1] + 24 + 34 * apart
        bend = f"C{start[0]:.1f} {low:.1f} {end[0]:.1f} {low:.1f}"
        middle = ((start[0] + end[0]) / 2, start[1] + (low - start[1]) * 0.75)
    else:
        start = (one.x + one.width, one.y + one.height * 0.6)
        end = (other.x + other.width, other.y + other.height * 0.4)
        far = start[0] + _PAD + room * min(1.2, 0.45 + 0.15 * apart)
        bend = f"C{far:.1f} {start[1]:.1f} {far:.1f} {end[1]:.1f}"
        middle = (start[0] + (far - start[0]) * 0.75, (start[1] + end[1]) / 2)
    path = f"M{start[0]:.1f} {start[1]:.1f}{bend} {end[0]:.1f} {end[1]:.1f}"
    kind = "good" if link.sound and link.mutual else "bad" if not link.sound else "warn"
    return element(
        "g",
        element("title", link_words(link)),
        element("path", d=path, class_=f"link {kind}"),
        *(element("circle", cx=x, cy=y, r=4, class_=f"bar {kind}") for x, y in (start, end)),
        _flaw(link, middle),
    )


def _flaw(link: Link, middle: tuple[float, float]) -> Markup | None:
    if link.sound and link.mutual:
        return None
    health = Health.WARNING if link.sound else Health.BLOCKED
    return health_icon(health, x=middle[0] - 9, y=middle[1] - 9, size=18)


def link_words(link: Link) -> str:
    """Return a link as a sentence without its full stop."""
    if not link.sound:
        return f"Replication of {link.first} and {link.second} is broken"
    if not link.mutual:
        return f"Only one of {link.first} and {link.second} lists the other as its partner"
    return f"{link.first} and {link.second} replicate with each other"


def _words(groups: Sequence[_Group], agreements: Sequence[Link]) -> str:
    """Return the picture in words; the tables of the inventory tell the same in full."""
    places = [
        f"{group.title}: "
        + ", ".join(f"{c.name} ({c.state.health}; {c.state.signer})" for c in group.cards)
        for group in groups
    ]
    return ". ".join([*places, *(link_words(link) for link in agreements)]) + "."

"""What is special about what is between a lab's directories. Data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTrouble:
    """What is wrong between directories; in a domain with one directory only the first three are.

    Args:
        stale_partner: The first controller has an agreement with a node that nothing else knows.
        hidden_server: That node also has a directory server entry.
        retired: A controller's account is left of a node that is gone.
        forgotten: The first has lost that account, and the second has not.
        one_way: The second has no agreement with the first any more.
        apart: Neither has an agreement with the other any more.
        deaf: The second pulls nothing.
        never_pulled: It never did.
        unseen: Changes on the first that were made since.
        one_sided: Changes on the first that the second pulled one by one.
        thin: How many changes one pull brings to the second; 0: all there are.
        conflict: Both added TenantCredential-2 at one moment.
        level: Functional level that the second tells; 0: that of the others.
    """

    stale_partner: bool = False
    hidden_server: bool = False
    retired: bool = False
    forgotten: bool = False
    one_way: bool = False
    apart: bool = False
    deaf: bool = False
    never_pulled: bool = False
    unseen: int = 0
    one_sided: int = 0
    thin: int = 0
    conflict: bool = False
    level: int = 0


CONNECTED = LinkTrouble()

LINK_PLANS = {
    "functional-levels-differ": (
        "the second node tells a lower domain functional level",
        LinkTrouble(level=1),
    ),
    "stale-partner": (
        "the first controller replicates with a node that nothing else knows",
        LinkTrouble(stale_partner=True),
    ),
    "hidden-partner": (
        "a node has a server entry and an agreement, and is no controller",
        LinkTrouble(stale_partner=True, hidden_server=True),
    ),
    "retired-node": (
        "a controller's account is left of a node that is gone",
        LinkTrouble(retired=True),
    ),
    "lists-differ": (
        "the first directory has lost the account of a controller, the second has not",
        LinkTrouble(retired=True, forgotten=True),
    ),
    "one-way-agreement": (
        "the second controller has no agreement with the first any more",
        LinkTrouble(one_way=True),
    ),
    "no-agreement": (
        "no controller has an agreement with any other any more",
        LinkTrouble(apart=True),
    ),
    "never-pulled": (
        "the second controller never pulled from its partner",
        LinkTrouble(deaf=True, never_pulled=True),
    ),
    "replication-stalled": (
        "the second controller stopped to pull 100 changes ago",
        LinkTrouble(deaf=True, unseen=100),
    ),
    "one-sided-changes": (
        "all changes of a year were made on the first controller: nothing is wrong",
        LinkTrouble(one_sided=100),
    ),
    "replication-catches-up": (
        "the second controller is 2000 changes behind and catches up, two with each pull",
        LinkTrouble(unseen=2000, thin=2),
    ),
    "entries-differ": (
        "both controllers added TenantCredential-2 at one moment: they differ for good",
        LinkTrouble(conflict=True),
    ),
}
"""Texts and plans by the name of the scenario."""

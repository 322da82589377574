"""Any evidence that a diagnosis may get: hostile logs, pages and answers on any inventory."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st

from any_inventory import INVENTORIES
from sts_material import NOW
from stsfix.remediation.diagnosis.evidence import Evidence, NodeEvidence, TokenAnswer, WebAnswer
from stsfix.remediation.diagnosis.log_lines import line_time
from stsfix.remediation.diagnosis.log_signatures import BY_ID, SIGNATURES
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.nodes.log_script import LogQuote, LogReading

REFUSED = (
    "Signing certificate is not valid at Mon Nov 23 12:00:00 EST 2026, cert validity: TimePeriod "
    "[startTime=Sat Sep 14 12:00:00 EST 2024, endTime=Fri Nov 20 12:00:00 EST 2026]"
)
_MOMENTS = st.integers(-(10**9), 5 * 10**9).map(lambda s: NOW + timedelta(seconds=s))
_TEXTS = st.one_of(
    st.text(),
    st.just(REFUSED),
    st.sampled_from(["\x1b[31mred\x1b[0m", "<script>\u202e", "\udcff", "A" * 3000]),
)
_QUOTES = st.builds(
    lambda quote, written: replace(quote, written=line_time(f"{written:%Y-%m-%dT%H:%M:%SZ}")),
    st.builds(
        LogQuote,
        path=st.just("/var/log/vmware/vpxd/vpxd.log"),
        signature=st.sampled_from([signature.id for signature in SIGNATURES]),
        text=_TEXTS,
        written=st.none(),
        changed=st.none() | _MOMENTS,
    ),
    _MOMENTS,
)
_UNREAD = st.builds(UnreadPart, what=_TEXTS, reason=_TEXTS)
_ANSWERS = st.one_of(
    _UNREAD,
    st.builds(
        WebAnswer,
        request=_TEXTS,
        status=st.integers(100, 599),
        text=_TEXTS | st.sampled_from([signature.pattern for signature in BY_ID.values()]),
        verified=st.booleans(),
    ),
)
_TOLD = st.builds(
    NodeEvidence,
    logs=_UNREAD | st.lists(_QUOTES, max_size=4).map(lambda q: LogReading(quotes=tuple(q))),
    web=st.lists(_ANSWERS, max_size=3).map(tuple),
    token=st.none() | _UNREAD | st.builds(TokenAnswer, error=st.text(), text=_TEXTS),
    signer=st.none() | st.binary(max_size=20),
)
EVIDENCE = INVENTORIES.flatmap(
    lambda inventory: st.builds(
        Evidence,
        inventory=st.just(inventory),
        nodes=st.fixed_dictionaries({node.fqdn: _TOLD for node in inventory.nodes}),
    )
)
"""Any inventory, and of each of its nodes anything."""

"""A renewal that fails on one node: what is in the stores the directory knows, or it is told."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from memory_hypervisor import MemoryClock
from memory_node import Fault
from renewal_bench import MACHINE, VPXD, Bench
from renewal_worlds import VC1, VC2
from stsfix.plugin.cli.session import Session, report_error
from stsfix.plugin.diagnostics import RunContext, explain
from stsfix.plugin.interrupt import StopFlag
from stsfix.plugin.output import Output
from stsfix.plugin.redaction import Redactor
from stsfix.plugin.renewal_view import renewal_of, renewal_sentences
from stsfix.remediation.engine import run
from stsfix.remediation.errors import VecsError, VmcaError
from stsfix.remediation.errors_run import JournalUnwritableError
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.model import Renew
from stsfix.remediation.records import Mark, MarkRecord, NoteRecord, StepRecord, StepState
from stsfix.remediation.renewal.notes import NEW_VMCA_ROOT, RENEW_CERTIFICATES, issued_key
from stsfix.remediation.renewal.unfinished import stores_ahead
from stsfix.snapshot.errors import InDoubtError, OperationError

AHEAD = "knows yet: until the run goes on or is taken back, restart no service and no node there"


def refusing(*nodes, after=0):
    """Return a bench that renews all, and whose VMCAs of *nodes* refuse from the *after*th on."""
    bench = Bench(ends={}, renew=Renew.ALL)
    sign, asked = bench.authority.sign, dict.fromkeys(nodes, 0)

    def signing(node, request):
        if node.fqdn in asked:
            asked[node.fqdn] += 1
            if asked[node.fqdn] > after:
                raise VmcaError(node.fqdn, "policy said no")
        return sign(node, request)

    bench.authority.sign = signing  # type: ignore[method-assign] # one that says no
    return bench


def is_known(bench, store, node):
    """Tell whether the writer's directory names what is in a store."""
    leaf = bench.leaf(store, node)
    if store == MACHINE:
        return bench.trusted(of=node) == (leaf,)
    (renewal,) = (r for r in bench.spec.renewals if (r.node, r.store) == (node, store))
    return bench.user(renewal.principal).certificates == (leaf,)


def test_the_directory_learns_what_other_nodes_have():
    """They may be rebooted, and vMon starts services by itself: both read the stores."""
    bench = refusing(VC1)

    with pytest.raises(VmcaError, match="policy said no") as caught:
        bench.do(bench.renewing())

    assert caught.value.node == VC1
    assert bench.stores.written == [(VC2, store) for store in ("machine", VPXD, MACHINE)]
    assert all(is_known(bench, store, VC2) for _, store in bench.stores.written)


def test_the_directory_learns_what_the_node_had_before_it_failed():
    """Entry by entry."""
    bench = refusing(VC1, after=1)

    with pytest.raises(VmcaError):
        bench.do(bench.renewing())

    assert [store for node, store in bench.stores.written if node == VC1] == ["machine"]
    assert is_known(bench, "machine", VC1)


def test_a_resume_makes_the_rest():
    """What was renewed is left as it is."""
    bench = refusing(VC1, after=1)
    with pytest.raises(VmcaError):
        bench.do(bench.renewing())
    written = list(bench.stores.written)

    bench.authority.sign = type(bench.authority).sign.__get__(bench.authority)
    bench.do(bench.renewing())

    assert bench.stores.written == [*written, (VC1, VPXD), (VC1, MACHINE)]
    bench.assert_renewed()


def test_what_else_failed_is_a_note():
    """Each node says why, and so does the directory; the gravest comes first."""
    bench = refusing(VC1, after=1)
    bench.stores.down.add(VC2)
    bench.domain.faults.append(Fault(call="replace_certificate", effect="lost"))

    with pytest.raises(InDoubtError) as caught:
        bench.do(bench.renewing())

    also = " ".join(explain(caught.value).notes)
    assert f"also: VMCA of {VC1}: policy said no" in also
    assert f"also: certificate stores of {VC2}" in also


def test_a_journal_that_cannot_be_written_ends_it_at_once():
    """Nothing is done after that, not even what would do good."""
    bench = refusing()

    def note(key, value):
        if key.endswith(VC1):
            raise JournalUnwritableError("/s/journal.sqlite", "disk full")

    with pytest.raises(JournalUnwritableError):
        bench.renewing().do({}, note)

    assert {node for node, _ in bench.stores.written} == {VC2}
    assert not is_known(bench, VPXD, VC2)


def test_errors_of_nodes_that_work_at_the_same_time_are_all_told():
    """Of every step."""
    bench = Bench()

    def work(node):
        raise VecsError(node.fqdn, "no")

    with pytest.raises(VecsError) as caught:
        bench.context.each(bench.spec.nodes, work)

    assert caught.value.node == VC1
    assert caught.value.__notes__ == [f"also: certificate stores of {VC2}: no"]


# ------------------------------------------------------------------ what is told


def stopped(bench, folder):
    """Let a run of the renewal alone stop; return what it stopped with, and the journal."""
    journals = JournalFile(folder, MemoryClock())
    journal = journals.create(bench.spec, (RENEW_CERTIFICATES,), version="0", inventory="{}")
    with pytest.raises(OperationError) as caught:
        run([bench.renewing()], journal, progress=lambda _: None, stop_requested=lambda: False)
    journal.close()
    return caught.value, journals


def test_where_it_stops_is_told_whose_stores_are_ahead(tmp_path):
    """And not that nothing further was done: other nodes went on, and the directory was told."""
    bench = refusing(VC1)
    error, journals = stopped(bench, tmp_path)
    said = io.StringIO()
    session = Session(
        config=Path("domain.toml"),
        state_dir=tmp_path,
        as_json=False,
        yes=True,
        output=Output(io.StringIO(), said, {}),
        redactor=Redactor(),
        context=RunContext(run=bench.spec.run),
        flag=StopFlag(),
    )

    report_error(session, error)

    told = " ".join(said.getvalue().split())
    assert f"The stores of {VC2} may hold new certificates" in told
    assert AHEAD in told
    assert "nothing further" not in told
    view = renewal_of(journals.read(bench.spec.run))
    assert view is not None
    assert view.stores_ahead == (VC2,)
    assert AHEAD in " ".join(renewal_sentences(view))


def test_where_no_store_was_written_nothing_is_ahead(tmp_path):
    """It did not work, and that is all."""
    bench = refusing(VC1, VC2)
    error, journals = stopped(bench, tmp_path)
    ahead = stores_ahead((RENEW_CERTIFICATES,), journals.read(bench.spec.run).records)

    told = explain(error, RunContext(run=bench.spec.run, ahead=ahead))

    assert told.state.startswith("It did not work, and nothing further was done. Run ")
    assert told.state.endswith("up to this point.")


BEGUN = (
    StepRecord(step=RENEW_CERTIFICATES, state=StepState.STARTED),
    NoteRecord(step=RENEW_CERTIFICATES, key=issued_key(1, VPXD, VC2), value="a"),
    NoteRecord(step=RENEW_CERTIFICATES, key=issued_key(1, "vpxd-extension", VC1), value="b"),
    NoteRecord(step=RENEW_CERTIFICATES, key=issued_key(2, VPXD, VC2), value="c"),
)


@pytest.mark.parametrize(
    ("later", "nodes"),
    [
        ((), (VC2, VC1)),
        ((StepRecord(step=RENEW_CERTIFICATES, state=StepState.FAILED),), (VC2, VC1)),
        ((StepRecord(step=RENEW_CERTIFICATES, state=StepState.DONE),), ()),
        ((MarkRecord(mark=Mark.ROLLBACK),), ()),
    ],
    ids=["died", "failed", "done", "turned back"],
)
def test_stores_are_ahead_from_the_first_note_until_everybody_knows(later, nodes):
    """Also of a process that died; a rollback reverts them."""
    assert stores_ahead((NEW_VMCA_ROOT, RENEW_CERTIFICATES), (*BEGUN, *later)) == nodes


def test_a_run_that_renews_nothing_is_never_ahead():
    """Its plan has no such step."""
    assert stores_ahead(("quiesce",), ()) == ()

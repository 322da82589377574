"""What preflight says of each state of the lab, and that a run keeps its hands off the bad ones."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.lab]

VC1 = "vc1.lab.example"
BLOCKING = {
    "malformed-index": "STS-MALFORMED-INDEX",
    "duplicate-vm-name": "NODE-AMBIGUOUS",
    "independent-disk": "SNAP-INDEPENDENT-DISK",
    "host-lockdown": "HOST-LOGIN",
    "host-free-licence": "HOST-LICENCE",
    "datastore-full": "SNAP-NO-SPACE",
    "clock-skew": "HOST-CLOCK",
    "tools-missing": "TOOLS-NOT-RUNNING",
    "replication-broken": "REPL-USN-ROLLBACK",
    "machine-certificate-expired": "NODE-TLS",
    "root-password-expired": "GUEST-LOGIN",
}


@pytest.mark.parametrize(("scenario", "finding"), BLOCKING.items(), ids=BLOCKING)
def test_preflight_names_what_forbids_a_run_and_run_refuses(bench_of, scenario, finding):
    """Exit 2 and the finding with its advice, from both; nothing is changed."""
    bench = bench_of(scenario)

    looked = bench.stsfix.run("preflight")
    refused = bench.stsfix.run("run", "--yes", "--json")

    assert looked.code == 2
    assert finding in looked.out
    assert "no repair yet" in looked.out
    document = refused.json()
    assert refused.code == document["exit_code"] == 2
    assert document["error"] == "PreflightBlockedError"
    assert finding in {f["id"] for f in document["findings"] if f["severity"] == "blocks"}
    assert all(f["advice"] for f in document["findings"])
    bench.assert_untouched()


@pytest.mark.parametrize(
    ("scenario", "finding"),
    [("leafless-chain", "STS-LEAFLESS-CHAIN"), ("dvs-nics", "NIC-DVS")],
    ids=["leafless-chain", "dvs-nics"],
)
def test_a_warning_is_exit_code_1(bench_of, scenario, finding):
    """A repair is possible, and there is something to read first."""
    looked = bench_of(scenario).stsfix.run("preflight")

    assert looked.code == 1
    assert finding in looked.out
    assert "stsfix run -c domain.toml --state-dir state" in looked.out


@pytest.mark.parametrize("topology", ["embedded", "external-psc"])
def test_the_other_topologies_are_ready(bench_of, topology):
    """One node, and two PSCs with two vCenters: nothing speaks against a repair."""
    bench = bench_of("expired", topology)

    looked = bench.stsfix.run("preflight", "--json")

    assert looked.code == 0
    document = looked.json()
    roles = {node["fqdn"]: node["role"] for node in document["nodes"]}
    assert roles == {node.fqdn: node.role.value for node in bench.lab.topology.nodes}


def test_a_vm_is_chosen_by_its_uuid(bench_of):
    """Two VMs of one name: the UUID of the right one resolves it."""
    bench = bench_of("duplicate-vm-name")
    uuid = bench.lab.machines[VC1].instance_uuid
    bench.set_config(
        lambda text: text.replace(f'[nodes."{VC1}"]', f'[nodes."{VC1}"]\nvm = "{uuid}"')
    )

    looked = bench.stsfix.run("preflight", "--json")

    assert looked.code == 0
    assert "NODE-AMBIGUOUS" not in {f["id"] for f in looked.json()["findings"]}


def test_a_healthy_domain_is_only_repaired_by_force(bench_of):
    """Preflight says there is nothing to do; run ends with 26; --force replaces all the same."""
    bench = bench_of("healthy", "embedded")

    looked = bench.stsfix.run("preflight")
    refused = bench.stsfix.run("run", "--yes")
    bench.assert_untouched()
    proven = bench.stsfix.run("verify")
    forced = bench.stsfix.run("run", "--yes", "--force")

    assert looked.code == 0
    assert "Nothing needs a repair" in looked.out
    assert "stsfix run" not in looked.out
    assert refused.code == 26
    assert "stsfix verify -c domain.toml" in refused.err
    assert proven.code == 0
    assert forced.code == 0
    assert bench.everything()["entries"] != bench.before["entries"]

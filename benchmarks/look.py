"""One look at an estate, measured from inside; prints one line of JSON."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / ".dev")]

MIB = 1024


def look(config: Path) -> dict[str, float]:
    """Take the whole inventory as ``stsfix preflight`` does, and judge it."""
    from stsfix.plugin.config import load_settings
    from stsfix.plugin.secrets import SecretStore
    from stsfix.plugin.sources import preflight_sources
    from stsfix.plugin.wiring import Wiring
    from stsfix.remediation.checks.preflight import assess
    from stsfix.remediation.discovery.domain import Discovery
    from stsfix.snapshot.system_clock import SystemClock

    settings = load_settings(config)
    wiring = Wiring(settings, SecretStore(settings, {}), SystemClock(), lambda _: None)
    began, cpu = time.perf_counter(), time.process_time()
    inventory = Discovery(preflight_sources(wiring)).discover()
    took, used = time.perf_counter() - began, time.process_time() - cpu
    found = assess(inventory)
    judged = time.perf_counter() - began - took
    wiring.close()
    return {
        "inventory_s": took,
        "cpu_s": used,
        "judging_s": judged,
        "vms": sum(len(host.vms) for host in inventory.hosts),
        "nodes": sum(node.services is not None for node in inventory.nodes),
        "problems": len(inventory.problems),
        "findings": len(found),
    }


def look_naively(config: Path, count: int) -> dict[str, float]:
    """Ask one host for the same seven properties of *count* VMs, each by its own calls, as
    scripts with pyVmomi do (``vm.config.uuid``).
    """
    from pyVmomi import vim

    from stsfix.plugin.config import load_settings
    from stsfix.plugin.secrets import SecretStore
    from stsfix.plugin.wiring import Wiring
    from stsfix.snapshot.system_clock import SystemClock

    settings = load_settings(config)
    wiring = Wiring(settings, SecretStore(settings, {}), SystemClock(), lambda _: None)
    host = next(iter(wiring.hypervisors.values()))

    def ask(content: vim.ServiceInstanceContent) -> float:
        views = content.viewManager
        if views is None:
            raise TypeError("no view manager")
        view = views.CreateContainerView(content.rootFolder, [vim.VirtualMachine], recursive=True)
        machines = view.view[:count]
        began = time.perf_counter()
        for vm in machines:
            config, guest, runtime = vm.config, vm.guest, vm.runtime
            _ = (vm.name, config and (config.uuid, config.instanceUuid), runtime.powerState)
            _ = (runtime.connectionState, guest and (guest.hostName, guest.ipAddress))
        return time.perf_counter() - began

    took = host.session.read(ask)
    wiring.close()
    return {"naive_s": took, "vms": count}


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--naive", type=int, default=0, metavar="VMS")
    args = parser.parse_args()
    result = look_naively(args.config, args.naive) if args.naive else look(args.config)
    result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
    print(json.dumps(result))  # noqa: T201 - the protocol with the benchmark
    sys.stdout.flush()


if __name__ == "__main__":
    main()

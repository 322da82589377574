"""The estate that `inventory` measures against, in a process of its own.

Prints ``ready`` when every answer was computed once; then, for each line it reads, one line of
JSON with the calls of each host so far. Ends with its standard input.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / part) for part in (".dev", "tests/support")]


def main() -> None:
    """Run the estate until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name in ("hosts", "vms", "nodes"):
        parser.add_argument(f"--{name}", type=int, required=True)
    args = parser.parse_args()
    from estate_lab import running_estate  # noqa: PLC0415 - needs the path above

    with running_estate(hosts=args.hosts, vms=args.vms, nodes=args.nodes) as estate:
        estate.write_config(args.folder)
        print("ready", flush=True)  # noqa: T201 - the protocol with the measuring process
        for _ in sys.stdin:
            print(json.dumps(estate.calls()), flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    main()

"""`bin/fuzz`: many odd requests on one or both databases; every finding with the seed that brings it back."""

import argparse
import secrets
import sys

from tests.access import test_routes
from tests.fuzz.fuzzing import Fuzzer
from tests.servers import keeper
from tests.servers.databases import Databases


def main() -> int:
    options = _options()
    found = 0
    keeper.begin_run()
    try:
        held = Databases("fuzz")
        for kind in ("sqlite", "postgresql") if options.database == "both" else (options.database,):
            for number in range(options.worlds):
                found += _world(held, kind, options.seed + number, options.rounds)
        held.close()
    finally:
        keeper.end_run()
    return 1 if found else 0


def _world(held: Databases, kind: str, seed: int, rounds: int) -> int:
    with held.fresh_app(kind) as app:
        fuzzer = Fuzzer(app, seed)
        fuzzer.run(test_routes.viewers.__wrapped__(app), rounds=rounds)
    print(f"{kind}, seed {seed}: {fuzzer.sent} requests, {len(fuzzer.findings)} findings", flush=True)
    for finding in fuzzer.findings:
        print(f"  {finding}", flush=True)
    return len(fuzzer.findings)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/fuzz", description="Send odd requests to every route, as everybody.")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="where to begin (default: anywhere)")
    parser.add_argument("--worlds", type=int, default=5, help="how often to begin with a fresh database (default 5)")
    parser.add_argument("--rounds", type=int, default=4, help="requests for each route, as each viewer (default 4)")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

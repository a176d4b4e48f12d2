"""Thousands of made-up requests against a real service: is every answer a documented one, and none above 499?

    python benchmarks/openapi_fuzz.py [--cases 5000] [--examples 60]

Schemathesis makes requests from the OpenAPI document, valid ones and invalid ones. Rounds with the ids of things that
exist, which get into the depth of each endpoint, take turns with rounds of random ids, until there were enough cases.
Everything stays on loopback. Exit status 1 if an answer was not documented or was above 499.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "service")]


def main() -> None:
    """Run rounds and say what came of them."""
    from openapi_fuzzing import ALL_PHASES, existing_ids, fuzz, start

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5000, help="at least so many requests")
    parser.add_argument("--examples", type=int, default=60, help="random requests for each endpoint and round")
    given = parser.parse_args()
    cases, passed, seed, begin = 0, True, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder, start(Path(folder)) as service:
        ids = existing_ids(service)
        while cases < given.cases:
            seed += 1
            report = fuzz(service, given.examples, ALL_PHASES, ids if seed % 2 else None, seed)
            cases, passed = cases + report.cases, passed and report.passed
            print(f"round {seed}: {report.cases} cases, {'passed' if report.passed else 'FAILED'}", flush=True)
            if not report.passed:
                print(report.output)
            if not report.cases:
                sys.exit("Schemathesis made no request; see its output above.")
        assert service.get("/health")["status"] == "ok"
    print(f"{cases} cases in {time.monotonic() - begin:.0f} s: {'all passed' if passed else 'some failed'}")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()

"""A short run of the benchmark that kills processes; the long one is ``benchmarks/durability.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "durability.py"


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_kill_9_loses_nothing_that_was_acknowledged(database: str | None) -> None:
    kills, options = (20, []) if database is None else (5, ["--database", database])
    command = [sys.executable, str(BENCHMARK), "--kills", str(kills), *options]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=300)
    assert done.stdout, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["lost"], figures["problems"]) == ([], [])
    assert sum(figures["kills"].values()) == kills
    assert done.returncode == 0

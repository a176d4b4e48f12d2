"""A short run of the benchmark that kills services; the long one is ``benchmarks/service_durability.py``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "service_durability.py"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds workers in /proc")
def test_kill_9_of_service_or_worker_loses_nothing_that_was_acknowledged() -> None:
    command = [sys.executable, str(BENCHMARK), "--kills", "5"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=300)
    assert done.stdout, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["lost"], figures["problems"], figures["failures"]) == ([], [], [])
    assert sum(figures["kills"].values()) >= 5
    assert done.returncode == 0

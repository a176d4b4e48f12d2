"""Training where the memory does not suffice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ufseg.plans.plan import Plan
from ufseg.training.shrinking import smaller_plan

LIMITED = Path(__file__).with_name("limited.py")


def test_steps_become_smaller_until_the_memory_suffices() -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("only Linux limits a process's memory")
    command = [sys.executable, LIMITED, "250"]
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        # Where the limit meets native code that does not look at what it was given, the process ends with a signal.
        if done.returncode != -signal.SIGSEGV:
            break
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["finite"]
    assert found["batch"] * found["patch"][0] < 4 * 64
    assert any(stage.startswith("out of memory, training on with") for stage in found["stages"])
    sentences = [note for note in found["notes"] if "did not suffice for a step with 4 patches of 64 × 64 × 64" in note]
    assert len(sentences) == 1
    assert " on it was" in sentences[0]


def test_the_batch_goes_first_then_the_longest_axis(plan: Plan) -> None:
    big = plan.model_copy(update={"batch_size": 5, "patch_size": (40, 64, 48), "spacing": (3.0, 1.0, 1.0)})
    shapes = []
    step: Plan | None = big
    while step is not None:
        shapes.append((step.batch_size, *step.patch_size))
        Plan.model_validate(step.model_dump())
        last, step = step, smaller_plan(step)
    assert shapes[:5] == [(5, 40, 64, 48), (2, 40, 64, 48), (1, 40, 64, 48), (1, 20, 64, 48), (1, 20, 32, 48)]
    # More than one position stays on the coarsest level.
    assert sum(last.patch_size) > 3 * 4

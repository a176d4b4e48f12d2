"""Curves and the estimate before the start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ufseg.networks.device import choose_device
from ufseg.plans.plan import Plan
from ufseg.training.curve_figure import smoothed, write_curve
from ufseg.training.estimate import estimate, measure_step
from ufseg.training.settings import TrainingSettings


def test_the_curve_is_drawn_with_and_without_rate_and_validation(tmp_path: Path) -> None:
    history = [{"step": float(n), "seconds": float(n), "loss": 1.0 / n} for n in range(1, 6)]
    write_curve(history, tmp_path / "new" / "plain.png")
    richer = [point | {"learning_rate": 0.1, "validation_loss": 0.5} for point in history]
    write_curve(richer, tmp_path / "richer.png")
    for path in (tmp_path / "new" / "plain.png", tmp_path / "richer.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "richer.png").read_bytes() != (tmp_path / "new" / "plain.png").read_bytes()
    write_curve([], tmp_path / "empty.png")


def test_smoothing_keeps_a_constant_and_calms_noise() -> None:
    assert smoothed([2.0] * 5) == pytest.approx([2.0] * 5)
    zigzag = smoothed([0.0, 1.0] * 20)
    assert max(zigzag[-2:]) - min(zigzag[-2:]) < 0.2
    assert smoothed([]) == []


def test_the_estimate_names_memory_time_and_steps(plan: Plan) -> None:
    cpu = choose_device("cpu")
    assert 0 < measure_step(plan, TrainingSettings(epochs=1), cpu) < 60
    text = estimate(plan, TrainingSettings(epochs=3), cpu, steps_per_epoch=7)
    assert re.fullmatch(
        r"Expected: at most about 0\.\d GB of memory, about .* s a step, so about .* s for 21 steps\.", text
    )
    text = estimate(plan, TrainingSettings(budget_seconds=40), cpu, steps_per_epoch=7)
    assert re.search(r"so about \d+ steps? in 40 s\.", text)


def test_a_curve_is_replaced_whole(tmp_path: Path) -> None:
    history = [{"step": float(n), "loss": 1.0 / n} for n in range(1, 6)]
    for path in (tmp_path / "curve.png", tmp_path / "curve.svg"):
        path.write_bytes(b"before")
        write_curve(history, path)
        assert path.read_bytes() != b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.png", "curve.svg"]

"""The picture of the curve while a training goes on, and when it is stopped."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ufseg.cli.live_curve import LiveCurve
from ufseg.errors import CancelledError
from ufseg.progress import Progress
from ufseg.training.checkpoint import Checkpoint, CheckpointHeader, HistoryPoint, write_checkpoint

REPORT = Progress(0.5, "training")


def save(path: Path, steps: int) -> None:
    history = [HistoryPoint(step=n, seconds=n, loss=1 / n, learning_rate=0.1) for n in range(1, steps + 1)]
    header = CheckpointHeader(
        job="job",
        step=steps,
        seconds=1.0,
        history=history,
        loss_scale=None,
        schedule={},
        epoch_step=0,
        total_steps=None,
        patch_size=(8, 8),
        batch_size=1,
        notes=[],
    )
    write_checkpoint(path, Checkpoint(header, {}, {}, {}, {}))


def wait_for(picture: Path) -> bytes:
    deadline = time.monotonic() + 60
    while not picture.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return picture.read_bytes()


def test_it_is_drawn_when_a_checkpoint_was_written_and_when_it_was_stopped(tmp_path: Path) -> None:
    checkpoint, picture = tmp_path / "checkpoint.safetensors", tmp_path / "curve.png"
    seen: list[bytes] = []

    def train() -> None:
        with LiveCurve(checkpoint, picture) as curve:
            curve(REPORT)
            assert not picture.exists()
            save(checkpoint, 3)
            curve(REPORT)
            seen.append(wait_for(picture))
            save(checkpoint, 9)
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        train()
    assert seen[0].startswith(b"\x89PNG")
    assert picture.read_bytes() != seen[0]


def test_a_damaged_checkpoint_stops_nothing(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.safetensors"
    with LiveCurve(checkpoint, tmp_path / "curve.png") as curve:
        checkpoint.write_bytes(b"no checkpoint")
        curve(REPORT)
    assert not (tmp_path / "curve.png").exists()

"""Durations, class options and plain progress."""

from __future__ import annotations

import io

import pytest
import typer
from rich.console import Console

from ufseg.cli.console import ProgressDisplay, parse_classes, parse_duration
from ufseg.progress import Progress


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("5m", 300), ("1.5h", 5400), ("2d", 172800), ("2 min", 120), (" 10s", 10)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1s", "5 days", "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="no duration"):
        parse_duration(text)


def test_class_names_may_hold_an_equals_sign() -> None:
    assert parse_classes(["a=b=2"]) == {"a=b": 2}


def test_piped_progress_is_a_line_for_each_stage_and_tenth() -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=100)
    with ProgressDisplay("train", console) as show:
        for step in range(101):
            show(Progress(step / 100, "training" if step > 20 else "reading"))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "train: reading 0 %"
    assert len(lines) == 12

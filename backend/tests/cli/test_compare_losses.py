"""``ufseg compare-losses`` as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
from processes import until

from cli.conftest import Run

OURS = "asymmetric-unified-focal"
ARGUMENTS = ["--losses", f"dice,{OURS}", "--seeds", "2", "--epochs", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def resumed(ufseg: Run, phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[Path, int]]:
    """A comparison of two losses with two seeds, killed after its first run and resumed: its folder, what the second
    process printed, and the runs that were finished when the first was killed, with their time of change."""
    output = tmp_path_factory.mktemp("comparison") / "out"
    command = [sys.executable, "-m", "ufseg.cli.main", "compare-losses", str(phantom), "-o", str(output), *ARGUMENTS]
    victim = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ})
    try:
        until(lambda: victim.poll() is not None or any(output.glob("runs/*/*/run.json")), 120)
    finally:
        victim.send_signal(signal.SIGKILL)
        _, errors = victim.communicate()
    assert victim.returncode == -signal.SIGKILL, errors
    finished = {path: path.stat().st_mtime_ns for path in output.glob("runs/*/*/run.json")}
    assert not (output / "table.md").exists() or len(finished) < 4
    done = ufseg("compare-losses", phantom, "-o", output, *ARGUMENTS, "--resume")
    assert done.returncode == 0, done.stderr
    return output, done.stdout, finished


def test_what_was_finished_before_a_kill_is_not_repeated(resumed: tuple[Path, str, dict[Path, int]]) -> None:
    output, text, finished = resumed
    assert finished
    assert all(path.stat().st_mtime_ns == before for path, before in finished.items())
    assert f"{len(finished)} of 4 runs are finished already." in text
    assert "[4/4]" in text
    assert len(list(output.glob("runs/*/seed-*/run.json"))) == 4
    assert len(list(output.glob("runs/*/seed-*/weights.safetensors"))) == 4
    assert not list(output.glob("runs/*/*/checkpoint*"))
    assert not (output / "prepared-cases").exists()


def test_tables_pictures_and_scores(resumed: tuple[Path, str, dict[Path, int]]) -> None:
    output, text, _ = resumed
    assert "mean over classes\tDSC\tIoU\tPrecision\tRecall" in text
    assert "2 losses trained on" in text
    results = json.loads((output / "results.json").read_text())
    assert results["reference"] == OURS
    assert results["seeds_finished"] == 2
    assert [t["entrant"]["loss"] for t in results["trainings"]] == ["dice", OURS]
    assert all(len(t["seed_dice"]) == 2 for t in results["trainings"])
    assert {row["class_name"] for row in results["rows"]} == {"liver", "spleen", "lesion", None}
    table = (output / "table.md").read_text()
    assert f"| {OURS} |" in table
    scores = (output / "results.csv").read_text().splitlines()
    tested = len(results["request"]["test"])
    assert len(scores) == 1 + 2 * 2 * tested * 3 * 9
    for name in ("boxplots.png", "examples/1.png"):
        assert name in table
        assert sitk.ReadImage(str(output / name)).GetSize()[0] > 300


def test_a_finished_comparison_is_only_shown_again(
    ufseg: Run, phantom: Path, resumed: tuple[Path, str, dict[Path, int]]
) -> None:
    output = resumed[0]
    done = ufseg("compare-losses", phantom, "-o", output, *ARGUMENTS, "--resume")
    assert done.returncode == 0, done.stderr
    assert "All 4 runs are finished." in done.stdout
    again = ufseg("compare-losses", phantom, "-o", output, *ARGUMENTS)
    assert again.returncode == 1
    assert "Add --resume" in again.stderr


def test_gamma_sweep(ufseg: Run, phantom: Path, tmp_path: Path) -> None:
    done = ufseg(
        "compare-losses", phantom, "-o", tmp_path / "out", "--gamma-sweep", "--gammas", "0.2,0.5", "--seeds", 1,
        "--epochs", 1, "--device", "cpu", "--class", "organs=liver+spleen",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 values of γ" in done.stdout
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["reference"] == "gamma 0.5"
    assert {row["class_name"] for row in results["rows"]} == {"organs"}
    assert sitk.ReadImage(str(tmp_path / "out" / "gamma-sweep.png")).GetSize()[0] > 300


@pytest.mark.parametrize(
    ("arguments", "code", "match"),
    [
        (["--losses", "dise"], 1, "There is no loss 'dise'"),
        (["--budget", "5s", "--epochs", "1"], 2, "not both"),
        (["--gammas", "0.1"], 2, "--gammas belongs to --gamma-sweep"),
        (["--gamma-sweep", "--losses", "dice"], 2, "leave out --losses"),
        (["--gamma-sweep", "--gammas", "a"], 2, "no list of numbers"),
        (["--channels", "T2"], 1, "cannot be taken"),
        (["--class", "kidney"], 1, "cannot be taken"),
        (["--split", "absent.json"], 1, "no split file"),
        (["--resume"], 1, "no comparison to resume"),
    ],
)
def test_what_cannot_be_compared_is_told(
    ufseg: Run, phantom: Path, tmp_path: Path, arguments: list[str], code: int, match: str
) -> None:
    done = ufseg("compare-losses", phantom, "-o", tmp_path / "out", *arguments, COLUMNS="1000")
    assert done.returncode == code, done.stderr
    assert match in done.stderr
    assert not (tmp_path / "out").exists()

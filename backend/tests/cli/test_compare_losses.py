"""``ufseg compare-losses`` as a user runs it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from typer.testing import CliRunner, Result

from ufseg.cli.main import app
from ufseg.errors import ConflictError, DatasetError, ImageError, InputError
from ufseg.networks.process_environment import computing_environment

from .conftest import Run

OURS = "asymmetric-unified-focal"
ARGUMENTS = ["--losses", f"dice,{OURS}", "--seeds", "2", "--epochs", "1", "--device", "cpu"]


@pytest.fixture(scope="session")
def resumed(ufseg: Run, phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[Path, int]]:
    """A comparison of two losses with two seeds, killed after its first run and resumed: its folder, what the second
    process printed, and the runs that were finished when the first was killed, with their time of change."""
    output = tmp_path_factory.mktemp("comparison") / "out"
    command = [sys.executable, "-m", "ufseg.cli.main", "compare-losses", str(phantom), "-o", str(output), *ARGUMENTS]
    # Whatever other tests put into the environment: a comparison is resumed with the number of threads it began with.
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    environment = {**os.environ, **threads}
    victim = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    try:
        deadline = time.monotonic() + 200
        while victim.poll() is None and not any(output.glob("runs/*/*/run.json")) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        victim.send_signal(signal.SIGKILL)
        _, errors = victim.communicate()
    assert victim.returncode == -signal.SIGKILL, errors
    finished = {path: path.stat().st_mtime_ns for path in output.glob("runs/*/*/run.json")}
    assert not (output / "table.md").exists() or len(finished) < 4
    done = ufseg("compare-losses", phantom, "-o", output, *ARGUMENTS, "--resume", **threads)
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
    results = json.loads((output / "results.json").read_text(encoding="utf-8"))
    assert results["reference"] == OURS
    assert results["seeds_finished"] == 2
    assert [t["entrant"]["loss"] for t in results["trainings"]] == ["dice", OURS]
    assert all(len(t["seed_dice"]) == 2 for t in results["trainings"])
    assert {row["class_name"] for row in results["rows"]} == {"liver", "spleen", "lesion", None}
    table = (output / "table.md").read_text(encoding="utf-8")
    assert f"| {OURS} |" in table
    scores = (output / "results.csv").read_text(encoding="utf-8").splitlines()
    tested = len(results["request"]["test"])
    assert len(scores) == 1 + 2 * 2 * tested * 3 * 9
    for name in ("boxplots.png", "examples/1.png"):
        assert name in table
        assert sitk.ReadImage(str(output / name)).GetSize()[0] > 300


def test_a_finished_comparison_is_only_shown_again(
    compare: Callable[..., Result], phantom: Path, resumed: tuple[Path, str, dict[Path, int]]
) -> None:
    output = resumed[0]
    done = compare(phantom, "-o", output, *ARGUMENTS, "--resume")
    assert done.exit_code == 0, done.output
    assert "All 4 runs are finished." in done.output
    again = compare(phantom, "-o", output, *ARGUMENTS)
    assert isinstance(again.exception, InputError)
    assert "Add --resume" in str(again.exception)


def test_a_plan_of_one_s_own(
    compare: Callable[..., Result], phantom: Path, resumed: tuple[Path, str, dict[Path, int]], tmp_path: Path
) -> None:
    plan = json.loads((resumed[0] / "plan.json").read_text(encoding="utf-8"))
    plan["batch_size"] = 1
    (tmp_path / "mine.json").write_text(json.dumps(plan), encoding="utf-8")
    arguments = [phantom, "-o", tmp_path / "out", "--losses", "dice", "--seeds", 1, "--epochs", 1, "--device", "cpu"]
    done = compare(*arguments, "--plan", tmp_path / "mine.json")
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out" / "plan.json").read_text(encoding="utf-8")) == plan
    (tmp_path / "out" / "runs" / "dice" / "seed-0" / "run.json").unlink()
    plan["batch_size"] = 2
    (tmp_path / "mine.json").write_text(json.dumps(plan), encoding="utf-8")
    other = compare(*arguments, "--plan", tmp_path / "mine.json", "--resume")
    assert isinstance(other.exception, ConflictError)
    assert "another plan" in str(other.exception)


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command in this process, which has all the settings that it would start itself again for."""
    for name, value in computing_environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["compare-losses", *map(str, arguments)], env={"COLUMNS": "1000"})

    return run


def test_gamma_sweep(compare: Callable[..., Result], phantom: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(phantom, data)
    names = sorted(path.name for path in (data / "labels").iterdir())
    ids = [name.split(".")[0] for name in names]
    (data / "split.json").write_text(json.dumps({"train": ids[:-2], "test": ids[-2:]}), encoding="utf-8")
    broken = data / "labels" / names[-1]
    broken.write_bytes(broken.read_bytes()[:200])
    arguments = (
        data, "-o", tmp_path / "out", "--gamma-sweep", "--gammas", "0.2,0.5", "--seeds", 1, "--epochs", 1,
        "--device", "cpu", "--class", "organs=liver+spleen",
    )  # fmt: skip
    refused = compare(*arguments)
    assert isinstance(refused.exception, ImageError)
    assert not list((tmp_path / "out").glob("runs/*"))
    shutil.rmtree(tmp_path / "out")

    done = compare(*arguments, "--skip-unreadable")
    assert done.exit_code == 0, done.output
    assert f"Case {ids[-1]} was left out" in done.output
    assert "2 values of γ" in done.output
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert results["reference"] == "gamma 0.5"
    assert {row["class_name"] for row in results["rows"]} == {"organs"}
    assert sitk.ReadImage(str(tmp_path / "out" / "gamma-sweep.png")).GetSize()[0] > 300
    sweep = json.loads((tmp_path / "out" / "gamma-sweep.json").read_text(encoding="utf-8"))
    assert [(p["gamma"], p["class_name"]) for p in sweep["points"]] == [(0.2, "organs"), (0.5, "organs")]
    assert all(0 <= p["over_cases"]["mean"] <= 1 for p in sweep["points"])


def test_the_paper_s_schedule_and_network_on_pictures(compare: Callable[..., Result], tmp_path: Path) -> None:
    """BUS2017's layout: pictures with masks, the schedule's validation cases apart from training and test cases."""
    random = np.random.default_rng(0)
    for number in range(8):
        mask = np.zeros((48, 40), np.uint8)
        mask[10 + number : 24 + number, 8:22] = 255
        for folder, array in (("original", np.uint8(mask // 3 + random.integers(0, 60, mask.shape))), ("GT", mask)):
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "data" / folder / f"{number:06d}.png"))
    done = compare(
        tmp_path / "data", "-o", tmp_path / "out", "--losses", "dice", "--seeds", 1, "--budget", "2s", "--schedule",
        "paper", "--device", "cpu",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    request = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    parts = [request[part] for part in ("training", "validation", "test")]
    assert all(parts)
    assert sorted(case for part in parts for case in part) == [f"{number:06d}" for number in range(8)]
    assert "for validation" in (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "examples" / "1.png").exists()


def test_a_loss_that_does_not_train_is_a_result(compare: Callable[..., Result], phantom: Path, tmp_path: Path) -> None:
    # So much smoothing is infinite in single precision and makes the loss 0, where a root has an infinite slope.
    broken = "focal-tversky:smooth=1e39:gamma=0.5:bound=0"
    done = compare(
        phantom, "-o", tmp_path / "out", "--losses", f"{broken},{OURS}", "--seeds", 1, "--epochs", 1,
        "--device", "cpu", "--class", "liver",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert f"{broken}, seed 0: failed. The loss became nan" in done.output
    assert f"1 training of {broken} failed." in done.output
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert {row["label"] for row in results["rows"]} == {OURS}


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--budget", "5s", "--epochs", "1"], "not both"),
        (["--gammas", "0.1"], "--gammas belongs to --gamma-sweep"),
        (["--gamma-sweep", "--losses", "dice"], "leave out --losses"),
        (["--gamma-sweep", "--gammas", "a"], "no list of numbers"),
        (["--plan", "plan.json", "--architecture", "paper"], "leave out --architecture"),
    ],
)
def test_options_that_do_not_go_together(
    compare: Callable[..., Result], phantom: Path, tmp_path: Path, arguments: list[str], match: str
) -> None:
    done = compare(phantom, "-o", tmp_path / "out", *arguments)
    assert done.exit_code == 2
    assert match in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (["--losses", "dise"], InputError, "There is no loss 'dise'"),
        (["--channels", "T2"], DatasetError, "cannot be taken"),
        (["--class", "kidney"], DatasetError, "cannot be taken"),
        (["--split", "absent.json"], DatasetError, "no split file"),
        (["--resume"], InputError, "no comparison to resume"),
    ],
)
def test_what_cannot_be_compared_is_told(
    compare: Callable[..., Result],
    phantom: Path,
    tmp_path: Path,
    arguments: list[str],
    error: type[Exception],
    match: str,
) -> None:
    done = compare(phantom, "-o", tmp_path / "out", *arguments)
    assert isinstance(done.exception, error)
    assert match in str(done.exception)
    assert not (tmp_path / "out").exists()

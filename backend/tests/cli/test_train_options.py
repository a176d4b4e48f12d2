"""What ``ufseg train`` can be told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
import typer

from ufseg.cli.console import parse_numbers
from ufseg.cli.sparkline import sparkline
from ufseg.networks.model_folder import read_description
from ufseg.plans.plan import Plan

from .conftest import Run


def test_split_plan_loss_option_schedule_a_corrupt_case_and_a_constant_one(
    ufseg: Run, phantom: Path, model: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(phantom, data)
    images = sorted((data / "images").iterdir())
    names = [p.name.split(".")[0] for p in images]
    images[0].write_bytes(images[0].read_bytes()[:400])
    sitk.WriteImage(sitk.ReadImage(images[1]) * 0, images[1])
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"train": names[:4], "val": names[4:5]}), encoding="utf-8")
    plan = read_description(model).plan.model_copy(update={"batch_size": 1})
    plan.write(tmp_path / "plan.json")
    arguments = ["train", data, "--output", tmp_path / "model", "--epochs", 2, "--device", "cpu"]
    arguments += ["--split", split, "--plan", tmp_path / "plan.json", "--loss-option", "gamma=0.3"]
    arguments += ["--schedule", "paper", "--mirror", "LR", "--mirror", "AP", "--tensorboard", tmp_path / "curves"]
    refused = ufseg(*arguments)
    assert refused.returncode == 1
    assert names[0] in refused.stderr
    done = ufseg(*arguments, "--skip-unreadable")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"Case {names[0]} was left out") == 1
    assert f"1 of 3 images is constant ({names[1]})" in done.stderr
    assert "Expected: at most about" in done.stdout
    assert "Dice on 1 held-out case" in done.stdout or "mean\t" in done.stdout
    description = read_description(tmp_path / "model")
    assert set(description.trained_on) == set(names[1:4])
    assert description.plan == plan
    assert description.mirror == ("AP", "LR")
    assert description.loss.options == {"gamma": 0.3}
    assert {p.name for p in (tmp_path / "model").iterdir()} == {"curve.png", "model.json", "weights.safetensors"}
    assert any(p.name.startswith("events") for p in (tmp_path / "curves").iterdir())


def test_two_processes_write_one_model(phantom: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "ufseg.cli.main", "train", str(phantom), "--output", str(tmp_path / "model")]
    command += ["--epochs", "1", "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=environment, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("Model written to") == 1
    assert "2 processes" in done.stdout
    assert read_description(tmp_path / "model").trained_on


def test_contradicting_options_are_usage_errors(ufseg: Run, phantom: Path, tmp_path: Path) -> None:
    for options in (
        ["--loss-option", "gamma"],
        ["--plan", "plan.json", "--architecture", "paper"],
        ["--plan", "plan.json", "--memory", "3"],
    ):
        done = ufseg("train", phantom, "--output", tmp_path / "model", *options)
        assert done.returncode == 2, done.stderr
    done = ufseg("train", "--task", "liver", "--schedule", "paper")
    assert done.returncode == 2
    assert not (tmp_path / "model").exists()


def test_a_plan_that_does_not_fit_is_refused(ufseg: Run, phantom: Path, model: Path, tmp_path: Path) -> None:
    plan: Plan = read_description(model).plan
    plan.model_copy(update={"classes": plan.classes + 2}).write(tmp_path / "plan.json")
    done = ufseg("train", phantom, "--output", tmp_path / "model", "--plan", tmp_path / "plan.json", "--epochs", 1)
    assert done.returncode == 1
    assert f"it has {plan.classes + 2} classes" in done.stderr


def test_numbers_by_name() -> None:
    assert parse_numbers(["gamma=0.3", "delta=.6"]) == {"gamma": 0.3, "delta": 0.6}
    with pytest.raises(typer.BadParameter, match="NAME=NUMBER"):
        parse_numbers(["gamma=high"])


def test_a_sparkline_falls_with_its_values() -> None:
    assert sparkline([4, 3, 2, 1], 4) == "█▆▃▁"
    assert sparkline([1.0] * 100) == "▁" * 24
    assert sparkline([]) == ""

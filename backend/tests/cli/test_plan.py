"""``ufseg plan``: one run as a user's, the others in this process, since each new one loads torch again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ufseg.cli.plan import plan
from ufseg.errors import ImageError, InputError, PlanError
from ufseg.plans.plan import Plan

from .conftest import Run


def test_the_plan_is_shown_explained_and_written(ufseg: Run, phantom: Path, tmp_path: Path) -> None:
    done = ufseg("plan", phantom, "--explain", "--device", "cpu", "--memory", "1.5", "--output", tmp_path / "plan.json")
    assert done.returncode == 0, done.stderr
    written = Plan.read(tmp_path / "plan.json")
    assert f"patch (voxels)\t{' × '.join(map(str, written.patch_size))}" in done.stdout
    for word in ("Data", "Classes", "Dimension", "Spacing", "Normalisation", "Patch", "Batch", "Memory"):
        assert f"\n- {word}" in done.stdout
    assert "of the 1.5 GB allowed" in done.stdout
    with pytest.raises(InputError, match="exists already"):
        plan(phantom, output=tmp_path / "plan.json")


def test_dimension_and_architecture_are_asked_for(phantom: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan(phantom, dimension="2", architecture="paper", explain=True, device="cpu")
    shown = capsys.readouterr().out
    assert "architecture\tpaper" in shown
    assert "Dimension 2: set by hand; volumes are taken slice by slice." in shown
    with pytest.raises(PlanError, match=r"0\.5 GB were given"):
        plan(phantom, memory=0.5, device="cpu")


def test_a_plan_written_by_hand_is_checked(phantom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.json"
    plan(phantom, output=path, device="cpu")
    content = json.loads(path.read_text(encoding="utf-8")) | {"spacing": [4.0, 2.0, 2.0]}
    path.write_text(json.dumps(content), encoding="utf-8")
    plan(phantom, given=path, explain=True, device="cpu")
    assert "Spacing 4 × 2 × 2 mm: set by hand" in capsys.readouterr().out
    path.write_text(json.dumps(content | {"classes": 9}), encoding="utf-8")
    with pytest.raises(PlanError, match=r"The plan .*mine\.json does not fit the data: it has 9 classes"):
        plan(phantom, given=path, device="cpu")


@pytest.mark.parametrize("part", ["images", "labels"])
def test_unreadable_cases_are_skipped_if_asked(
    phantom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(phantom, folder)
    (folder / "dataset.json").unlink()  # so that the label maps tell the classes
    broken = sorted((folder / part).iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(ImageError, match=broken.name):
        plan(folder, device="cpu")
    plan(folder, skip_unreadable=True, device="cpu")
    assert f"Case {broken.name.split('.')[0]} was left out" in capsys.readouterr().err

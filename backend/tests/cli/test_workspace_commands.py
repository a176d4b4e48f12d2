"""Tasks, cases and models of a workspace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ufseg.images.datasets import read_dataset
from ufseg.workspace.membership import membership_of

from .conftest import Run


@pytest.fixture
def workspace(ufseg: Run, phantom: Path, tmp_path: Path) -> Path:
    """A workspace with the phantom imported as task "Phantom"."""
    folder = tmp_path / "workspace"
    classes = read_dataset(phantom).classes
    options = [part for e in classes.entries for part in ("--class", f"{e.name}={e.value}")]
    done = ufseg("tasks", "create", "Phantom", "--modality", "CT", *options, "--workspace", folder)
    assert done.returncode == 0, done.stderr
    done = ufseg("cases", "import", "Phantom", phantom, "--author", "tester", "--workspace", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_imported_cases_are_listed_with_their_frozen_membership(ufseg: Run, workspace: Path, phantom: Path) -> None:
    lines = ufseg("cases", "list", "Phantom", "--workspace", workspace).stdout.splitlines()[1:]
    cells = [line.split("\t") for line in lines]
    assert {c[0] for c in cells} == {c.id for c in read_dataset(phantom).cases}
    assert all(c[3] == membership_of(c[1], 0.25) for c in cells)


def test_a_second_import_adds_nothing(ufseg: Run, workspace: Path, phantom: Path) -> None:
    before = ufseg("cases", "list", "Phantom", "--workspace", workspace).stdout
    assert ufseg("cases", "import", "Phantom", phantom, "--workspace", workspace).returncode == 0
    assert ufseg("cases", "list", "Phantom", "--workspace", workspace).stdout == before


@pytest.mark.slow
def test_a_task_is_trained_promoted_exported_and_predicts(
    ufseg: Run, workspace: Path, phantom: Path, tmp_path: Path
) -> None:
    image = sorted((phantom / "images").iterdir())[0]
    early = ufseg("predict", image, "--task", "Phantom", "--workspace", workspace, "--output", tmp_path / "early")
    assert early.returncode == 1
    assert "no model yet" in early.stderr
    trained = ufseg("train", "--task", "Phantom", "--workspace", workspace, "--budget", "3s", "--device", "cpu")
    assert trained.returncode == 0, trained.stderr
    assert "first version" in trained.stdout
    listed = ufseg("models", "list", "Phantom", "--workspace", workspace).stdout.splitlines()
    assert listed[1].split("\t")[:2] == ["1", "promoted"]
    exported = ufseg("models", "export", "Phantom", "--output", tmp_path / "model", "--workspace", workspace)
    assert exported.returncode == 0, exported.stderr
    nowhere = image / "model"  # below a file
    refused = ufseg("models", "export", "Phantom", "--output", nowhere, "--workspace", workspace)
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: Version 1 (")
    assert str(nowhere) in refused.stderr
    predicted = ufseg("predict", image, "--model", tmp_path / "model", "--output", tmp_path / "out")
    assert predicted.returncode == 0, predicted.stderr
    written = {p.name for p in (tmp_path / "out").iterdir()}
    assert written == {image.name.split(".")[0] + ".nii.gz", "classes.json"}
    back = ufseg("models", "rollback", "Phantom", "--workspace", workspace)
    assert back.returncode == 1
    assert "no earlier model" in back.stderr


def test_an_unknown_task_is_answered_with_the_known_ones(ufseg: Run, workspace: Path) -> None:
    done = ufseg("tasks", "show", "Liver", "--workspace", workspace)
    assert done.returncode == 1
    assert "'Phantom'" in done.stderr


def test_a_task_is_shown_as_json(ufseg: Run, workspace: Path) -> None:
    shown = json.loads(ufseg("tasks", "show", "Phantom", "--workspace", workspace).stdout)
    assert shown["name"] == "Phantom"
    assert shown["cases"]["unlabelled"] == 0


@pytest.mark.parametrize("given", ["tumour", "tumour=x", "=1"])
def test_a_class_without_a_value_is_a_usage_error(ufseg: Run, tmp_path: Path, given: str) -> None:
    done = ufseg("tasks", "create", "T", "--class", given, "--workspace", tmp_path)
    assert done.returncode == 2


def test_cases_refused_for_one_reason_are_named_together_and_leave_nothing(
    ufseg: Run, phantom: Path, tmp_path: Path
) -> None:
    assert ufseg("tasks", "create", "Bones", "--class", "bone=1", "--workspace", tmp_path).returncode == 0
    done = ufseg("cases", "import", "Bones", phantom, "--workspace", tmp_path)
    assert done.returncode == 1
    assert "6 cases were refused." in done.stderr
    assert done.stderr.count("There is no class named 'liver'") == 1
    assert len(ufseg("cases", "list", "Bones", "--workspace", tmp_path).stdout.splitlines()) == 1


def test_an_import_tells_programs_how_far_it_is(ufseg: Run, workspace: Path, phantom: Path) -> None:
    done = ufseg("cases", "import", "Phantom", phantom, "--json", "--workspace", workspace)
    assert done.returncode == 0, done.stderr
    *steps, outcome = map(json.loads, done.stdout.splitlines())
    assert [step["done"] for step in steps] == list(range(outcome["of"] + 1))
    assert outcome["imported"] == outcome["of"] > 0
    assert outcome["refused"] == []

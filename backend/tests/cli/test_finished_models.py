"""Models bundled with a card, found by name, installed and used without a workspace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import SimpleITK as sitk

from ufseg.networks.available import VARIABLE
from ufseg.networks.model_card import CARD_FILE, render_card
from ufseg.networks.model_folder import WEIGHTS_FILE, read_description

from .conftest import Run

NAME = "phantom-ct"
FACTS = {
    "title": "Phantom CT",
    "summary": "Segments the synthetic phantom, for tests.",
    "channels": ["CT"],
    "data": {
        "name": "Phantom",
        "content": "6 synthetic volumes | with a bar.",
        "licence": "none needed",
        "changes": "Nothing was changed.",
        "citations": ["Nobody, Nowhere, 2026"],
    },
    "licence": "Apache-2.0",
    "intended_use": "Tests.",
    "limits": ["It knows no anatomy."],
    "test_set": "Measured on its own training cases, which proves nothing.",
    "settings": {"budget": "two epochs"},
    "commands": ["ufseg train phantom --output model"],
}


@pytest.fixture(scope="session")
def evaluation(ufseg: Run, phantom: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's evaluation on three phantoms."""
    folder = tmp_path_factory.mktemp("evaluation")
    images = sorted((phantom / "images").iterdir())[:3]
    done = ufseg("predict", *images, "--model", model, "--output", folder / "predictions", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    (folder / "references").mkdir()
    for image in images:
        (folder / "references" / image.name).write_bytes((phantom / "labels" / image.name).read_bytes())
    options = [part for e in read_description(model).classes.entries for part in ("--class", f"{e.name}={e.value}")]
    path = folder / "evaluation.json"
    done = ufseg("evaluate", folder / "predictions", folder / "references", *options, "--json", path)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="session")
def facts(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The facts, with colours for the classes."""
    path = tmp_path_factory.mktemp("facts") / "facts.json"
    classes = [{"value": e.value, "name": e.name, "color": [9, 8, 7]} for e in read_description(model).classes.entries]
    path.write_text(json.dumps(FACTS | {"classes": classes}), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def bundled(ufseg: Run, model: Path, evaluation: Path, facts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundled model in a folder of models."""
    folder = tmp_path_factory.mktemp("models") / NAME
    options = ("--name", NAME, "--evaluation", evaluation, "--card-facts", facts, "--half", "--output", folder)
    done = ufseg("models", "bundle", model, *options)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_cards_numbers_are_the_evaluations(bundled: Path, model: Path, evaluation: Path) -> None:
    report = json.loads(evaluation.read_text(encoding="utf-8"))
    trained, described = read_description(model), read_description(bundled)
    assert (described.name, described.task, described.channel_names) == (NAME, "Phantom CT", ["CT"])
    assert described.plan == trained.plan
    assert [e.color for e in described.classes.entries] == [(9, 8, 7)] * len(trained.classes.entries)
    assert described.scores == {"mean": report["mean"]} | report["per_class"]
    card = (bundled / CARD_FILE).read_text(encoding="utf-8")
    assert card == render_card(described)
    for row in report["summary"]:
        if row["metric"] == "dice":
            over = row["over_cases"]
            assert f"{over['mean']:.4f} [{over['low']:.4f}, {over['high']:.4f}] (n = {over['n']})" in card
    for words in ("not a medical device", "Nobody, Nowhere", "Apache-2.0", "two epochs", "    ufseg train", "0.1"):
        assert words in card
    lines = [line for line in card.splitlines() if line.startswith("| ")]
    assert len(lines) > 15
    assert (bundled / WEIGHTS_FILE).stat().st_size < 0.6 * (model / WEIGHTS_FILE).stat().st_size


def test_found_installed_and_used_by_name(
    ufseg: Run, bundled: Path, phantom: Path, evaluation: Path, tmp_path: Path
) -> None:
    where = {VARIABLE: str(bundled.parent)}
    listed = ufseg("models", "available", **where)
    row = next(line.split("\t") for line in listed.stdout.splitlines() if line.startswith(NAME))
    assert row[1:3] == ["Phantom CT", "CT"]
    assert row[4] == f"{read_description(bundled).scores['mean']:.4f}"  # type: ignore[index]

    image = sorted((phantom / "images").iterdir())[0]
    done = ufseg("predict", image, "--model", NAME, "--output", tmp_path / "out", "--device", "cpu", **where)
    assert done.returncode == 0, done.stderr
    name = f"{image.stem}.nii.gz"
    files = (tmp_path / "out" / name, evaluation.with_name("predictions") / name)
    halved, whole = (sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in files)
    assert (halved == whole).mean() > 0.99

    workspace = tmp_path / "workspace"
    done = ufseg("models", "install", NAME, "--workspace", workspace, **where)
    assert done.returncode == 0, done.stderr
    assert "in use now" in done.stdout
    again = ufseg("models", "install", bundled, "--workspace", workspace)
    assert again.returncode == 0, again.stderr
    assert "Nothing was changed" in again.stdout
    versions = ufseg("models", "list", "Phantom CT", "--workspace", workspace).stdout.splitlines()
    assert len(versions) == 2
    assert versions[1].split("\t")[:4] == ["1", "promoted", "–", "elsewhere"]
    done = ufseg("models", "export", "Phantom CT", "--workspace", workspace, "--output", tmp_path / "back")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back" / WEIGHTS_FILE).read_bytes() == (bundled / WEIGHTS_FILE).read_bytes()


def test_an_unknown_name_is_answered_with_the_known_ones(ufseg: Run, bundled: Path, tmp_path: Path) -> None:
    for command in (("models", "install", "liver"), ("predict", __file__, "--model", "liver", "--output", tmp_path)):
        done = ufseg(*command, **{VARIABLE: str(bundled.parent)})
        assert done.returncode == 1
        assert NAME in done.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"limits": []}, "limits"),
        ({"classes": [{"value": 1, "name": "brain"}]}, "the model's are"),
        ({"channels": ["CT", "MRI"]}, "names 2 channels"),
    ],
)
def test_facts_that_do_not_fit_the_model_are_refused(
    ufseg: Run, model: Path, evaluation: Path, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(FACTS | change), encoding="utf-8")
    options = ("--name", NAME, "--evaluation", evaluation, "--card-facts", path, "--output", tmp_path / NAME)
    done = ufseg("models", "bundle", model, *options)
    assert done.returncode == 1
    assert words in done.stderr
    assert not (tmp_path / NAME).exists()


def test_an_evaluation_of_other_classes_is_refused(
    ufseg: Run, model: Path, evaluation: Path, facts: Path, tmp_path: Path
) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(evaluation.read_text(encoding="utf-8").replace('"lesion"', '"tumour"'), encoding="utf-8")
    options = ("--name", NAME, "--evaluation", path, "--card-facts", facts, "--output", tmp_path / NAME)
    done = ufseg("models", "bundle", model, *options)
    assert done.returncode == 1
    assert "--class NAME=VALUE" in done.stderr

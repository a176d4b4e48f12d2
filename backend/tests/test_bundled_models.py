"""The models in Resources/Models keep what their cards say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ufseg.evaluation.dice import dice_per_class
from ufseg.evaluation.summary import summarise
from ufseg.images.datasets import read_dataset
from ufseg.images.reading import read_case
from ufseg.inference.predictor import Predictor
from ufseg.networks.available import available_models
from ufseg.networks.device import choose_device
from ufseg.networks.model_card import CARD_FILE, render_card
from ufseg.networks.model_folder import DESCRIPTION_FILE, WEIGHTS_FILE, ModelDescription, read_description, read_model

MODELS = Path(__file__).resolve().parents[2] / "Resources" / "Models"
FOLDERS = sorted(path.parent for path in MODELS.glob(f"*/{DESCRIPTION_FILE}"))
HIPPOCAMPUS = MODELS / "hippocampus-mri"
LARGEST_BYTES = 8_000_000


@pytest.fixture(params=FOLDERS, ids=lambda folder: str(folder.name))
def bundled(request: pytest.FixtureRequest) -> Path:
    """Each bundled model; skips where there is none."""
    folder: Path = request.param
    return folder


@pytest.fixture
def hippocampus() -> Path:
    if HIPPOCAMPUS not in FOLDERS:
        pytest.skip("the model hippocampus-mri is not in Resources/Models yet")
    return HIPPOCAMPUS


def test_it_is_small_and_found_by_its_name(bundled: Path) -> None:
    assert (bundled / WEIGHTS_FILE).stat().st_size <= LARGEST_BYTES
    assert sorted(path.name for path in bundled.iterdir()) == sorted([CARD_FILE, DESCRIPTION_FILE, WEIGHTS_FILE])
    models, problems = available_models([MODELS])
    assert bundled.name in {model.name for model in models}
    assert not [p for p in problems if str(MODELS) in p]


def test_the_card_is_that_of_the_model_and_its_numbers_are_the_scores(bundled: Path) -> None:
    description = read_description(bundled)
    text = (bundled / CARD_FILE).read_text(encoding="utf-8")
    assert text == render_card(description)
    assert description.card is not None
    assert description.scores is not None
    dice = {m.class_name or "mean": m for m in description.card.measured if m.metric == "dice"}
    assert {name: m.mean for name, m in dice.items()} == pytest.approx(description.scores)
    for measured in dice.values():
        assert measured.low is not None
        assert measured.high is not None
        assert f"{measured.mean:.4f} [{measured.low:.4f}, {measured.high:.4f}] (n = {measured.n})" in text
    assert str(description.weights_sha256) in text
    assert "not a medical device" in text


def test_hippocampus_segments_test_cases(hippocampus: Path, shared_data: Path) -> None:
    folder = shared_data / "hippocampus_mri"
    names = json.loads((folder / "split.json").read_text(encoding="utf-8"))["val"][:3]
    description, predictor = _predictor(hippocampus)
    cases = [case for case in read_dataset(folder).cases if case.id in names]
    scores = {}
    for case in cases:
        image, label = read_case(case, description.classes)
        assert label is not None
        scores[case.id] = dice_per_class(predictor.predict(image), label, description.classes)
    mean = summarise(scores).mean
    assert mean is not None
    assert mean > 0.85, scores


def test_hippocampus_names_its_data_and_their_licence(hippocampus: Path) -> None:
    text = (hippocampus / CARD_FILE).read_text(encoding="utf-8")
    for words in ("CC-BY-SA 4.0", "arXiv:1902.09063", "Nature Communications 13, 4128, 2022", "10.1038/s41467"):
        assert words in text
    trained_on = set(read_description(hippocampus).trained_on)
    assert len(trained_on) == 190
    assert all(re.fullmatch(r"hippocampus_\d{3}", name) for name in trained_on)


def test_hippocampus_saw_no_test_case(hippocampus: Path, shared_data: Path) -> None:
    split = json.loads((shared_data / "hippocampus_mri" / "split.json").read_text(encoding="utf-8"))
    assert set(read_description(hippocampus).trained_on) == set(split["train"])


def _predictor(folder: Path) -> tuple[ModelDescription, Predictor]:
    device = choose_device("cpu")
    description, network = read_model(folder, device)
    return description, Predictor(description, network, device)

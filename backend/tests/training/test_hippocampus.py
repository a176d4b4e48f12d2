"""From four real cases to segmentations of others."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from ufseg import __version__
from ufseg.evaluation.dice import dice_per_class
from ufseg.evaluation.summary import summarise
from ufseg.images.datasets import read_dataset
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image
from ufseg.images.reading import read_case
from ufseg.inference.predictor import Predictor
from ufseg.networks.device import choose_device
from ufseg.networks.model_folder import LossChoice, ModelDescription, read_model, write_model
from ufseg.plans.fingerprint import fingerprint
from ufseg.plans.planner import make_plan
from ufseg.training.prepare import prepare_cases
from ufseg.training.settings import TrainingSettings
from ufseg.training.trainer import train


@pytest.mark.slow
def test_four_cases_teach_a_little_in_a_few_steps(shared_data: Path, tmp_path: Path) -> None:
    dataset = read_dataset(shared_data / "hippocampus_mri")
    training, test = dataset.cases[0:40:10], dataset.cases[100:106]
    device = choose_device("cpu")
    plan = make_plan(fingerprint(training, dataset.classes, "MRI"), dataset.classes)
    settings = TrainingSettings(epochs=20, learning_rate=5e-3)
    result = train(prepare_cases(training, plan, dataset.classes), plan, settings, device=device)
    description = ModelDescription(
        name="hippocampus",
        task="hippocampus",
        plan=plan,
        classes=dataset.classes,
        channel_names=["T1"],
        loss=LossChoice(name=settings.loss),
        trained_on=[case.id for case in training],
        seconds=result.seconds,
        device=device.name,
        created=datetime.now(timezone.utc),
        ufseg_version=__version__,
    )
    write_model(tmp_path, description, result.state_dict)
    predictor = Predictor(*read_model(tmp_path, device), device)
    scores = {}
    for case in test:
        image, label = read_case(case, dataset.classes)
        assert label is not None
        predicted = predictor.predict(image)
        scores[case.id] = dice_per_class(predicted, label, dataset.classes)
    mean = summarise(scores).mean
    print(f"{result.steps} steps, {result.seconds:.1f} s, mean Dice {mean}")
    assert mean is not None
    # A minute of training reaches 0.84; these few steps must only show that image and label belong together.
    assert mean > 0.4

    # The last case again, stored with its first axis reversed: the same voxels of the patient.
    g = image.geometry
    reversed_grid = Geometry(
        size=g.size,
        spacing=g.spacing,
        origin=tuple(g.position((g.size[0] - 1, 0, 0)).tolist()),
        direction=tuple((g.matrix * np.array([-1.0, 1.0, 1.0])).reshape(-1).tolist()),
    )
    again = predictor.predict(Image(np.ascontiguousarray(image.array[..., ::-1]), reversed_grid))
    np.testing.assert_array_equal(again.array[..., ::-1], predicted.array)

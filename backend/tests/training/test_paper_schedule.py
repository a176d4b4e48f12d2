"""The schedule of the paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from ufseg.errors import CancelledError, InputError
from ufseg.networks.build import build_network, load_weights
from ufseg.networks.device import choose_device
from ufseg.plans.plan import Plan
from ufseg.training.cases import PreparedCase
from ufseg.training.objective import Objective
from ufseg.training.optimisation import Plateau
from ufseg.training.settings import PaperSchedule, TrainingSettings
from ufseg.training.trainer import train
from ufseg.training.validation import tiles, validation_loss

MakeCase = Callable[..., PreparedCase]


def test_the_rate_falls_after_ten_epochs_without_improvement_and_the_training_ends_after_twenty() -> None:
    layer = nn.Linear(1, 1)
    optimisation = Plateau(layer.named_parameters(), PaperSchedule())
    assert optimisation.rate == 0.1
    assert optimisation.end_epoch(1.0)
    assert optimisation.end_epoch(0.9)
    rates = []
    for _ in range(20):
        assert not optimisation.finished
        assert not optimisation.end_epoch(0.95)
        rates.append(optimisation.rate)
    assert rates == pytest.approx([0.1] * 9 + [0.01] * 10 + [0.001])
    assert optimisation.finished


def test_its_counters_survive_a_checkpoint() -> None:
    layers = [nn.Linear(1, 1) for _ in range(2)]
    settings = PaperSchedule(patience=2, stop_patience=5)
    whole = Plateau(layers[0].named_parameters(), settings)
    for loss in (1.0, 0.5, 0.6, 0.7):
        whole.end_epoch(loss)
    copy = Plateau(layers[1].named_parameters(), settings)
    copy.load_numbers(whole.numbers())
    for loss in (0.55, 0.56, 0.52, 0.53):
        assert whole.end_epoch(loss) == copy.end_epoch(loss)
        assert (whole.rate, whole.finished) == (copy.rate, copy.finished)
    fresh = Plateau(nn.Linear(1, 1).named_parameters(), settings)
    fresh.load_numbers(Plateau(nn.Linear(1, 1).named_parameters(), settings).numbers())
    assert fresh.end_epoch(100.0)


def test_an_interrupted_training_ends_like_an_uninterrupted_one(
    plan_2d: Plan, make_case: MakeCase, tmp_path: Path
) -> None:
    cases = [make_case(number, (16, 16)) for number in range(5)]
    held_out = [make_case(number, (20, 16)) for number in (50, 51)]
    cpu = choose_device("cpu")
    settings = TrainingSettings(
        epochs=30, schedule="paper", paper=PaperSchedule(patience=3, stop_patience=6), checkpoint_seconds=0
    )
    whole = train(cases, plan_2d, settings, device=cpu, validation=held_out)
    losses = [point["validation_loss"] for point in whole.history if "validation_loss" in point]
    assert len(losses) > 3
    assert min(losses) < losses[0]

    # The result is the best epoch's.
    network = build_network(plan_2d, 1)
    load_weights(network, whole.state_dict)
    total, patches = validation_loss(network, Objective(settings), held_out, plan_2d, cpu)
    assert total / patches == pytest.approx(min(losses), abs=1e-4)

    path = tmp_path / "checkpoint.safetensors"
    asked = 0

    def after_eleven_steps() -> bool:
        nonlocal asked
        asked += 1
        return asked > 11

    with pytest.raises(CancelledError):
        train(
            cases,
            plan_2d,
            settings,
            device=cpu,
            validation=held_out,
            checkpoint=path,
            cancelled=after_eleven_steps,
        )
    resumed = train(cases, plan_2d, settings, device=cpu, validation=held_out, checkpoint=path, resume=True)
    assert resumed.steps == whole.steps
    assert all(torch.equal(resumed.state_dict[name], whole.state_dict[name]) for name in whole.state_dict)


def test_it_needs_validation_cases(plan_2d: Plan, make_case: MakeCase) -> None:
    settings = TrainingSettings(epochs=1, schedule="paper")
    with pytest.raises(InputError, match="there are none"):
        train([make_case(1, (16, 16))], plan_2d, settings, device=choose_device("cpu"))


def test_validation_patches_cover_a_case_once_side_by_side(plan: Plan, make_case: MakeCase) -> None:
    case = make_case(1, (32, 10, 40))
    centres = [tuple(centre.tolist()) for _, centre in tiles(case, plan)]
    assert centres == [(7.5, 4.5, c) for c in (7.5, 19.5, 31.5)] + [(23.5, 4.5, c) for c in (7.5, 19.5, 31.5)]

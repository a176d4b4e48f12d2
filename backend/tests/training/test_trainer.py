"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ufseg.errors import (
    CancelledError,
    ConflictError,
    DatasetError,
    InputError,
    StorageError,
    TrainingError,
)
from ufseg.networks.build import build_network, load_weights
from ufseg.networks.device import Device, autocast_dtype, choose_device
from ufseg.plans.plan import Plan
from ufseg.progress import Progress
from ufseg.training.cases import IGNORED, PreparedCase
from ufseg.training.objective import Objective
from ufseg.training.settings import TrainingSettings
from ufseg.training.trainer import train

MakeCase = Callable[..., PreparedCase]


@pytest.fixture(scope="session")
def cpu() -> Device:
    return choose_device("cpu")


@pytest.fixture
def cases(make_case: MakeCase) -> list[PreparedCase]:
    return [make_case(number) for number in range(4)]


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_learns(cases: list[PreparedCase], plan: Plan, cpu: Device, make_case: MakeCase) -> None:
    result = train(cases, plan, TrainingSettings(epochs=30, learning_rate=0.01), device=cpu)
    network = build_network(plan, 1).eval()
    load_weights(network, result.state_dict)
    unseen = make_case(99, (16, 16, 16))
    with torch.no_grad():
        predicted = network(torch.from_numpy(unseen.image)[None])[0].argmax(0).numpy()
    for value in (1, 2):
        mine, wanted = predicted == value, unseen.label == value
        assert 2 * (mine & wanted).sum() / (mine.sum() + wanted.sum()) > 0.8
    assert result.history[-1]["loss"] < 0.5 * result.history[0]["loss"]
    assert result.history[-1]["step"] == result.steps == 120
    assert [p["step"] for p in result.history] == sorted(p["step"] for p in result.history)


def test_the_same_seed_gives_the_same_weights(cases: list[PreparedCase], plan: Plan, cpu: Device) -> None:
    runs = [train(cases, plan, TrainingSettings(epochs=2, seed=seed), device=cpu).state_dict for seed in (1, 1, 2)]
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_an_interrupted_training_ends_like_an_uninterrupted_one(
    cases: list[PreparedCase], plan: Plan, cpu: Device, tmp_path: Path
) -> None:
    settings = TrainingSettings(epochs=4, checkpoint_seconds=0)
    whole = train(cases, plan, settings, device=cpu)
    path = tmp_path / "job" / "checkpoint.safetensors"
    asked = 0

    def after_nine_steps() -> bool:
        nonlocal asked
        asked += 1
        return asked > 9

    with pytest.raises(CancelledError):
        train(cases, plan, settings, device=cpu, checkpoint=path, cancelled=after_nine_steps)
    assert asked == 10  # asked once a step, and stopped at once
    torch.manual_seed(12345)  # a new process has another global random state
    resumed = train(cases, plan, settings, device=cpu, checkpoint=path, resume=True)
    assert resumed.steps == whole.steps
    assert same(resumed.state_dict, whole.state_dict)
    assert [p["step"] for p in resumed.history] == [p["step"] for p in whole.history]
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    # Resumed again after its end, it has nothing left to do.
    again = train(cases, plan, settings, device=cpu, checkpoint=path, resume=True)
    assert same(again.state_dict, whole.state_dict)


def test_a_checkpoint_continues_only_its_own_training(
    cases: list[PreparedCase], plan: Plan, cpu: Device, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    settings = TrainingSettings(epochs=1)
    with pytest.raises(StorageError, match="no checkpoint"):
        train(cases, plan, settings, device=cpu, checkpoint=path, resume=True)
    train(cases, plan, settings, device=cpu, checkpoint=path)
    with pytest.raises(ConflictError, match="other cases"):
        train(cases[:2], plan, settings, device=cpu, checkpoint=path, resume=True)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(StorageError, match="damaged"):
        train(cases, plan, settings, device=cpu, checkpoint=path, resume=True)
    anew = train(cases, plan, settings, device=cpu, checkpoint=path, resume="if possible")
    assert same(anew.state_dict, train(cases, plan, settings, device=cpu).state_dict)
    assert "is damaged" in anew.notes[0]
    assert anew.notes[0].endswith("It was done anew from the beginning.")


def test_a_checkpoint_that_cannot_be_written_is_said(
    cases: list[PreparedCase], plan: Plan, cpu: Device, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(StorageError, match="could not be written"):
        train(cases, plan, TrainingSettings(epochs=1), device=cpu, checkpoint=tmp_path / "file" / "checkpoint")


def test_a_budget_is_kept_and_ends_with_a_small_step(cases: list[PreparedCase], plan: Plan, cpu: Device) -> None:
    reports: list[Progress] = []
    started = time.monotonic()
    result = train(cases, plan, TrainingSettings(budget_seconds=3), device=cpu, progress=reports.append)
    assert time.monotonic() - started < 4.5
    assert 2 < result.seconds < 4
    fractions = [r.fraction for r in reports]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == 1
    rates = [r.scalars["learning_rate"] for r in reports]
    assert rates[-1] < 0.1 * max(rates)
    assert reports[-1].scalars["step"] == result.steps
    assert reports[-1].eta_seconds == 0


def test_a_budget_shorter_than_a_step_makes_one_step(cases: list[PreparedCase], plan: Plan, cpu: Device) -> None:
    assert train(cases, plan, TrainingSettings(budget_seconds=1e-6), device=cpu).steps == 1


def test_continues_from_given_weights(cases: list[PreparedCase], plan: Plan, cpu: Device) -> None:
    first = train(cases, plan, TrainingSettings(epochs=10), device=cpu)
    second = train(cases, plan, TrainingSettings(epochs=1), device=cpu, initial=first.state_dict)
    scratch = train(cases, plan, TrainingSettings(epochs=1), device=cpu)
    assert second.history[-1]["loss"] < scratch.history[-1]["loss"]


def test_two_dimensions_and_two_channels(plan_2d: Plan, cpu: Device, make_case: MakeCase) -> None:
    flat = make_case(1, (20, 30))
    case = PreparedCase.of("two", np.concatenate([flat.image, flat.image]), flat.label)
    plan = plan_2d.model_copy(update={"normalisation": plan_2d.normalisation * 2})
    result = train([case], plan, TrainingSettings(epochs=2), device=cpu)
    assert next(iter(result.state_dict.values())).ndim == 4


def test_a_loss_that_is_not_finite_stops(cases: list[PreparedCase], plan: Plan, cpu: Device) -> None:
    image = cases[0].image.copy()
    image[0, 8, 7, 8] = np.nan
    broken = [PreparedCase(c.id, image, c.label, c.foreground) for c in cases[:1]]
    with pytest.raises(TrainingError, match=r"loss became nan at step 1 .*No model was written"):
        train(broken, plan, TrainingSettings(epochs=1), device=cpu)


def test_deep_supervision_leaves_the_model_as_it_is(cases: list[PreparedCase], plan: Plan, cpu: Device) -> None:
    runs = [
        train(cases, plan, TrainingSettings(epochs=1, deep_supervision=deep), device=cpu).state_dict
        for deep in (False, True)
    ]
    assert runs[0].keys() == runs[1].keys()
    assert not same(runs[0], runs[1])
    load_weights(build_network(plan, 1), runs[1])
    continued = train(cases, plan, TrainingSettings(epochs=1), device=cpu, initial=runs[1])
    assert continued.state_dict.keys() == runs[1].keys()


def test_what_is_not_annotated_has_no_influence_on_the_loss() -> None:
    objective = Objective(TrainingSettings())
    label = torch.randint(0, 3, (1, 8, 8, 8), dtype=torch.uint8)
    label[:, 4:] = IGNORED
    logits = torch.randn(1, 3, 8, 8, 8)
    other = logits.clone()
    other[:, :, 4:] = torch.randn(1, 3, 4, 8, 8)
    assert objective(logits, label) == objective(other, label)
    coarse = [logits, torch.randn(1, 3, 4, 4, 4)]
    changed = [other, coarse[1].clone()]
    changed[1][:, :, 2:] = 5
    assert objective(coarse, label) == objective(changed, label)
    assert objective(coarse, label) != objective(logits, label)


def test_a_patch_of_two_slices_on_a_coarse_level_trains_the_same_each_time(
    plan: Plan, cpu: Device, make_case: MakeCase
) -> None:
    flat = plan.model_copy(update={"patch_size": (8, 16, 16)})
    poison = [torch.full((1 << size,), torch.nan) for size in range(8, 18) for _ in range(4)]
    runs = []
    for _ in range(2):
        poison.clear()
        result = train([make_case(1)], flat, TrainingSettings(epochs=3), device=cpu)
        runs.append(result.state_dict)
        if autocast_dtype(cpu) is not None:
            assert any("float32" in note for note in result.notes)
        poison = [torch.full((1 << size,), torch.nan) for size in range(8, 18) for _ in range(4)]
    assert same(*runs)


def test_what_does_not_fit_is_refused(cases: list[PreparedCase], plan: Plan, plan_2d: Plan, cpu: Device) -> None:
    with pytest.raises(DatasetError, match="no labelled case"):
        train([], plan, TrainingSettings(epochs=1), device=cpu)
    with pytest.raises(InputError, match="does not fit the plan"):
        train(cases, plan_2d, TrainingSettings(epochs=1), device=cpu)
    with pytest.raises(InputError, match="values up to 2"):
        train(cases, plan.model_copy(update={"classes": 2}), TrainingSettings(epochs=1), device=cpu)
    with pytest.raises(InputError, match="no-such-loss"):
        train(cases, plan, TrainingSettings(epochs=1, loss="no-such-loss"), device=cpu)
    with pytest.raises(InputError, match="no_such_option"):
        train(cases, plan, TrainingSettings(epochs=1, loss_options={"no_such_option": 1.0}), device=cpu)


def test_settings_take_one_limit() -> None:
    assert TrainingSettings().budget_seconds == 60
    assert TrainingSettings(epochs=3).budget_seconds is None
    assert TrainingSettings.model_validate_json(TrainingSettings(epochs=3).model_dump_json()).epochs == 3
    with pytest.raises(ValueError, match="not both"):
        TrainingSettings(epochs=3, budget_seconds=5)

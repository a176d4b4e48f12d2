"""How much does a model learn from four labelled hippocampi, and from six corrected ones more?

For each seed: choose 10 subjects at random, train on a case of each of the first 4, then continue from that model on
all 10, and score both models on cases of other subjects. Everything is printed, nothing is written.

    python benchmarks/first_light.py DATASET_FOLDER --seeds 0 1 2
    python benchmarks/first_light.py DATASET_FOLDER --steps 270 400   # counts instead of the clock, on a busy machine

The dataset folder holds ``images/`` and ``labels/``. Cases whose numbers are 2k−1 and 2k count as one subject (in the
Decathlon's hippocampus they look like two sides of one head).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ufseg.networks.process_environment import computing_environment

FIRST, ADDED = 4, 6


def main() -> None:
    arguments = _arguments()
    environment = computing_environment()
    if any(os.environ.get(name) != value for name, value in environment.items()):
        # The settings are read when the process starts.
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | environment)

    from ufseg.networks.device import choose_device

    if arguments.threads:
        import torch

        torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device)
    print(f"device: {device.name}  {device.note or ''}")
    rows = [_one_seed(seed, arguments, device) for seed in arguments.seeds]
    before, after = ([row[i] for row in rows] for i in (0, 1))
    print(
        f"mean Dice over {len(rows)} seeds: before {sum(before) / len(rows):.4f} (lowest {min(before):.4f}), "
        f"after {sum(after) / len(rows):.4f} (lowest {min(after):.4f})"
    )


def _one_seed(seed: int, arguments: argparse.Namespace, device: Any) -> tuple[float, float]:
    from ufseg.evaluation.statistics import paired_test
    from ufseg.evaluation.summary import summarise
    from ufseg.images.datasets import read_dataset
    from ufseg.plans.fingerprint import fingerprint
    from ufseg.plans.planner import make_plan
    from ufseg.training.prepare import prepare_cases
    from ufseg.training.trainer import train

    dataset = read_dataset(arguments.dataset)
    training, test = _split(dataset.cases, seed, arguments.test_cases)
    print(f"seed {seed}: training {[_number(c.id) for c in training]}, {len(test)} test cases")

    clock = time.monotonic()
    fp = fingerprint(training[:FIRST], dataset.classes, dataset.modality or "MRI")
    plan = make_plan(fp, dataset.classes)
    cases = prepare_cases(training, plan, dataset.classes)
    print(f"  plan and preparation {time.monotonic() - clock:.1f} s; patch {plan.patch_size}, batch {plan.batch_size}")

    scores, state = [], None
    for stage, count in enumerate((FIRST, FIRST + ADDED)):
        settings = _settings(arguments, stage, cases[:count], plan, seed)
        result = train(cases[:count], plan, settings, device=device, initial=state)
        state = result.state_dict
        clock = time.monotonic()
        scores.append(_score(state, plan, dataset, test, device))
        seconds = time.monotonic() - clock
        summary = summarise(scores[-1])
        per_class = ", ".join(f"{name} {value:.4f}" for name, value in summary.per_class.items())
        print(
            f"  {count:2d} cases: {result.steps} steps in {result.seconds:.1f} s ({result.seconds / result.steps:.3f} "
            f"s a step), loss {result.history[-1]['loss']:.4f}; Dice {summary.mean:.4f} ({per_class}); "
            f"{seconds / len(test):.2f} s a test case",
            flush=True,
        )
    first, second = (summarise(s) for s in scores)
    test_result = paired_test([first.per_case[c.id] for c in test], [second.per_case[c.id] for c in test])
    print(f"  gain {test_result.mean_difference:+.4f}, {test_result.test} p = {test_result.p_value:.2g}")
    return first.mean or 0.0, second.mean or 0.0


def _split(cases: Sequence[Any], seed: int, test_cases: int) -> tuple[list[Any], list[Any]]:
    import numpy as np

    subjects: dict[int, list[Any]] = {}
    for case in cases:
        subjects.setdefault((_number(case.id) + 1) // 2, []).append(case)
    rng = np.random.default_rng(seed)
    order = [int(s) for s in rng.permutation(sorted(subjects))]
    training = [subjects[s][int(rng.integers(len(subjects[s])))] for s in order[: FIRST + ADDED]]
    # The last subjects of a fixed order are tested, so that seeds are compared on nearly the same cases.
    fixed = [int(s) for s in np.random.default_rng(0).permutation(sorted(subjects))]
    test = [c for s in fixed if s not in order[: FIRST + ADDED] for c in subjects[s]]
    return training, test[:test_cases]


def _number(case_id: str) -> int:
    digits = re.findall(r"\d+", case_id)
    if not digits:
        raise SystemExit(f"the case {case_id!r} has no number; this benchmark is made for numbered cases")
    return int(digits[-1])


def _settings(arguments: argparse.Namespace, stage: int, cases: Sequence[Any], plan: Any, seed: int) -> Any:
    from ufseg.training.sampling import steps_per_epoch
    from ufseg.training.settings import TrainingSettings

    if arguments.steps:
        limit = {"epochs": max(1, round(arguments.steps[stage] / steps_per_epoch(cases, plan)))}
    else:
        limit = {"budget_seconds": arguments.budgets[stage]}
    return TrainingSettings.model_validate(limit | {"seed": seed} | arguments.settings)


def _score(state: Any, plan: Any, dataset: Any, test: Sequence[Any], device: Any) -> dict[str, dict[str, float]]:
    from ufseg import __version__
    from ufseg.evaluation.dice import dice_per_class
    from ufseg.images.reading import read_case
    from ufseg.inference.predictor import Predictor
    from ufseg.networks.build import build_network, load_weights
    from ufseg.networks.model_folder import LossChoice, ModelDescription

    network = build_network(plan, len(plan.normalisation))
    load_weights(network, state)
    description = ModelDescription(
        name="benchmark",
        task=dataset.name,
        plan=plan,
        classes=dataset.classes,
        channel_names=list(dataset.channel_names),
        loss=LossChoice(name="asymmetric-unified-focal"),
        trained_on=[],
        seconds=0.0,
        device=device.name,
        created=datetime.now(timezone.utc),
        ufseg_version=__version__,
    )
    predictor = Predictor(description, network.to(device.torch_device), device)
    scores = {}
    for case in test:
        image, label = read_case(case, dataset.classes)
        scores[case.id] = dice_per_class(predictor.predict(image), label, dataset.classes)
    return scores


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--budgets", type=float, nargs=2, default=[50.0, 80.0], help="seconds of each training")
    parser.add_argument("--steps", type=int, nargs=2, help="steps of each training instead of seconds")
    parser.add_argument("--test-cases", type=int, default=30)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--settings", type=json.loads, default={}, help="JSON of other training settings")
    return parser.parse_args()


if __name__ == "__main__":
    main()

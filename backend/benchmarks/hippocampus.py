"""Dice on the hippocampus data's 22 test cases after a given time of training.

    python benchmarks/hippocampus.py DATASET_FOLDER                                   # 190 cases, 20 minutes
    python benchmarks/hippocampus.py DATASET_FOLDER --cases 10 --budget 3m --draws 3  # few labelled cases

Training is what ``ufseg train`` runs, prediction what ``ufseg predict`` runs, scores what ``ufseg evaluate`` computes;
only who trains and who tests comes from the dataset's ``split.json``. With ``--cases``, each draw takes that many
training cases of different subjects at random (seeds 0, 1, …). Writes ``hippocampus-<device>.md`` (with ``-N-cases``)
and each evaluation as JSON into the output folder, and with ``--keep FOLDER`` the model folders.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from hippocampus_data import CHANNELS, CLASSES, TASK, dice_table, draw, duration, evaluate, machine, read_split

from ufseg.networks.process_environment import computing_environment

RESULTS = Path(__file__).with_name("results")


def main() -> None:
    arguments = _arguments()
    environment = computing_environment()
    if any(os.environ.get(name) != value for name, value in environment.items()):
        # The settings are read when the process starts.
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | environment)

    from ufseg.networks.device import choose_device

    device = choose_device(arguments.device)
    print(f"device: {device.name}  {device.note or ''}", flush=True)
    training, test = read_split(arguments.dataset)
    name = f"hippocampus-{device.kind}" + (f"-{arguments.cases}-cases" if arguments.cases else "")
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows: dict[str, Any] = {}
    for number in range(arguments.draws):
        chosen = draw(training, arguments.cases, number) if arguments.cases else training
        seed = arguments.seed + number
        label = f"{len(chosen)} cases, draw {number}" if arguments.cases else f"{len(chosen)} cases, seed {seed}"
        with tempfile.TemporaryDirectory() as scratch:
            keep = arguments.keep / f"{name}-{number}" if arguments.keep else Path(scratch) / "model"
            report, columns = _run(label, chosen, test, keep, device, seed, arguments)
        (arguments.output / f"{name}-{number}.json").write_text(report.model_dump_json(indent=2) + "\n")
        rows[label] = (report, columns)
        print("\n".join(dice_table({label: rows[label]})), flush=True)
    how = "each draw's cases are of different subjects, by random seeds 0, 1, …" if arguments.cases else "all of them"
    lines = [
        f"# Hippocampus: {arguments.budget / 60:g} minutes of training",
        "",
        f"{machine()}; {date.today().isoformat()}.",
        "",
        f"Trained on cases of split.json's {len(training)} ({how}), tested on its {len(test)} validation cases, of "
        "which training saw nothing. Mean over cases [95 % confidence interval by Student's t]. The budget is the "
        "optimisation's; what else took time stands beside it. "
        + (f"Patches were mirrored at random along {', '.join(arguments.mirror)}." if arguments.mirror else ""),
        "",
        *dice_table(rows),
        "",
    ]
    if len(rows) > 1:
        means = [report.mean for report, _ in rows.values()]
        lines += [f"Mean over draws: {sum(means) / len(means):.4f}, lowest {min(means):.4f}.", ""]
    (arguments.output / f"{name}.md").write_text("\n".join(lines))
    print("\n".join(lines))


def _run(
    label: str, training: list[Any], test: list[Any], model: Path, device: Any, seed: int, arguments: argparse.Namespace
) -> tuple[Any, dict[str, str]]:
    """Train, predict and score; returns the report and what it took."""
    from ufseg.cli.console import ProgressDisplay
    from ufseg.engine.specs import TrainingSpec
    from ufseg.engine.train_job import run_training
    from ufseg.images.reading import read_case
    from ufseg.inference.predictor import Predictor
    from ufseg.networks.model_folder import read_description, read_model, read_weights, write_model
    from ufseg.plans.plan import Plan
    from ufseg.progress import never_cancelled
    from ufseg.workspace.records import Loss

    spec = TrainingSpec(
        name=TASK,
        task=TASK,
        modality="MRI",
        channels=CHANNELS,
        classes=CLASSES,
        training=tuple(training),
        validation=(),
        revisions=tuple(case.id for case in training),
        promoted=None,
        continue_from_promoted=False,
        loss=Loss(name=arguments.loss) if arguments.loss else None,
        budget_seconds=arguments.budget,
        epochs=None,
        seed=seed,
        output=model,
        mirror=tuple(arguments.mirror),
        plan=None if arguments.plan is None else Plan.read(arguments.plan),
    )
    with ProgressDisplay(label) as show:
        outcome = run_training(spec, device, show, never_cancelled)
    for note in outcome.notes:
        print(note)
    if arguments.half:
        # Before the test, so that its scores are those of the weights as they are published.
        write_model(model, read_description(model), read_weights(model), half=True)
    predictor = Predictor(*read_model(model, device), device)
    begin = time.monotonic()
    report = evaluate("ufseg", test, lambda case: predictor.predict(read_case(case, CLASSES)[0]))
    predicting = (time.monotonic() - begin) / len(test)
    return report, {
        "steps": str(int(outcome.history[-1]["step"])),
        "preparing / s": f"{outcome.seconds['prepare']:.0f}",
        "training / s": f"{outcome.seconds['train']:.0f}",
        "predicting and scoring / s a case": f"{predicting:.2f}",
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--budget", type=duration, default=1200.0, help="of the optimisation, such as 20m")
    parser.add_argument("--cases", type=int, help="train on so few cases")
    parser.add_argument("--draws", type=int, default=1, help="trainings, each with a seed and a choice of its own")
    parser.add_argument("--seed", type=int, default=0, help="of the first training")
    parser.add_argument("--loss", help="a name of ufseg.losses; the default of ufseg train if left out")
    parser.add_argument("--mirror", nargs="*", default=[], help="axes along which patches are mirrored, such as LR")
    parser.add_argument("--plan", type=Path, help="plan to use in place of the planner's")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--half", action="store_true", help="store the weights as float16 before they are tested")
    parser.add_argument("--keep", type=Path, help="keep the model folders here")
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

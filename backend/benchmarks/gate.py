"""Does the gate let a worse model through, or refuse a clearly better one?

    python benchmarks/gate.py DATASET [--retrainings 20] [--budget 12] [--output FILE]

DATASET is the hippocampus folder with its ``split.json``. A first model learns a few cases for a short time. Every
retraining goes on from it with as many new cases; in each second one their labels are damaged: moved, the classes
exchanged, eroded, or emptied. The gate decides on frozen validation cases, as in the service. What the candidate is
really worth is measured on many cases that neither training nor gate has seen. Exit status 1 if a worse model was
promoted or a clearly better one refused.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hippocampus_data import CLASSES, draw, machine, read_split
from numpy.typing import NDArray
from scipy import ndimage
from simulated import Budget, Simulation

from ufseg.evaluation.gate import GateDecision, decide
from ufseg.evaluation.statistics import PairedTest, paired_test
from ufseg.evaluation.summary import CaseScores, summarise
from ufseg.images.case_files import CaseFiles
from ufseg.images.image import LabelMap
from ufseg.images.reading import read_label_map
from ufseg.images.writing import write_label_map

# Differences of mean Dice on the unseen cases that count, where they are significant (p < .05).
WORSE, CLEARLY_BETTER = 0.002, 0.01

Array = NDArray[Any]


def shifted(label: Array) -> Array:
    """Moved by six voxels along two axes."""
    return np.roll(label, (6, 6), axis=(1, 2))


def swapped(label: Array) -> Array:
    """The two classes exchanged."""
    return np.select([label == 1, label == 2], [2, 1], 0).astype(label.dtype)


def eroded(label: Array) -> Array:
    """Two voxels taken off all around."""
    return np.where(ndimage.binary_erosion(label > 0, iterations=2), label, 0).astype(label.dtype)


def emptied(label: Array) -> Array:
    """Nothing left."""
    return np.zeros_like(label)


DAMAGE: tuple[Callable[[Array], Array], ...] = (shifted, swapped, eroded, emptied)


def damaged(cases: Sequence[CaseFiles], how: Callable[[Array], Array], folder: Path) -> list[CaseFiles]:
    """The cases with damaged label maps."""
    folder.mkdir(parents=True)
    made = []
    for case in cases:
        assert case.label is not None
        label = read_label_map(case.label, CLASSES)
        path = folder / f"{case.id}.nrrd"
        write_label_map(path, LabelMap(how(label.array), label.geometry), CLASSES)
        made.append(case.model_copy(update={"label": path}))
    return made


def verdict(truth: PairedTest) -> str:
    """``worse``, ``clearly better`` or ``neither``."""
    sure = truth.p_value < 0.05
    if sure and truth.mean_difference < -WORSE:
        return "worse"
    return "clearly better" if sure and truth.mean_difference > CLEARLY_BETTER else "neither"


@dataclass(frozen=True)
class Retraining:
    """One row: what was done to the labels, what the gate said, and what the candidate is worth on unseen cases."""

    labels: str
    decision: GateDecision
    truth: PairedTest
    seconds: float

    @property
    def verdict(self) -> str:
        """What the candidate is worth, see `verdict`."""
        return verdict(self.truth)

    @property
    def mistake(self) -> bool:
        """Whether the gate was wrong."""
        promoted = self.decision.outcome == "promote"
        return (self.verdict == "worse" and promoted) or (self.verdict == "clearly better" and not promoted)


def difference(before: CaseScores, after: CaseScores) -> PairedTest:
    """Of the cases' means."""
    old, new = summarise(before).per_case, summarise(after).per_case
    pairs = [(b, a) for case, b in old.items() if b is not None and (a := new[case]) is not None]
    return paired_test([b for b, _ in pairs], [a for _, a in pairs])


def simulate(arguments: argparse.Namespace, folder: Path) -> tuple[list[Retraining], float]:
    """All retrainings, and the first model's mean Dice on the unseen cases."""
    pool, test = read_split(arguments.dataset)
    size = arguments.cases
    drawn = draw(pool, 2 * size + arguments.validation + arguments.unseen, arguments.seed)
    first, rest = drawn[:size], drawn[size:]
    validation, rest = rest[: arguments.validation], rest[arguments.validation :]
    unseen, rest = [*test, *rest[: arguments.unseen]], rest[arguments.unseen :]
    used = {case.id for case in (*first, *validation, *unseen)}
    others = [case for case in pool if case.id not in used]
    simulation = Simulation(folder, arguments.threads)
    model, _ = simulation.train(
        "first", first, validation, Budget.of(arguments.first_budget, arguments.first_epochs), seed=arguments.seed
    )
    known = simulation.score(model, unseen)
    before = known.dice
    start = summarise(before).mean or 0.0
    print(f"first model: Dice {start:.4f} on {len(unseen)} unseen cases", file=sys.stderr, flush=True)
    budget = Budget.of(arguments.budget, arguments.epochs)
    rows: list[Retraining] = []
    kept: list[dict[str, Any]] = []
    for number in range(arguments.retrainings):
        begun = time.monotonic()
        new = draw(others, size, 100 + 1000 * arguments.seed + number)
        name = "right"
        if number % 2:
            how = DAMAGE[number // 2 % len(DAMAGE)]
            name = how.__name__
            new = damaged(new, how, folder / f"labels {number}")
        candidate, outcome = simulation.train(
            f"retrained {number}",
            [*first, *new],
            validation,
            budget,
            1000 * arguments.seed + number,
            model,
            [c.id for c in new],
        )
        decision = decide(
            outcome.promoted_scores,
            outcome.candidate_scores,
            promoted_surface=outcome.promoted_surface,
            candidate_surface=outcome.candidate_surface,
        )
        found = simulation.score(candidate, unseen)
        truth = difference(before, found.dice)
        row = Retraining(name, decision, truth, time.monotonic() - begun)
        rows.append(row)
        print(f"{number + 1}: {name}, {decision.outcome}, {row.verdict} ({row.truth.mean_difference:+.4f})",
              file=sys.stderr, flush=True)  # fmt: skip
        kept.append(
            {
                "labels": name,
                "validation": [
                    {"dice": outcome.promoted_scores, "surface": outcome.promoted_surface},
                    {"dice": outcome.candidate_scores, "surface": outcome.candidate_surface},
                ],
                "unseen": [
                    {"dice": known.dice, "surface": known.surface},
                    {"dice": found.dice, "surface": found.surface},
                ],
            }
        )
        if arguments.scores:
            arguments.scores.write_text(json.dumps(kept), encoding="utf-8")
    return rows, start


def table(rows: Sequence[Retraining]) -> list[str]:
    """Markdown."""
    lines = [
        "| new labels | validation Dice | surface Dice | p | gate | unseen Dice | p | truth |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        d = row.decision
        assert d.promoted_mean is not None
        assert d.candidate_mean is not None
        assert d.test is not None
        lines.append(
            f"| {row.labels} | {d.promoted_mean:.4f} → {d.candidate_mean:.4f} | {d.promoted_surface_mean:.4f} → "
            f"{d.candidate_surface_mean:.4f} | {d.test.p_value:.3f} | {d.outcome} | {row.truth.mean_difference:+.4f} | "
            f"{row.truth.p_value:.1e} | {row.verdict}{' **mistake**' if row.mistake else ''} |"
        )
    return lines


def main() -> None:
    """Run, print and perhaps keep the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--retrainings", type=int, default=20)
    parser.add_argument("--cases", type=int, default=6, help="of the first training, and new ones of each further one")
    parser.add_argument("--validation", type=int, default=10)
    parser.add_argument("--unseen", type=int, default=30, help="beside the split's own test cases")
    parser.add_argument("--first-budget", type=float, default=20.0, help="seconds")
    parser.add_argument("--budget", type=float, default=12.0, help="seconds of each retraining")
    parser.add_argument("--first-epochs", type=int, help="in place of its seconds; for a busy machine")
    parser.add_argument("--epochs", type=int, help="of each retraining, in place of its seconds")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=0, help="another choice of cases and other trainings")
    parser.add_argument("--scores", type=Path, help="JSON of the scores of every case, before and after")
    parser.add_argument("--output", type=Path, help="Markdown")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ufseg-gate-") as name:
        rows, start = simulate(arguments, Path(name))
    first = Budget.of(arguments.first_budget, arguments.first_epochs)
    later = Budget.of(arguments.budget, arguments.epochs)
    worse = sum(row.verdict == "worse" for row in rows)
    better = sum(row.verdict == "clearly better" for row in rows)
    lines = [
        "# Gate: simulated retrainings",
        "",
        f"{machine(arguments.threads)}",
        "",
        f"First model: {arguments.cases} cases, {first}, Dice {start:.4f} on the unseen cases. "
        f"Each retraining goes on from it for {later} with {arguments.cases} new cases; the gate "
        f"decides on {arguments.validation} validation cases; {arguments.unseen} cases and the split's test cases are "
        f"unseen. Worse: by more than {WORSE}; clearly better: by more than {CLEARLY_BETTER}; both with p < .05.",
        "",
        *table(rows),
        "",
        f"Of {worse} worse candidates {sum(r.mistake for r in rows if r.verdict == 'worse')} were promoted; of "
        f"{better} clearly better ones {sum(r.mistake for r in rows if r.verdict == 'clearly better')} were refused.",
        "",
    ]
    print("\n".join(lines))
    if arguments.output:
        arguments.output.write_text("\n".join(lines), encoding="utf-8")
    sys.exit(any(row.mistake for row in rows))


if __name__ == "__main__":
    main()

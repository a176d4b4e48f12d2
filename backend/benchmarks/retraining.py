"""Does a retraining on new corrections make anything worse?

    python benchmarks/retraining.py DATASET [--draws 3] [--budget 60] [--output FILE]

DATASET is the hippocampus folder with its ``split.json``. A first model learns ten cases. Five more are corrected, and
it is retrained on all fifteen, the new ones sampled up to three times as often. Told are Dice on the test cases, on the
ten old cases and on the five new ones, before and after; and on the test cases with what the gate leaves in use, by
five validation cases. Exit status 1 if what is in use after a retraining is worse than what was before.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from gate import difference
from hippocampus_data import draw, machine, read_split
from simulated import Budget, Simulation

from ufseg.evaluation.gate import decide
from ufseg.evaluation.summary import CaseScores, summarise

FIRST, NEW, VALIDATION = 10, 5, 5


def mean(scores: CaseScores) -> float:
    """Dice."""
    found = summarise(scores).mean
    assert found is not None
    return found


def main() -> None:
    """Run, print and perhaps keep the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--draws", type=int, default=3, help="choices of cases, each with a seed of its own")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of each training")
    parser.add_argument("--epochs", type=int, help="of each training, in place of its seconds; for a busy machine")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", type=Path, help="Markdown")
    arguments = parser.parse_args()
    pool, test = read_split(arguments.dataset)
    budget = Budget.of(arguments.budget, arguments.epochs)
    rows, fell = [], 0
    with tempfile.TemporaryDirectory(prefix="ufseg-retraining-") as name:
        for number in range(arguments.draws):
            simulation = Simulation(Path(name) / f"{number}", arguments.threads)
            drawn = draw(pool, FIRST + NEW + VALIDATION, number)
            old, new, validation = drawn[:FIRST], drawn[FIRST : FIRST + NEW], drawn[FIRST + NEW :]
            first, _ = simulation.train("first", old, validation, budget, number)
            second, outcome = simulation.train(
                "second", [*old, *new], validation, budget, number, first, [case.id for case in new]
            )
            decision = decide(
                outcome.promoted_scores,
                outcome.candidate_scores,
                promoted_surface=outcome.promoted_surface,
                candidate_surface=outcome.candidate_surface,
            )
            cells = []
            for cases in (test, old, new):
                before, after = simulation.score(first, cases).dice, simulation.score(second, cases).dice
                change = difference(before, after)
                cells.append(f"{mean(before):.4f} → {mean(after):.4f} (p = {change.p_value:.3f})")
                if cases is test and decision.outcome == "promote" and change.mean_difference < 0:
                    fell += 1
            rows.append(f"| {number} | {' | '.join(cells)} | {decision.outcome} |")
            print(rows[-1], file=sys.stderr, flush=True)
    lines = [
        "# Retraining",
        "",
        machine(arguments.threads),
        "",
        f"{FIRST} cases, then {NEW} more, {budget} each; {len(test)} test cases, {VALIDATION} "
        "validation cases for the gate.",
        "",
        "| draw | test cases | old cases | new cases | gate |",
        "|---|---|---|---|---|",
        *rows,
        "",
        f"What was in use fell below where it started in {fell} of {arguments.draws} retrainings.",
        "",
    ]
    print("\n".join(lines))
    if arguments.output:
        arguments.output.write_text("\n".join(lines), encoding="utf-8")
    sys.exit(fell > 0)


if __name__ == "__main__":
    main()

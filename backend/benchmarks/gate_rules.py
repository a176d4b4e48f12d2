"""How often would a rule of the gate be wrong, by number of validation cases?

    python benchmarks/gate_rules.py SCORES... [--draws 60] [--output FILE]

SCORES are files that ``benchmarks/gate.py --scores`` wrote. Of all scored cases of a retraining, some are drawn at
random as validation cases again and again; the gate decides on these by each rule, and others tell what the candidate
is really worth. Told is how many of the worse candidates came into use and how many of the clearly better ones were
refused, per cent.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gate import CLEARLY_BETTER, WORSE, difference, verdict

from ufseg.evaluation.gate import decide
from ufseg.evaluation.rule import GateRule
from ufseg.evaluation.summary import CaseScores

SIZES = (5, 10, 16, 24)
TRUTH = 52
"""Cases that tell what a candidate is worth."""
RULES: Mapping[str, GateRule] = {
    "better mean alone": GateRule(margin=None),
    "margin .005": GateRule(margin=0.005),
    "margin 0 (the default)": GateRule(),
    "p ≤ .1 (the default before)": GateRule(margin=None, max_p=0.1),
}


@dataclass(frozen=True)
class Scored:
    """One retraining: Dice and surface Dice of all cases, before and after."""

    before: CaseScores
    after: CaseScores
    surface_before: CaseScores
    surface_after: CaseScores

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Scored:
        """From a row of a file of scores."""
        joined = [
            {**row["validation"][which][metric], **row["unseen"][which][metric]}
            for metric in ("dice", "surface")
            for which in (0, 1)
        ]
        return cls(*joined)

    @property
    def verdict(self) -> str:
        """What the candidate is worth on these cases, see `gate.verdict`."""
        return verdict(difference(self.before, self.after))

    def of(self, cases: Sequence[str]) -> Scored:
        """Of these cases alone."""
        parts = (self.before, self.after, self.surface_before, self.surface_after)
        return Scored(*({case: part[case] for case in cases} for part in parts))


def decisions(retrainings: Sequence[Scored], size: int, draws: int) -> Iterator[tuple[str, dict[str, bool]]]:
    """Verdicts other than "neither", each with what every rule did: whether the candidate came into use."""
    random = np.random.default_rng(0)
    for scored in retrainings:
        for _ in range(draws):
            cases = [str(case) for case in random.permutation(sorted(scored.before))]
            found = scored.of(cases[size : size + TRUTH]).verdict
            if found == "neither":
                continue
            seen = scored.of(cases[:size])
            surfaces = {"promoted_surface": seen.surface_before, "candidate_surface": seen.surface_after}
            yield (
                found,
                {
                    name: decide(seen.before, seen.after, rule, **surfaces).outcome == "promote"
                    for name, rule in RULES.items()
                },
            )


def main() -> None:
    """Run, print and perhaps keep the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scores", type=Path, nargs="+")
    parser.add_argument("--draws", type=int, default=60, help="of validation cases for each retraining")
    parser.add_argument("--output", type=Path, help="Markdown")
    arguments = parser.parse_args()
    rows = [row for path in arguments.scores for row in json.loads(path.read_text(encoding="utf-8"))]
    retrainings = [Scored.read(row) for row in rows]
    lines = [
        "# Rules of the gate",
        "",
        f"{len(retrainings)} retrainings, {arguments.draws} draws of validation cases each; {TRUTH} other cases tell "
        f"the truth (worse: by more than {WORSE}, clearly better: by more than {CLEARLY_BETTER}, both with p < .05). "
        "Worse ones in use / clearly better ones refused, per cent.",
        "",
        "| rule | " + " | ".join(f"{size} cases" for size in SIZES) + " |",
        "|---" * (len(SIZES) + 1) + "|",
    ]
    cells: dict[str, list[str]] = {name: [] for name in RULES}
    for size in SIZES:
        made = list(decisions(retrainings, size, arguments.draws))
        for name in RULES:
            worse = [used[name] for found, used in made if found == "worse"]
            better = [not used[name] for found, used in made if found == "clearly better"]
            cells[name].append(" / ".join(f"{100 * np.mean(part):.1f}" if part else "–" for part in (worse, better)))
    lines += [f"| {name} | {' | '.join(row)} |" for name, row in cells.items()]
    print("\n".join(lines))
    if arguments.output:
        arguments.output.write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()

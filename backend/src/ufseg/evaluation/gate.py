"""Whether a candidate may replace the promoted model."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ufseg.errors import InputError
from ufseg.evaluation.statistics import PairedTest, paired_test
from ufseg.evaluation.summary import CaseScores, Summary, summarise


class GateRule(BaseModel):
    """When a candidate is better.

    Args:
        min_cases: with fewer counted validation cases the choice is left to the person.
        max_class_drop: the mean Dice of no class may fall by more than this.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_cases: int = Field(default=3, ge=1)
    max_class_drop: float = Field(default=0.02, ge=0)


class GateDecision(BaseModel):
    """What the gate decided and by which numbers; None stands where nothing was counted.

    Args:
        outcome: ``promote`` the candidate, ``keep`` the promoted model, or ``ask`` the person.
        reason: a sentence with the numbers.
        cases: validation cases that both models are compared on.
        promoted_mean, candidate_mean: mean Dice.
        promoted_per_class, candidate_per_class: mean Dice by class name.
        test: paired test over the cases' means; None without a promoted model or without cases.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Literal["promote", "keep", "ask"]
    reason: str
    cases: int
    promoted_mean: float | None
    candidate_mean: float | None
    promoted_per_class: dict[str, float | None] | None
    candidate_per_class: dict[str, float | None]
    test: PairedTest | None


def decide(promoted: CaseScores | None, candidate: CaseScores, rule: GateRule | None = None) -> GateDecision:
    """Compare a candidate with the promoted model on the same validation cases.

    The first version of a task is promoted: without one there is no prediction. Otherwise the candidate's mean Dice
    must be higher, and no class may lose more than ``rule.max_class_drop``. Classes that only one of them knows are
    not compared. The p-value is told, not decided by: few validation cases hardly ever reach significance.

    Args:
        promoted: scores of the promoted model, or None if there is none yet.
        candidate: scores of the candidate.
        rule: None means the defaults.

    Raises:
        InputError: the two were not scored on the same cases.
    """
    rule = rule or GateRule()
    new = summarise(candidate)
    if promoted is None:
        return _decision("promote", _first(new), None, new, None)
    if set(promoted) != set(candidate):
        missing = sorted(set(promoted) ^ set(candidate))
        raise InputError(
            f"The promoted model and the candidate were scored on different cases ({len(promoted)} and "
            f"{len(candidate)}; not in both: {', '.join(missing[:5])}). Score both on the same validation cases."
        )
    old, new = (summarise(scores) for scores in _comparable(promoted, candidate))
    both = [case for case, mean in old.per_case.items() if mean is not None]
    if old.mean is None or new.mean is None or len(both) < rule.min_cases:
        few = f"{len(both)} validation case{'' if len(both) == 1 else 's'}"
        numbers = (
            f" (mean Dice {old.mean:.3f} → {new.mean:.3f})" if old.mean is not None and new.mean is not None else ""
        )
        reason = (
            f"Only {few} could be compared{numbers} and at least {rule.min_cases} are needed to decide; "
            "look at the candidate's segmentations and promote it yourself if they are better."
        )
        return _decision("ask", reason, old, new, _test(old, new, both))
    change = f"mean Dice {old.mean:.3f} → {new.mean:.3f} on {len(both)} validation cases"
    test = _test(old, new, both)
    p = f", p = {test.p_value:.3f}" if test else ""
    drops = {
        name: (before, after)
        for name, before in old.per_class.items()
        if before is not None
        and (after := new.per_class.get(name)) is not None
        and before - after > rule.max_class_drop
    }
    if new.mean <= old.mean:
        worse = "is not better" if new.mean > old.mean - 0.0005 else "is worse"
        return _decision("keep", f"The candidate {worse}: {change}{p}. The promoted model stays.", old, new, test)
    if drops:
        name, (before, after) = max(drops.items(), key=lambda item: item[1][0] - item[1][1])
        reason = (
            f"The candidate is better on average ({change}{p}), but {name} falls from {before:.3f} to {after:.3f}, "
            f"more than the {rule.max_class_drop:.3f} allowed. The promoted model stays."
        )
        return _decision("keep", reason, old, new, test)
    return _decision("promote", f"The candidate is better: {change}{p}.", old, new, test)


def _comparable(promoted: CaseScores, candidate: CaseScores) -> tuple[CaseScores, CaseScores]:
    """The scores of the classes that both models were scored on, counted for both or for neither.

    Where the reference lacks a class, a model that invents it scores 0 and one that rightly does not is not counted.
    Compared with each other, the latter has earned 1; otherwise inventing a class would go unpunished.
    """
    first: dict[str, dict[str, float | None]] = {}
    second: dict[str, dict[str, float | None]] = {}
    for case in promoted:
        first[case], second[case] = {}, {}
        for name in [n for n in promoted[case] if n in candidate[case]]:
            a, b = (None if v is None or math.isnan(v) else v for v in (promoted[case][name], candidate[case][name]))
            counted = a is not None or b is not None
            first[case][name] = 1.0 if a is None and counted else a
            second[case][name] = 1.0 if b is None and counted else b
    return first, second


def _first(new: Summary) -> str:
    if new.mean is None:
        return "This is the first version of the task; there were no validation cases to score it on."
    cases = f"{new.cases} validation case{'' if new.cases == 1 else 's'}"
    return f"This is the first version of the task: mean Dice {new.mean:.3f} on {cases}."


def _test(old: Summary, new: Summary, cases: list[str]) -> PairedTest | None:
    before = [value for c in cases if (value := old.per_case[c]) is not None]
    after = [value for c in cases if (value := new.per_case[c]) is not None]
    return paired_test(before, after) if cases else None


def _decision(
    outcome: Literal["promote", "keep", "ask"], reason: str, old: Summary | None, new: Summary, test: PairedTest | None
) -> GateDecision:
    return GateDecision(
        outcome=outcome,
        reason=reason,
        cases=new.cases,
        promoted_mean=old.mean if old else None,
        candidate_mean=new.mean,
        promoted_per_class=old.per_class if old else None,
        candidate_per_class=new.per_class,
        test=test,
    )

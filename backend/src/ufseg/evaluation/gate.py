"""Whether a candidate may replace the promoted model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ufseg.errors import InputError
from ufseg.evaluation.rule import GateRule
from ufseg.evaluation.statistics import PairedTest, lower_bound, paired_test
from ufseg.evaluation.summary import CaseScores, Summary, summarise

Outcome = Literal["promote", "keep", "ask"]
CONFIDENCE = 0.9
"""Of the one-sided interval that the rule's margin is compared with."""


class GateDecision(BaseModel):
    """What the gate decided and by which numbers; None stands where nothing was counted.

    Args:
        outcome: ``promote`` the candidate, ``keep`` the promoted model, or ``ask`` the person.
        reason: a sentence with the numbers.
        cases: validation cases that both models are compared on.
        promoted_mean, candidate_mean: mean Dice.
        promoted_per_class, candidate_per_class: mean Dice by class name.
        test: paired test over the cases' means; None without a promoted model or without cases.
        least: with 90 % confidence the mean Dice changes by no less than this; None with fewer than two cases.
        promoted_surface_mean, candidate_surface_mean: mean surface Dice.
        promoted_surface_per_class, candidate_surface_per_class: mean surface Dice by class name.
        surface_test: paired test over the cases' mean surface Dice.
        rule: by which it was decided.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Outcome
    reason: str
    cases: int
    promoted_mean: float | None
    candidate_mean: float | None
    promoted_per_class: dict[str, float | None] | None
    candidate_per_class: dict[str, float | None]
    test: PairedTest | None
    least: float | None
    promoted_surface_mean: float | None
    candidate_surface_mean: float | None
    promoted_surface_per_class: dict[str, float | None] | None
    candidate_surface_per_class: dict[str, float | None]
    surface_test: PairedTest | None
    rule: GateRule


def decide(
    promoted: CaseScores | None,
    candidate: CaseScores,
    rule: GateRule | None = None,
    *,
    promoted_surface: CaseScores | None = None,
    candidate_surface: CaseScores | None = None,
) -> GateDecision:
    """Compare a candidate with the promoted model on the same validation cases.

    The first version of a task is promoted: without one there is no prediction. Otherwise the candidate's mean Dice
    must be higher; with 90 % confidence it must not be lower by more than ``rule.margin``; and no class may lose more
    than ``rule.max_class_drop`` of Dice or ``rule.max_surface_drop`` of surface Dice. Classes that only one of them
    knows are not compared. The margin is that of a non-inferiority trial: what hardly differs may come into use on
    many cases, and on few only what gains clearly. Significance of the gain, which few cases hardly ever reach, is
    asked for only where the rule has a ``max_p``.

    Args:
        promoted: Dice of the promoted model, or None if there is none yet.
        candidate: Dice of the candidate.
        rule: None means the defaults.
        promoted_surface, candidate_surface: their surface Dice on the same cases; None where it was not measured.

    Raises:
        InputError: the two were not scored on the same cases.
    """
    rule = rule or GateRule()
    surface_alone = summarise(candidate_surface or {})
    if promoted is None:
        new = summarise(candidate)
        return _decision("promote", _first(new), rule, _Pair(None, new, None), _Pair(None, surface_alone, None))
    dice = _compare(promoted, candidate)
    surface = _compare(promoted_surface or {}, candidate_surface or {})
    outcome, reason = _judge(dice, surface, rule)
    return _decision(outcome, reason, rule, dice, surface)


@dataclass(frozen=True)
class _Pair:
    """One metric of the model in use, None without one, and of the candidate; both on the cases that count."""

    old: Summary | None
    new: Summary
    test: PairedTest | None
    least: float | None = None

    @property
    def cases(self) -> int:
        return 0 if self.old is None else self.old.cases


def _compare(promoted: CaseScores, candidate: CaseScores) -> _Pair:
    if set(promoted) != set(candidate):
        missing = sorted(set(promoted) ^ set(candidate))
        raise InputError(
            f"The promoted model and the candidate were scored on different cases ({len(promoted)} and "
            f"{len(candidate)}; not in both: {', '.join(missing[:5])}). Score both on the same validation cases."
        )
    old, new = (summarise(scores) for scores in _comparable(promoted, candidate))
    pairs = [
        (before, after)
        for case, before in old.per_case.items()
        if before is not None and (after := new.per_case[case]) is not None
    ]
    scores = [before for before, _ in pairs], [after for _, after in pairs]
    return _Pair(old, new, paired_test(*scores) if pairs else None, lower_bound(*scores, CONFIDENCE))


def _judge(dice: _Pair, surface: _Pair, rule: GateRule) -> tuple[Outcome, str]:
    old, new = dice.old, dice.new
    if old is None or old.mean is None or new.mean is None or dice.cases < rule.min_cases:
        few = f"{dice.cases} validation case{'' if dice.cases == 1 else 's'}"
        known = old is not None and old.mean is not None and new.mean is not None
        numbers = f" (mean Dice {old.mean:.3f} → {new.mean:.3f})" if known and old is not None else ""
        return "ask", (
            f"Only {few} could be compared{numbers} and at least {rule.min_cases} are needed to decide; "
            "look at the candidate's segmentations and promote it yourself if they are better."
        )
    change = f"mean Dice {old.mean:.3f} → {new.mean:.3f} on {dice.cases} validation cases"
    p = f", p = {dice.test.p_value:.3f}" if dice.test else ""
    if new.mean <= old.mean:
        worse = "is not better" if new.mean > old.mean - 0.0005 else "is worse"
        return "keep", f"The candidate {worse}: {change}{p}. The promoted model stays."
    if rule.margin is not None and dice.least is not None and dice.least < -rule.margin:
        return "keep", (
            f"The candidate is better on average ({change}{p}), but the cases differ so much that it may as well be "
            f"worse by {-dice.least:.3f} (one-sided 90 % confidence), and at most {rule.margin:g} is allowed. The "
            "promoted model stays; label more validation cases, or promote it yourself."
        )
    if rule.max_p is not None and dice.test is not None and _smallest_p(dice.test.n) <= rule.max_p < dice.test.p_value:
        return "keep", (
            f"The candidate is better on average ({change}{p}), but so small a difference may be chance: p up to "
            f"{rule.max_p:g} is allowed. The promoted model stays; correct more cases, or promote it yourself."
        )
    for metric, pair, allowed in (
        ("Dice", dice, rule.max_class_drop),
        ("surface Dice", surface, rule.max_surface_drop),
    ):
        drop = None if allowed is None else _largest_drop(pair, allowed)
        if drop is not None:
            name, before, after = drop
            return "keep", (
                f"The candidate is better on average ({change}{p}), but {name} falls from {before:.3f} to {after:.3f} "
                f"in {metric}, more than the {allowed:.3f} allowed. The promoted model stays."
            )
    return "promote", f"The candidate is better: {change}{p}."


def _smallest_p(cases: int) -> float:
    """What the paired test gives if all cases are better."""
    return float(2.0 ** (1 - cases))


def _largest_drop(pair: _Pair, allowed: float) -> tuple[str, float, float] | None:
    """The class that loses most, before and after, if that is more than allowed."""
    drops = [
        (name, before, after)
        for name, before in (pair.old.per_class if pair.old else {}).items()
        if before is not None and (after := pair.new.per_class.get(name)) is not None and before - after > allowed
    ]
    return max(drops, key=lambda drop: drop[1] - drop[2], default=None)


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


def _decision(outcome: Outcome, reason: str, rule: GateRule, dice: _Pair, surface: _Pair) -> GateDecision:
    return GateDecision(
        outcome=outcome,
        reason=reason,
        cases=dice.new.cases,
        promoted_mean=dice.old.mean if dice.old else None,
        candidate_mean=dice.new.mean,
        promoted_per_class=dice.old.per_class if dice.old else None,
        candidate_per_class=dice.new.per_class,
        test=dice.test,
        least=dice.least,
        promoted_surface_mean=surface.old.mean if surface.old else None,
        candidate_surface_mean=surface.new.mean,
        promoted_surface_per_class=surface.old.per_class if surface.old else None,
        candidate_surface_per_class=surface.new.per_class,
        surface_test=surface.test,
        rule=rule,
    )

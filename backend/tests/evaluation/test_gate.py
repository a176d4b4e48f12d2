"""When a candidate may replace the promoted model."""

from __future__ import annotations

import math

import pytest

from ufseg.errors import InputError
from ufseg.evaluation.gate import decide
from ufseg.evaluation.rule import GateRule
from ufseg.evaluation.summary import CaseScores


def scores(organ: float, lesion: float, cases: int = 4) -> dict[str, dict[str, float]]:
    return {f"case{i}": {"organ": organ, "lesion": lesion} for i in range(cases)}


def test_the_first_version_is_promoted() -> None:
    decision = decide(None, scores(0.7, 0.5))
    assert decision.outcome == "promote"
    assert "first version" in decision.reason
    assert "0.600 on 4 validation cases" in decision.reason
    assert decide(None, {}).outcome == "promote"


def test_a_better_candidate_is_promoted() -> None:
    decision = decide(scores(0.7, 0.5), scores(0.75, 0.6))
    assert decision.outcome == "promote"
    assert "0.600 → 0.675 on 4 validation cases" in decision.reason
    assert decision.test is not None
    assert decision.test.n == 4
    assert decision.promoted_per_class == {"organ": pytest.approx(0.7), "lesion": pytest.approx(0.5)}


@pytest.mark.parametrize("candidate", [scores(0.1, 0.1), scores(0.7, 0.5)])
def test_a_worse_or_equal_candidate_is_kept_back(candidate: dict[str, dict[str, float]]) -> None:
    decision = decide(scores(0.7, 0.5), candidate)
    assert decision.outcome == "keep"
    assert "0.600" in decision.reason


def gains(*changes: float) -> tuple[CaseScores, CaseScores]:
    return (
        {f"case{i}": {"organ": 0.7} for i in range(len(changes))},
        {f"case{i}": {"organ": 0.7 + change} for i, change in enumerate(changes)},
    )


NOISE = 0.05, 0.04, 0.03, -0.035, -0.025, -0.01  # mean .008, 90 % lower bound -.0134


def test_what_may_as_well_be_worse_is_kept_back() -> None:
    decision = decide(*gains(*NOISE))
    assert decision.outcome == "keep"
    assert decision.least == pytest.approx(0.00833 - 1.4759 * 0.03615 / 6**0.5, abs=2e-4)
    assert "worse by 0.013 (one-sided 90 % confidence), and at most 0 is allowed" in decision.reason
    assert decide(*gains(*NOISE), GateRule(margin=0.014)).outcome == "promote"
    assert decide(*gains(*NOISE), GateRule(margin=None)).outcome == "promote"


def test_the_same_gain_on_more_cases_is_enough() -> None:
    assert decide(*gains(*NOISE * 2)).outcome == "keep"
    assert decide(*gains(*NOISE * 6)).outcome == "promote"


def test_significance_is_asked_for_by_a_rule_that_wants_it() -> None:
    decision = decide(*gains(*NOISE * 4), GateRule(margin=None, max_p=0.1))
    assert decision.outcome == "keep"
    assert decision.test is not None
    assert decision.test.p_value > 0.1
    assert "may be chance: p up to 0.1 is allowed" in decision.reason
    assert decide(*gains(*NOISE * 4), GateRule(margin=None, max_p=0.999)).outcome == "promote"


def test_three_cases_need_no_significance_that_they_could_not_give() -> None:
    assert decide(scores(0.7, 0.5, 3), scores(0.71, 0.51, 3), GateRule(max_p=0.1)).outcome == "promote"


def test_one_case_has_no_interval() -> None:
    decision = decide(*gains(0.01), GateRule(min_cases=1))
    assert decision.outcome == "promote"
    assert decision.least is None


def test_no_class_may_pay_for_the_others() -> None:
    decision = decide(scores(0.7, 0.5), scores(0.9, 0.45))
    assert decision.outcome == "keep"
    assert "lesion falls from 0.500 to 0.450 in Dice" in decision.reason
    assert decide(scores(0.7, 0.5), scores(0.9, 0.49)).outcome == "promote"
    assert decide(scores(0.7, 0.5), scores(0.9, 0.45), GateRule(max_class_drop=0.1)).outcome == "promote"


def test_no_class_may_pay_with_its_surface() -> None:
    dice = scores(0.7, 0.5), scores(0.75, 0.6)
    surface = {"promoted_surface": scores(0.9, 0.8), "candidate_surface": scores(0.95, 0.7)}
    decision = decide(*dice, **surface)
    assert decision.outcome == "keep"
    assert "lesion falls from 0.800 to 0.700 in surface Dice, more than the 0.050 allowed" in decision.reason
    assert decision.promoted_surface_per_class == {"organ": pytest.approx(0.9), "lesion": pytest.approx(0.8)}
    assert decision.candidate_surface_mean == pytest.approx(0.825)
    assert decision.surface_test is not None
    assert decision.surface_test.n == 4
    for drop in (0.11, None):
        rule = GateRule(max_surface_drop=drop)
        assert decide(*dice, rule, **surface).outcome == "promote"
        assert decide(*dice, rule, **surface).rule == rule


def test_the_rule_says_how_many_cases_are_enough() -> None:
    assert decide(scores(0.7, 0.5), scores(0.75, 0.6), GateRule(min_cases=5)).outcome == "ask"
    assert decide(scores(0.7, 0.5, 2), scores(0.75, 0.6, 2), GateRule(min_cases=2)).outcome == "promote"


def test_too_few_cases_ask_the_person() -> None:
    decision = decide(scores(0.7, 0.5, cases=2), scores(0.9, 0.9, cases=2))
    assert decision.outcome == "ask"
    assert "2 validation cases" in decision.reason
    assert decide({}, {}).outcome == "ask"


def test_an_invented_class_counts_against_the_candidate() -> None:
    promoted = {f"case{i}": {"organ": 0.8, "lesion": math.nan} for i in range(4)}
    candidate = {f"case{i}": {"organ": 0.81, "lesion": 0.0} for i in range(4)}
    assert decide(promoted, candidate).outcome == "keep"
    assert decide(candidate, promoted).outcome == "promote"


def test_a_new_class_is_not_compared() -> None:
    promoted = {f"case{i}": {"organ": 0.8} for i in range(4)}
    assert decide(promoted, scores(0.82, 0.1)).outcome == "promote"


def test_refuses_different_cases() -> None:
    with pytest.raises(InputError, match="case3"):
        decide(scores(0.7, 0.5, cases=4), scores(0.7, 0.5, cases=3))

"""Two predictions against each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ufseg.errors import InputError
from ufseg.evaluation.case_scores import ClassScores
from ufseg.evaluation.comparison import compare, significance
from ufseg.evaluation.metrics import METRICS
from ufseg.evaluation.statistics import holm

Results = dict[str, dict[str, ClassScores]]


def scores(value: float | None) -> ClassScores:
    """Every metric at `value`; None stands for a class that is in neither mask."""
    return ClassScores(values={m.name: value for m in METRICS}, empty="both" if value is None else None)


def results(**by_class: list[float | None]) -> Results:
    cases = range(len(next(iter(by_class.values()))))
    return {f"case{i}": {name: scores(values[i]) for name, values in by_class.items()} for i in cases}


def test_tests_and_their_correction() -> None:
    rng = np.random.default_rng(0)
    organ, lesion = rng.uniform(0.5, 0.9, (2, 12))
    first = results(organ=list(organ + 0.05 + rng.normal(0, 0.02, 12)), lesion=list(lesion + rng.normal(0, 0.1, 12)))
    second = results(organ=list(organ), lesion=list(lesion))
    rows = [row for row in compare(first, second) if row.metric == "dice"]
    assert [row.class_name for row in rows] == ["organ", "lesion", None]
    signed, summed = [], []
    for name in ("organ", "lesion", None):
        names = [name] if name else ["organ", "lesion"]
        a, b = (
            np.array([np.mean([case[n].values["dice"] for n in names]) for case in cases.values()])
            for cases in (first, second)
        )
        signed.append(stats.wilcoxon(a - b).pvalue)
        summed.append(stats.mannwhitneyu(a, b).pvalue)
    assert [row.signed_rank_p for row in rows] == pytest.approx(signed)
    assert [row.rank_sum_p for row in rows] == pytest.approx(summed)
    assert [row.signed_rank_holm for row in rows] == pytest.approx(holm(signed))
    assert [row.rank_sum_holm for row in rows] == pytest.approx(holm(summed))
    organ_row = rows[0]
    assert organ_row.difference.mean == pytest.approx(0.05, abs=0.02)
    assert organ_row.first_mean - organ_row.second_mean == pytest.approx(organ_row.difference.mean)
    # Paired, a small steady gain is seen; among the cases' own differences it is lost.
    assert organ_row.signed_rank_holm < 0.01
    assert organ_row.rank_sum_holm > 0.05


def test_exchanged_predictions_differ_in_sign_only() -> None:
    rng = np.random.default_rng(1)
    first, second = (results(organ=list(rng.random(8)), lesion=list(rng.random(8))) for _ in range(2))
    for there, back in zip(compare(first, second), compare(second, first), strict=True):
        assert back.difference.mean == pytest.approx(-there.difference.mean)
        assert back.signed_rank_holm == pytest.approx(there.signed_rank_holm)
        assert back.rank_sum_holm == pytest.approx(there.rank_sum_holm)


def test_who_rightly_finds_nothing_beats_who_invents() -> None:
    first = results(lesion=[0.8, None, None])
    second = results(lesion=[0.8, 0.0, None])
    by_metric = {row.metric: row for row in compare(first, second)}
    dice = by_metric["dice"]
    assert dice.difference.n == 2
    assert dice.first_mean == pytest.approx(0.9)
    assert dice.second_mean == pytest.approx(0.4)
    assert by_metric["hd95"].first_mean == pytest.approx(0.4)
    exchanged = {row.metric: row for row in compare(second, first)}["dice"]
    assert (exchanged.first_mean, exchanged.second_mean) == (dice.second_mean, dice.first_mean)


def test_no_case_to_compare() -> None:
    (row, *_) = compare(results(lesion=[None, None]), results(lesion=[None, None]))
    assert row.difference.n == 0
    assert (row.first_mean, row.signed_rank_p, row.signed_rank_holm, row.rank_sum_holm) == (None, None, None, None)


def test_one_class_needs_no_mean() -> None:
    assert {row.class_name for row in compare(results(a=[0.1, 0.2]), results(a=[0.2, 0.3]))} == {"a"}


def test_refuses_other_cases() -> None:
    with pytest.raises(InputError, match="case2"):
        compare(results(a=[0.1, 0.2]), results(a=[0.1, 0.2, 0.3]))


@pytest.mark.parametrize(
    ("p", "stars"), [(0.2, ""), (0.05, ""), (0.049, "*"), (0.0099, "**"), (0.0009, "***"), (None, "")]
)
def test_stars(p: float | None, stars: str) -> None:
    assert significance(p) == stars

"""Means, tests, words and tables of comparisons with given scores."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ufseg.comparison.pooling import pool
from ufseg.comparison.results import Results, make_results, to_csv
from ufseg.comparison.tables import class_table, to_markdown
from ufseg.comparison.words import counted, paragraph
from ufseg.evaluation.comparison import significance
from ufseg.evaluation.metrics import DICE, HD95
from ufseg.evaluation.statistics import holm

OURS = "asymmetric-unified-focal"
# With ties among 13 cases or fewer scipy goes through every permutation, which takes a second a test.
CASES = [f"c{n}" for n in range(14)]
N = len(CASES)
Make = Callable[..., Any]


@pytest.fixture
def results(make_request: Make, make_run: Make) -> Results:
    """Ours beats Dice on every case, is beaten by Combo on every case, and ties with Tversky; two seeds."""
    request = make_request(["dice", "tversky", "combo", OURS], CASES, ("a", "b"), seeds=2)
    runs = []
    for seed in range(2):
        for loss, shift in (("dice", -0.1), ("tversky", 0.0), ("combo", 0.1), (OURS, 0.0)):
            dice = {}
            for n, case in enumerate(CASES):
                sway = 0.01 * (n % 3 - 1) if loss == "tversky" else 0.0
                seen = 0.5 + 0.02 * n + shift + sway + (0.02 if seed else -0.02)
                dice[case] = {"a": seen, "b": seen - 0.05}
            runs.append(make_run(loss, seed, dice))
    return make_results(request, runs)


def test_seeds_are_averaged_by_case_first(results: Results) -> None:
    row = results.row(OURS, "a", DICE)
    values = [0.5 + 0.02 * n for n in range(N)]
    assert row.over_cases.n == N
    assert row.over_cases.mean == pytest.approx(np.mean(values))
    assert row.over_cases.sd == pytest.approx(np.std(values, ddof=1))
    assert results.row(OURS, None, DICE).over_cases.mean == pytest.approx(np.mean(values) - 0.025)
    assert results.pooled_dice[OURS]["c0"] == pytest.approx(0.475)


def test_tests_are_scipy_s_and_corrected_over_the_losses(results: Results) -> None:
    ours = np.array([0.5 + 0.02 * n for n in range(N)])
    others = {"dice": ours - 0.1, "tversky": ours + 0.01 * (np.arange(N) % 3 - 1), "combo": ours + 0.1}
    signed = {name: stats.wilcoxon(np.round(v - ours, 10)).pvalue for name, v in others.items()}
    summed = {name: stats.mannwhitneyu(v, ours).pvalue for name, v in others.items()}
    for name, s, r in zip(others, holm(list(signed.values())), holm(list(summed.values())), strict=True):
        row = results.row(name, "a", DICE)
        assert row.rank_sum_p == pytest.approx(summed[name], rel=1e-6)
        assert row.rank_sum_holm == pytest.approx(r, rel=1e-6)
        if name != "tversky":  # where rounding decides about ties
            assert row.signed_rank_p == pytest.approx(signed[name])
            assert row.signed_rank_holm == pytest.approx(s)
    own = results.row(OURS, "a", DICE)
    assert own.rank_sum_p is own.signed_rank_holm is own.difference is None
    assert results.row("dice", "a", DICE).difference.mean == pytest.approx(-0.1)  # type: ignore[union-attr]


def test_the_best_has_the_best_direction(results: Results) -> None:
    assert [results.row(label, None, DICE).best for label in results.labels] == [False, False, True, False]
    assert [results.row(label, None, HD95).best for label in results.labels] == [True, False, False, False]


def test_words_say_what_speaks_for_and_against(results: Results) -> None:
    text = paragraph(results)
    assert "Lungs: 4 losses trained on 3 cases for 60 s with 2 seeds each" in text
    assert "comes in place" in text
    assert "combo has the highest mean" in text
    assert "significantly better than dice and worse than combo, and not told apart from 1 other" in text
    assert "Between seeds of the same loss the mean DSC differs by up to 0.040" in text


def test_words_of_a_win_and_of_one_seed(make_request: Make, make_run: Make) -> None:
    request = make_request(["dice", OURS], CASES)
    runs = [make_run("dice", 0, {c: {"a": 0.4} for c in CASES}), make_run(OURS, 0, {c: {"a": 0.8} for c in CASES})]
    text = paragraph(make_results(request, runs))
    assert "The asymmetric Unified Focal loss has the highest mean" in text
    assert "0.400 lower" in text
    assert "significantly better than dice." in text
    assert "With one seed nothing is known" in text


def test_words_of_no_difference(make_request: Make, make_run: Make) -> None:
    request = make_request(["dice", OURS], CASES)
    same = {c: {"a": 0.4} for c in CASES}
    text = paragraph(make_results(request, [make_run("dice", 0, same), make_run(OURS, 0, same)]))
    assert "differs significantly from none of the others" in text
    assert "finds 0 of 1 difference significant" in text
    assert "less than 0.001 lower" in text


def test_words_of_cases_too_few_for_any_significance(make_request: Make, make_run: Make) -> None:
    texts = []
    for count in (5, 6):
        request = make_request(["dice", OURS], CASES[:count], ("a",), seeds=1)
        scores = {case: {"a": 0.5 + 0.01 * n} for n, case in enumerate(CASES[:count])}
        better = {case: {"a": of["a"] + 0.1 + 0.001 * n} for n, (case, of) in enumerate(scores.items())}
        texts.append(paragraph(make_results(request, [make_run("dice", 0, scores), make_run(OURS, 0, better)])))
    assert "From 5 cases no paired test of 1 can become significant after correction." in texts[0]
    assert "can become significant" not in texts[1]
    assert "it is significantly better than dice" in texts[1]


def test_a_loss_that_never_trained_is_told_and_left_out(make_request: Make, make_run: Make) -> None:
    request = make_request(["dice", OURS], CASES, seeds=2)
    fine = {c: {"a": 0.4} for c in CASES}
    runs = [make_run(OURS, 0, fine), make_run("dice", 0, None), make_run(OURS, 1, None), make_run("dice", 1, None)]
    results = make_results(request, runs)
    assert results.labels == [OURS]
    text = to_markdown(results)
    assert "2 trainings of dice failed." in text
    assert "seed 0: The loss became nan." in text
    assert "failed, failed" in text
    nothing = make_results(request, [make_run("dice", 0, None), make_run(OURS, 0, None)])
    assert paragraph(nothing).startswith("No loss could be judged")
    assert "nan" not in nothing.model_dump_json().replace("became nan", "")
    to_markdown(nothing)


def test_unequal_steps_are_told(make_request: Make, make_run: Make) -> None:
    request, fine = make_request(["dice", OURS], CASES), {c: {"a": 0.4} for c in CASES}
    slow = make_run("dice", 0, fine).model_copy(update={"steps": 80})
    text = paragraph(make_results(request, [slow, make_run(OURS, 0, fine)]))
    assert f"In the same time dice did 80 steps and {OURS} 100" in text
    even = paragraph(make_results(request, [make_run("dice", 0, fine), make_run(OURS, 0, fine)]))
    assert "In the same time" not in even


def test_all_losses_are_judged_on_the_same_cases(make_request: Make, make_run: Make) -> None:
    # In c1 there is nothing to find; Dice invents something with one of two seeds.
    request = make_request(["dice", OURS], ["c0", "c1", "c2"], seeds=2)
    runs = [
        make_run("dice", 0, {"c0": {"a": 0.5}, "c1": {"a": 0.0}, "c2": {"a": None}}),
        make_run(OURS, 0, {"c0": {"a": 0.5}, "c1": {"a": None}, "c2": {"a": None}}),
        make_run("dice", 1, {"c0": {"a": 0.5}, "c1": {"a": None}, "c2": {"a": None}}),
        make_run(OURS, 1, {"c0": {"a": 0.5}, "c1": {"a": None}, "c2": {"a": None}}),
    ]
    pooled = pool(runs)
    assert pooled["dice"]["c1"]["a"].values["dice"] == 0.5
    assert pooled[OURS]["c1"]["a"].values["dice"] == 1.0
    assert pooled[OURS]["c1"]["a"].values["hd95"] == 0.0
    assert pooled[OURS]["c2"]["a"].values["dice"] is None
    results = make_results(request, runs)
    assert [results.row(label, "a", DICE).over_cases.n for label in results.labels] == [2, 2]


def test_tables(results: Results) -> None:
    header, rows = class_table(results, None)
    assert header == ["loss", "DSC", "IoU", "Precision", "Recall"]
    reach = stats.t.ppf(0.975, N - 1) * np.std([0.02 * n for n in range(N)], ddof=1) / N**0.5
    assert [row[0] for row in rows] == ["dice", "tversky", "combo", OURS]
    ours = results.row(OURS, None, DICE).over_cases.mean
    assert ours is not None
    assert rows[3][1] == f"{ours:.3f} ± {reach:.3f}"
    own = results.row("dice", None, DICE)
    assert own.rank_sum_holm is not None
    assert own.signed_rank_holm is not None
    signs = significance(own.rank_sum_holm) + "†" * len(significance(own.signed_rank_holm))
    assert signs.endswith("†††")
    assert rows[0][1] == f"{ours - 0.1:.3f} ± {reach:.3f} {signs}"
    text = to_markdown(results, [("Boxes. More words.", "a b.png")])
    assert f"| combo | **{ours + 0.1:.3f} ± {reach:.3f}** " in text
    assert "![Boxes](a%20b.png)" in text
    for heading in ("## Mean over classes", "## a\n", "## Trainings", "## How it was computed"):
        assert heading in text
    assert "focal\\_weight 0.5, delta 0.6, gamma 0.5 | 100, 100 |" in text


def test_unfinished_seeds_are_named(make_request: Make, make_run: Make) -> None:
    request = make_request([OURS], CASES, seeds=3)
    text = to_markdown(make_results(request, [make_run(OURS, 0, {c: {"a": 0.4} for c in CASES})]))
    assert "1 seed (of 3; not finished)" in text


def test_csv_holds_every_score(make_run: Make) -> None:
    runs = [make_run("dice", seed, {"c": {"a": 0.5, "b": None}}) for seed in range(2)]
    lines = list(csv.DictReader(io.StringIO(to_csv(runs))))
    dice = [line for line in lines if line["metric"] == "dice"]
    assert [(line["loss"], line["seed"], line["class"], line["value"], line["empty"]) for line in dice] == [
        ("dice", "0", "a", "0.5", ""),
        ("dice", "0", "b", "", "both"),
        ("dice", "1", "a", "0.5", ""),
        ("dice", "1", "b", "", "both"),
    ]
    assert {line["unit"] for line in lines if line["metric"] == "hd95"} == {"mm"}


@pytest.mark.parametrize(
    ("number", "thing", "text"),
    [
        (1, "loss", "1 loss"),
        (2, "loss", "2 losses"),
        (1, "value of γ", "1 value of γ"),
        (3, "value of γ", "3 values of γ"),
    ],
)
def test_counting(number: int, thing: str, text: str) -> None:
    assert counted(number, thing) == text

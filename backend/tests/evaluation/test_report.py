"""Reports and their files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ufseg.errors import InputError
from ufseg.evaluation.case_scores import CaseResults, score_case
from ufseg.evaluation.figure import write_figure
from ufseg.evaluation.markdown import to_markdown
from ufseg.evaluation.metrics import EMPTY_RULES, METRICS
from ufseg.evaluation.report import CSV_COLUMNS, Report, make_report, to_csv
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import LabelMap

CLASSES = ClassTable.of({"organ": 1, "small_lesion|$x$": 2, "absent": 3})
LESION = "small_lesion|$x$"


def label_map(array: np.ndarray) -> LabelMap:
    geometry = Geometry(size=array.shape[::-1], spacing=(1.0, 2.0), origin=(0.0, 0.0), direction=(1.0, 0.0, 0.0, 1.0))
    return LabelMap(array.astype(np.uint8), geometry)


def results(seed: int) -> CaseResults:
    """Four cases; in the second the lesion is invented, in the third it is not found."""
    rng = np.random.default_rng(seed)
    cases = {}
    for number in range(4):
        reference = np.zeros((20, 24))
        reference[4:14, 4:16] = 1
        prediction = np.roll(reference, rng.integers(0, 3, 2), (0, 1))
        if number != 1:
            reference[15:18, 18:22] = 2
        if number != 2:
            prediction[15:18, 19:22] = 2
        cases[f"case{number}"] = score_case(label_map(prediction), label_map(reference), CLASSES)
    return cases


TOLERANCES = dict.fromkeys(CLASSES.names, 1.0)


@pytest.fixture(scope="module")
def one() -> Report:
    return make_report({"ours": results(0)}, TOLERANCES)


@pytest.fixture(scope="module")
def two() -> Report:
    return make_report({"ours": results(0), "theirs": results(1)}, TOLERANCES)


def test_json_holds_no_nan_and_starts_with_the_dice_summary(two: Report) -> None:
    told = json.loads(two.model_dump_json(), parse_constant=lambda name: pytest.fail(name))
    assert list(told)[:4] == ["cases", "mean", "per_class", "per_case"]
    assert told["per_class"]["absent"] is None
    assert told["empty_rules"] == list(EMPTY_RULES)
    assert told["test_method"]
    assert len(told["comparison"]) == len(METRICS) * 4
    assert Report.model_validate(told) == two


def test_summary_is_over_cases_and_over_means_of_cases(one: Report) -> None:
    assert one.rows == [*CLASSES.names, None]
    dice = {(s.case, s.class_name): s.value for s in one.scores if s.metric == "dice"}
    metric = METRICS[0]
    assert one.row("ours", LESION, metric).mean == pytest.approx(np.mean([dice[f"case{i}", LESION] for i in range(4)]))
    assert one.row("ours", "absent", metric).n == 0
    assert one.row("ours", None, metric).mean == pytest.approx(one.mean)
    with pytest.raises(KeyError):
        one.row("theirs", None, metric)


def test_csv_is_long(two: Report) -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv(two))))
    assert tuple(lines[0]) == CSV_COLUMNS
    assert len(lines) == 2 * 4 * 3 * len(METRICS)
    for line, score in zip(lines, two.scores, strict=True):
        assert line["class"] == score.class_name
        assert (float(line["value"]) if line["value"] else None) == score.value
    invented = [x for x in lines if x["case"] == "case1" and x["class"] == LESION and x["metric"] == "hd95"]
    assert [(x["empty"], float(x["value"]), x["unit"]) for x in invented] == [
        ("reference", pytest.approx(np.hypot(24, 40)), "mm")
    ] * 2


def test_markdown_tells_means_methods_and_empty_masks(one: Report, two: Report) -> None:
    text = to_markdown(one)
    rows = [line for line in text.splitlines() if line.startswith("| organ")]
    assert len(rows) == 1
    cells = rows[0].split(" | ")
    assert len(cells) == 1 + len(METRICS)
    interval = one.row("ours", "organ", METRICS[0])
    assert cells[1] == f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
    assert r"small\_lesion\|$x$: invented in case1" in text
    assert r"small\_lesion\|$x$: not found in case2" in text
    for rule in EMPTY_RULES:
        assert rule in text
    assert "Wilcoxon" not in text
    assert "Difference: ours − theirs" in to_markdown(two)
    assert "Wilcoxon" in to_markdown(two)
    widths = {line.replace(r"\|", "").count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {2 + len(METRICS)}


@pytest.mark.parametrize("name", ["one", "two"])
def test_figure(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    write_figure(path, request.getfixturevalue(name))
    pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    assert min(pixels.shape[:2]) > 600
    assert pixels[..., :3].std() > 10


def test_a_figure_of_unknown_kind_is_refused(one: Report, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.png"):
        write_figure(tmp_path / "figure.bmp", one)


def test_refuses_more_than_two() -> None:
    with pytest.raises(ValueError, match="one prediction or two"):
        make_report({}, {})

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ufseg.errors import PlanError
from ufseg.plans.plan import HuWindow, Plan, ZScore

PLAN = Plan(
    dimension=3,
    modality="CT",
    spacing=(3.0, 1.0, 1.0),
    patch_size=(20, 64, 64),
    batch_size=2,
    features=(16, 32, 64),
    kernel_sizes=((1, 3, 3), (3, 3, 3), (3, 3, 3)),
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)),
    normalisation=(HuWindow(low=-100, high=200, mean=40, std=30), ZScore()),
    classes=4,
)


def test_a_plan_is_readable_json_and_comes_back(tmp_path: Path) -> None:
    PLAN.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == PLAN
    text = (tmp_path / "plan.json").read_text(encoding="utf-8")
    assert text.count("\n") > 10
    assert json.loads(text)["normalisation"][0] == {
        "kind": "hu-window", "low": -100, "high": 200, "mean": 40, "std": 30,
    }  # fmt: skip


def test_plans_of_before_the_choice_of_architecture_are_read(tmp_path: Path) -> None:
    content = PLAN.model_dump()
    del content["architecture"]
    (tmp_path / "plan.json").write_text(json.dumps(content), encoding="utf-8")
    assert Plan.read(tmp_path / "plan.json") == PLAN


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"patch_size": (20, 64, 62)}, r"not divisible by the total stride \(2, 4, 4\)"),
        ({"patch_size": (64, 64)}, "2 axes"),
        ({"spacing": (1.0, 0.0, 1.0)}, "above 0"),
        ({"spacing": (1.0, math.nan, 1.0)}, "finite number"),
        ({"spacing": (1.0, math.inf, 1.0)}, "finite number"),
        ({"normalisation": ({"kind": "hu-window", "low": 9, "high": 1, "mean": 5, "std": 1},) * 2}, "low 9 lies above"),
        ({"features": (16, 32)}, "2, 3 and 3 levels"),
        ({"strides": ((1, 2, 2), (1, 1, 1), (2, 2, 2))}, "all ones"),
        ({"strides": ((1, 1, 1), (0, 1, 1), (2, 2, 2))}, "at least 1"),
        ({"kernel_sizes": ((1, 3, 3), (2, 3, 3), (3, 3, 3))}, "odd"),
        ({"dimension": 2}, "dimension is 2"),
        ({"classes": 1}, "classes"),
        ({"normalisation": ()}, "normalisation"),
        ({"architecture": "paper"}, "the paper's network has 5 levels .* the plan has 3 levels"),
        ({"architecture": "other"}, "'dynunet' or 'paper'"),
    ],
)
def test_inconsistent_plans_are_refused(tmp_path: Path, change: dict[str, Any], match: str) -> None:
    content = {**PLAN.model_dump(), **change}
    with pytest.raises(ValidationError, match=match):
        Plan.model_validate(content)
    (tmp_path / "plan.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(PlanError, match=r"plan\.json cannot be used: .*Correct it"):
        Plan.read(tmp_path / "plan.json")


def test_missing_and_broken_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="There is no plan"):
        Plan.read(tmp_path / "absent.json")
    (tmp_path / "plan.json").write_text("{", encoding="utf-8")
    with pytest.raises(PlanError, match="cannot be used"):
        Plan.read(tmp_path / "plan.json")
    (tmp_path / "plan.json").write_text("{}", encoding="utf-16")
    with pytest.raises(PlanError, match="no text in UTF-8"):
        Plan.read(tmp_path / "plan.json")

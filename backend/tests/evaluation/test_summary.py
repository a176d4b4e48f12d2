"""Means over cases and classes."""

from __future__ import annotations

import json
import math

import pytest

from ufseg.evaluation.summary import summarise


def test_leaves_out_what_is_not_counted() -> None:
    summary = summarise({"a": {"x": 0.8, "y": math.nan}, "b": {"x": 0.6, "y": 0.4}, "c": {"x": math.nan, "y": None}})
    assert summary.per_case == {"a": 0.8, "b": pytest.approx(0.5), "c": None}
    assert summary.per_class == {"x": pytest.approx(0.7), "y": 0.4}
    assert summary.mean == pytest.approx(0.65)
    assert summary.cases == 2


def test_json_never_holds_nan() -> None:
    text = summarise({"a": {"x": math.nan}}).model_dump_json()
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name))["mean"] is None


def test_no_cases() -> None:
    assert summarise({}).mean is None

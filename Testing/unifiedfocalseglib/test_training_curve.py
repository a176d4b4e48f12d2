"""The training curve in the scene, the table of scores and the losses that are offered."""

from __future__ import annotations

import math

from UnifiedFocalSegLib.gate_rows import p_value, score_rows
from UnifiedFocalSegLib.loss_choices import DEFAULT_LOSS, LOSSES
from UnifiedFocalSegLib.training_curve import TrainingCurve


def test_points_arrive_once_and_in_order(scene):
    curve = TrainingCurve("Phantom")
    assert not curve.add({"learning_rate": 0.1})
    assert curve.add({"step": 1.0, "loss": 0.9})
    assert not curve.add({"step": 1.0, "loss": 0.9})
    assert curve.add({"step": 5.0, "loss": 0.5, "validation_loss": 0.6})
    curve.show()
    table = scene.GetFirstNodeByClass("vtkMRMLTableNode").GetTable()
    assert [table.GetColumnName(i) for i in range(3)] == ["step", "loss", "validation_loss"]
    assert [table.GetValue(r, 1).ToDouble() for r in range(2)] == [0.9, 0.5]
    assert math.isnan(table.GetValue(0, 2).ToDouble())
    assert curve.chart.GetNumberOfPlotSeriesNodes() == 2


def test_a_long_training_keeps_its_whole_course_in_few_points(scene):
    curve = TrainingCurve("long")
    for step in range(2000):
        curve.add({"step": float(step), "loss": 1 / (step + 1)})
    table = scene.GetFirstNodeByClass("vtkMRMLTableNode").GetTable()
    assert 300 <= table.GetNumberOfRows() <= 600
    assert table.GetValue(table.GetNumberOfRows() - 1, 0).ToDouble() > 1990


def test_the_scene_may_close_in_between(scene):
    curve = TrainingCurve("Phantom")
    curve.add({"step": 1.0, "loss": 0.9})
    scene.Clear(0)
    curve.add({"step": 2.0, "loss": 0.8})
    assert scene.GetFirstNodeByClass("vtkMRMLTableNode").GetTable().GetNumberOfRows() == 2


def test_old_beside_new():
    gate = {
        "promoted_per_class": {"a": 0.8},
        "candidate_per_class": {"a": 0.85, "b": 0.5},
        "promoted_mean": 0.8,
        "candidate_mean": 0.675,
        "test": {"p_value": 0.03},
    }
    a, b, mean = score_rows(gate)
    assert (a.name, a.old, a.new) == ("a", 0.8, 0.85)
    assert abs(a.change - 0.05) < 1e-9
    assert (b.old, b.change) == (None, None)
    assert (mean.name, mean.old, mean.new) == ("", 0.8, 0.675)
    assert p_value(gate) == 0.03
    assert p_value({"test": None}) is None


def test_the_backend_has_every_loss_and_option_that_is_offered():
    from ufseg.losses import registry

    assert LOSSES[0].name == DEFAULT_LOSS
    for loss in LOSSES:
        assert loss.name in registry.names()
        assert set(loss.options) <= set(registry.options(loss.name))
        registry.create(loss.name, **loss.options)

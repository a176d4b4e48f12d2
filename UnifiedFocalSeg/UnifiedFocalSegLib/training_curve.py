"""The curve of a training in the scene: a table, its series, and a chart in Slicer's plot view."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

from .translation import tr as _

# The chart grows with each report; so many points are enough to see, and redrawn quickly.
_MOST_POINTS = 600
_COLORS = {"loss": (0.0, 0.45, 0.70), "validation_loss": (0.84, 0.37, 0.0)}


class TrainingCurve:
    """Nodes of one training's curve; made at the first point, and made again if the scene was closed meanwhile.

    Args:
        title: of the chart, such as the task's name.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._points: list[tuple[float, float, float]] = []
        self._table: Any = None
        self.chart: Any = None

    def add(self, scalars: dict[str, float]) -> bool:
        """Take the newest numbers of a training (``step``, ``loss``, …); True if they are a new point."""
        if "step" not in scalars or "loss" not in scalars:
            return False
        point = (scalars["step"], *(scalars.get(key, float("nan")) for key in _COLORS))
        if self._points and point[0] <= self._points[-1][0]:
            return False
        self._points.append(point)
        if len(self._points) > _MOST_POINTS:
            self._points = self._points[1::2]
        self._write()
        return True

    def show(self) -> None:
        """Show the chart in a plot view; without the application there is none."""
        if self.chart is None or not hasattr(slicer.modules, "plots"):
            return
        logic = slicer.modules.plots.logic()
        if hasattr(logic, "ShowChartInLayout"):
            logic.ShowChartInLayout(self.chart)

    def _write(self) -> None:
        scene = slicer.mrmlScene
        if self._table is None or not scene.IsNodePresent(self._table):
            self._make(scene)
        columns = list(zip(*self._points, strict=True))
        table = vtk.vtkTable()
        for name, values in zip(("step", *_COLORS), columns, strict=True):
            column = vtk.vtkDoubleArray()
            column.SetName(name)
            for value in values:
                column.InsertNextValue(value)
            table.AddColumn(column)
        self._table.SetAndObserveTable(table)
        self.chart.SetXAxisTitle(_("step"))

    def _make(self, scene: Any) -> None:
        """New nodes, not saved with the scene: the curve is kept with the model version."""
        table, chart = _("{task} training"), _("{task} training curve")
        self._table = scene.AddNewNodeByClass(
            "vtkMRMLTableNode", scene.GenerateUniqueName(table.format(task=self._title))
        )
        self.chart = scene.AddNewNodeByClass(
            "vtkMRMLPlotChartNode", scene.GenerateUniqueName(chart.format(task=self._title))
        )
        self.chart.SetTitle(self._title)
        self.chart.SetYAxisTitle(_("loss"))
        titles = {"loss": _("training loss"), "validation_loss": _("validation loss")}
        for key, color in _COLORS.items():
            series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", titles[key])
            series.SetAndObserveTableNodeID(self._table.GetID())
            series.SetXColumnName("step")
            series.SetYColumnName(key)
            series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
            series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
            series.SetColor(*color)
            series.SetSaveWithScene(False)
            self.chart.AddAndObservePlotSeriesNodeID(series.GetID())
        for node in (self._table, self.chart):
            node.SetSaveWithScene(False)

"""A new task as the wizard puts it together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nodes import add_segmentation, add_volume, paint
from UnifiedFocalSegLib import terminology
from UnifiedFocalSegLib.errors import SceneError
from UnifiedFocalSegLib.task_draft import TaskDraft, classes_of


def test_classes_by_name_take_code_and_colour_from_slicers_terminology(scene):
    draft = TaskDraft("Liver CT", "CT").with_class("Liver").with_class("lesion nobody has a code for")
    liver, other = draft.classes
    assert (liver.value, other.value) == (1, 2)
    assert liver.color == (221, 130, 101)
    assert "10200004" in liver.terminology
    assert terminology.read(liver.terminology).code == "SCT 10200004"
    assert other.terminology is None
    assert other.color != liver.color
    assert draft.problem() == ""
    assert [e["name"] for e in draft.entries()] == ["Liver", "lesion nobody has a code for"]
    assert "terminology" not in draft.entries()[1]


def test_every_name_that_is_proposed_is_known(scene):
    assert "hippocampus" in terminology.names()
    assert all(terminology.find(name) for name in terminology.names())


def test_removing_and_renaming(scene):
    draft = TaskDraft("t").with_class("a").with_class("b").with_class("c").without_class(1)
    assert [(c.name, c.value) for c in draft.classes] == [("a", 1), ("c", 2)]
    assert draft.renamed(1, "liver").classes[1].color == (221, 130, 101)


def test_classes_of_a_segmentation(scene):
    volume = add_volume(scene, np.zeros((4, 4, 4), np.int16))
    node = add_segmentation(scene, volume)
    for name in ("left", "right"):
        paint(node, volume, name, np.ones((4, 4, 4), bool))
    node.GetSegmentation().GetNthSegment(1).SetColor(1.0, 0.0, 0.5)
    left, right = classes_of(node)
    assert (left.name, left.value, right.name, right.value) == ("left", 1, "right", 2)
    assert right.color == (255, 0, 128)
    with pytest.raises(SceneError, match="empty has no segments"):
        classes_of(add_segmentation(scene, volume, "empty"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": " "}, "Give the task a name"),
        ({"name": "OLD one"}, "There is a task named OLD one already"),
        ({"channels": ("T1", "T1")}, "channel a name of its own"),
        ({"classes": ()}, "at least one class"),
    ],
)
def test_what_is_missing_is_said(scene, changes, said):
    draft = replace(TaskDraft("new").with_class("a"), **changes)
    assert said in draft.problem(["old one"])


def test_bad_class_names_are_said(scene):
    draft = TaskDraft("new").with_class("a")
    assert "Two classes are named a" in draft.with_class("A").problem()
    assert "must not be added" in draft.with_class("Background").problem()
    assert "Give each class a name" in draft.with_class(" ").problem()

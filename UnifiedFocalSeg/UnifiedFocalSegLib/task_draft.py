"""A task as it is being made: what the wizard collects, checks and sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import vtk

from .classes import SegmentClass, read_classes
from .errors import SceneError
from .terminology import find, read
from .translation import tr as _

MODALITIES = ("CT", "MRI", "other")
_BACKGROUND = "background"
_MOST_CLASSES, _MOST_CHANNELS = 255, 16


@dataclass(frozen=True)
class TaskDraft:
    """A new task.

    Args:
        name: such as "Hippocampus MRI".
        modality: one of `MODALITIES`.
        channels: names of the images of a case.
        classes: in the order of their values, which are 1, 2, ….
        validation_fraction: share of the subjects that only judge models, 0 to below 1.
    """

    name: str = ""
    modality: str = "MRI"
    channels: tuple[str, ...] = ("image",)
    classes: tuple[SegmentClass, ...] = field(default_factory=tuple)
    validation_fraction: float = 0.25

    def problem(self, taken: Sequence[str] = ()) -> str:
        """Why it cannot be made yet, in a sentence; empty if it can.

        Args:
            taken: names of the tasks that there are.
        """
        if not self.name.strip():
            return _("Give the task a name, such as “Liver CT”.")
        if self.name.strip().lower() in (t.lower() for t in taken):
            return _("There is a task named {name} already. Choose another name.").format(name=self.name.strip())
        if not all(c.strip() for c in self.channels) or len(set(self.channels)) < len(self.channels):
            return _("Give each channel a name of its own, such as T1 and FLAIR.")
        if len(self.channels) > _MOST_CHANNELS:
            return _("A case has at most {most} channels, not {count}.").format(
                most=_MOST_CHANNELS, count=len(self.channels)
            )
        if not self.classes:
            return _("Add at least one class: what is to be segmented.")
        names = [c.name.strip().lower() for c in self.classes]
        if not all(names):
            return _("Give each class a name.")
        double = next((n for n in names if names.count(n) > 1), None)
        if double:
            return _("Two classes are named {name}. Give each a name of its own.").format(name=double)
        if _BACKGROUND in names:
            return _("Background is always there and must not be added as a class.")
        if len(names) > _MOST_CLASSES:
            return _("A task has at most {most} classes, not {count}.").format(most=_MOST_CLASSES, count=len(names))
        return ""

    def entries(self) -> list[dict[str, Any]]:
        """The classes as the service takes them."""
        return [
            {"name": c.name.strip(), "value": c.value, "color": list(c.color)}
            | ({"terminology": c.terminology} if c.terminology else {})
            for c in self.classes
        ]

    def with_class(self, name: str) -> TaskDraft:
        """With one more class, in Slicer's code and colour for that name where it has one."""
        value = len(self.classes) + 1
        known = find(name)
        plain = read_classes(
            [*({"name": c.name, "value": c.value} for c in self.classes), {"name": name, "value": value}]
        )
        color, terminology = (known.color, known.serialized) if known else (plain[-1].color, None)
        return replace(self, classes=(*self.classes, SegmentClass(value, name, color, terminology)))

    def without_class(self, index: int) -> TaskDraft:
        """Without the class at `index`; those behind it move up."""
        left = [c for n, c in enumerate(self.classes) if n != index]
        return replace(self, classes=tuple(replace(c, value=n) for n, c in enumerate(left, start=1)))

    def renamed(self, index: int, name: str) -> TaskDraft:
        """With another name for a class; code and colour follow where Slicer knows the name."""
        old, known = self.classes[index], find(name)
        new = replace(
            old,
            name=name,
            color=known.color if known else old.color,
            terminology=known.serialized if known else None,
        )
        return replace(self, classes=(*self.classes[:index], new, *self.classes[index + 1 :]))


def modality_titles() -> tuple[str, ...]:
    """What `MODALITIES` are called on screen."""
    return (_("CT"), _("MRI"), _("other"))


def classes_of(segmentation: Any) -> tuple[SegmentClass, ...]:
    """The classes of a segmentation in the scene: names, colours and terminology of its segments, values 1, 2, ….

    Raises:
        SceneError: it has no segment.
    """
    data = segmentation.GetSegmentation()
    count = data.GetNumberOfSegments()
    if not count:
        raise SceneError(
            _("{segmentation} has no segments. Choose another segmentation, or add classes by name.").format(
                segmentation=segmentation.GetName()
            )
        )
    found = []
    for index in range(count):
        segment = data.GetNthSegment(index)
        tag = str(_tag(segment))
        color = tuple(round(255 * c) for c in segment.GetColor())
        found.append(SegmentClass(index + 1, segment.GetName(), color, tag if read(tag) else None))
    return tuple(found)


def _tag(segment: Any) -> str:
    value = vtk.mutable("")
    return value.get() if segment.GetTag(segment.GetTerminologyEntryTagName(), value) else ""

"""The class table of a task, as the module needs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import SceneError
from .translation import tr as _

# Told apart well on grey images, also by people with colour blindness (Okabe and Ito, 2008). Used in order of the
# class values where a task gives no colours.
_COLORS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))


@dataclass(frozen=True)
class SegmentClass:
    """One class of a task.

    Args:
        value: the integer that stands for it in label maps, 1 to 255.
        name: name of its segment.
        color: red, green, blue, 0 to 255 each.
        terminology: Slicer's serialised terminology entry, or None.
    """

    value: int
    name: str
    color: tuple[int, int, int]
    terminology: str | None = None


def read_classes(entries: Iterable[Mapping[str, Any]]) -> list[SegmentClass]:
    """Classes of the service's task JSON in order of their value, each with a colour."""
    ordered = sorted(entries, key=lambda entry: entry["value"])
    return [
        SegmentClass(
            value=int(entry["value"]),
            name=str(entry["name"]),
            color=tuple(entry.get("color") or _COLORS[index % len(_COLORS)]),
            terminology=entry.get("terminology") or None,
        )
        for index, entry in enumerate(ordered)
    ]


def check_values(label: np.ndarray, classes: Sequence[SegmentClass]) -> None:
    """Look at every voxel of a label map, in any thread: 0.2 s for a large CT is too long for the GUI's.

    Args:
        label: class values ``[k, j, i]``.
        classes: those of the task.

    Raises:
        SceneError: it is not uint8, or holds values that no class has.
    """
    if label.dtype != np.uint8:
        raise SceneError(_("A label map must be uint8, not {kind}.").format(kind=label.dtype))
    known = np.zeros(256, dtype=bool)
    known[[0, *(c.value for c in classes)]] = True
    if all(known[plane].all() for plane in label):  # plane by plane, so that no second volume is needed
        return
    unknown = [int(v) for v in np.unique(label) if not known[v]]
    raise SceneError(
        _("The label map holds the values {values}, but the task's classes have {known}.").format(
            values=unknown, known=[c.value for c in classes]
        )
    )

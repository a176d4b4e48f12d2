"""Slicer's standard terminology: codes and colours of structures by their names."""

from __future__ import annotations

from dataclasses import dataclass

import slicer

_CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"


@dataclass(frozen=True)
class Entry:
    """A structure of the terminology.

    Args:
        serialized: as Slicer keeps it in a segment's tag.
        color: recommended red, green, blue, 0 to 255 each.
        code: scheme and value of the type, such as ``"SCT 10200004"``.
    """

    serialized: str
    color: tuple[int, int, int]
    code: str


def names() -> list[str]:
    """Every name that `find` knows, in alphabetical order."""
    logic = _logic()
    if logic is None:
        return []
    found = set()
    for index in range(logic.GetNumberOfCategoriesInTerminology(_CONTEXT)):
        category = slicer.vtkSlicerTerminologyCategory()
        logic.GetNthCategoryInTerminology(_CONTEXT, index, category)
        for number in range(logic.GetNumberOfTypesInTerminologyCategory(_CONTEXT, category)):
            kind = slicer.vtkSlicerTerminologyType()
            logic.GetNthTypeInTerminologyCategory(_CONTEXT, category, number, kind)
            found.add(kind.GetSlicerLabel())
    return sorted(found - {""})


def find(name: str) -> Entry | None:
    """The entry that Slicer calls `name`, whatever the case of its letters; None if there is none."""
    logic = _logic()
    if logic is None:
        return None
    for label in dict.fromkeys((name.strip(), name.strip().lower(), name.strip().capitalize())):
        entry = slicer.vtkSlicerTerminologyEntry()
        if label and logic.FindTypeInTerminologyBy3dSlicerLabel(_CONTEXT, label, entry):
            return _read(logic, entry)
    return None


def read(serialized: str) -> Entry | None:
    """An entry as a segment's tag holds it; None if it cannot be read."""
    logic = _logic()
    entry = slicer.vtkSlicerTerminologyEntry()
    if logic is None or not serialized or not logic.DeserializeTerminologyEntry(serialized, entry):
        return None
    return _read(logic, entry)


def _logic():
    return slicer.modules.terminologies.logic() if hasattr(slicer.modules, "terminologies") else None


def _read(logic, entry) -> Entry:
    kind = entry.GetTypeObject()
    color = tuple(int(c) for c in kind.GetRecommendedDisplayRGBValue())
    code = f"{kind.GetCodingSchemeDesignator()} {kind.GetCodeValue()}"
    return Entry(logic.SerializeTerminologyEntry(entry), color, code)

"""Who was imaged, without saying it: the subject id and the name under which a case is sent.

Cases of one subject always go to the same side of the split into training and validation, so the id must be the same
for all studies of a patient. It is, in this order of preference, made from the patient's unique id or name in the
subject hierarchy (present for DICOM data), or from the volume's name. Only a hash leaves this module, so that no
patient's name can reach a file name or a log. Volumes loaded from plain files have no patient item: give volumes of
one person the same `subject` by hand where that matters.
"""

from __future__ import annotations

import getpass
import hashlib

import slicer

_LENGTH = 16


def subject_of(volume) -> str:
    """Stable anonymous id of the person in `volume`."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volume.GetScene())
    item = hierarchy.GetItemByDataNode(volume) if hierarchy is not None else 0
    names = slicer.vtkMRMLSubjectHierarchyConstants
    patient = hierarchy.GetItemAncestorAtLevel(item, names.GetDICOMLevelPatient()) if item else 0
    if patient:
        known = hierarchy.GetItemUID(patient, names.GetDICOMUIDName()) or hierarchy.GetItemName(patient)
        if known:
            return _hashed(f"patient:{known}")
    return _hashed(f"volume:{volume.GetName()}")


def default_author() -> str:
    """Who signs a revision if nobody says: the user of this computer."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such variable, and no user database or entry in it
        return "unknown"


def _hashed(text: str) -> str:
    return "subject-" + hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]

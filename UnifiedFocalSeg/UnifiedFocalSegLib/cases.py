"""The cases of a task: a table of them, their history, and opening one at any revision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import slicer.util

from .case_nodes import BASE, CASE, IMAGE_ROLE, MODEL_VERSION, REVISION, TASK, check_present, is_present
from .classes import check_values, read_classes
from .client import BackendClient, Json
from .errors import FocalSegError, SceneError
from .geometry import Geometry, to_vtk
from .labels import KnownLabels
from .nrrd import Body, decode
from .operation import Control, Operation, Script
from .scene import label_to_segmentation, volume_image
from .translation import tr as _


@dataclass(frozen=True)
class CaseRow:
    """A case as the table shows it.

    Args:
        id: of the case.
        name: of the case.
        membership: ``"training"``, ``"validation"``, or empty without a label.
        revisions: number of its label revisions.
        corrected: whether one of them corrects an earlier one or a model's result.
        author: of the newest revision; empty without one.
        created: of the newest revision, ISO 8601; empty without one.
    """

    id: str
    name: str
    membership: str
    revisions: int
    corrected: bool = False
    author: str = ""
    created: str = ""


@dataclass(frozen=True)
class RevisionRow:
    """A label revision as the history shows it.

    Args:
        revision: as the service tells it.
        changed: voxels that differ from the revision before it.
        dice: of each class with the revision before it; None where neither has the class.
        against: number of that revision; None for the first.
    """

    revision: Json
    changed: int
    dice: dict[str, float | None]
    against: int | None


class Cases:
    """Part of the logic: cases and their revisions. Needs `Connection` beside it."""

    known: KnownLabels
    # Volumes that were put into the scene here: node id → hash of the image, and the voxels' time of change. Files of
    # other programs have other headers than ours, so the hash of the voxels here would not be theirs.
    opened: dict[str, tuple[str, int]]
    # Rows by the case's id. Revisions are only ever added, so their number says whether a row still holds.
    rows: dict[str, CaseRow]

    def case_rows(self, task: str | Json, *, wait: bool = False) -> Operation:
        """The cases of a task; result: list of `CaseRow`, oldest first."""
        chosen = task if isinstance(task, str) else str(task["id"])

        def rows(client: BackendClient) -> list[CaseRow]:
            return [self._row(case, client) for case in client.cases(chosen)]

        return self._simple("fetch", _("Fetch cases"), rows, wait)

    def history(self, case: str, *, wait: bool = False) -> Operation:
        """The label revisions of a case; result: list of `RevisionRow`, oldest first."""

        def rows(client: BackendClient) -> list[RevisionRow]:
            revisions = client.revisions(case)
            numbers = {r["id"]: r["number"] for r in revisions}
            return [_changes(revision, client.diff(revision["id"]), numbers) for revision in revisions]

        return self._simple("fetch", _("Fetch history"), rows, wait)

    def open_case(self, case: str, revision: str | None = None, *, wait: bool = False) -> Operation:
        """Put a case into the scene: its volumes, unless they are there, and a segmentation of a label revision.

        Args:
            case: id of the case.
            revision: id of one of its revisions, the newest if None.
            wait: block until done.

        Returns:
            Operation whose result is the new segmentation, or the first volume of a case without a label.
        """

        def script() -> Script:
            client = self._connected()

            def look_up(_control: Control) -> tuple[Json, Json, Json | None]:
                found = client.case(case)
                return found, client.task(found["task"]), _choose(client.revisions(case), revision)

            details, task, chosen = yield self._step(look_up)
            title = _("Open {case}").format(case=details["name"])
            grid = Geometry.from_json(details["geometry"])
            classes = read_classes(task["classes"])
            there = _candidates(grid)
            before = [node.GetImageData().GetMTime() for node, _image in there]
            known = [self._opened_as(node) for node, _image in there]
            hashes = yield self._step(
                lambda control: [sha or _hash(image, control) for sha, (_node, image) in zip(known, there, strict=True)]
            )
            # A volume that was painted on meanwhile was hashed half old, half new.
            hashes = [
                sha if is_present(node) and node.GetImageData().GetMTime() == time else ""
                for sha, time, (node, _image) in zip(hashes, before, there, strict=True)
            ]
            volumes: list[Any] = []
            for number, sha in enumerate(details["images"]):
                same = [node for (node, _image), own in zip(there, hashes, strict=True) if own == sha]
                if same:
                    check_present(same[:1], title)
                    volumes.append(same[0])
                    continue
                array, geometry = yield self._step(
                    lambda control, sha=sha: _load(client, sha, control, _("Fetching the image"))
                )
                volume = _add_volume(array, geometry, _volume_name(details, task, number))
                self.opened[volume.GetID()] = (sha, volume.GetImageData().GetMTime())
                volumes.append(volume)
            if chosen is None:
                return volumes[0]

            def load(control: Control) -> np.ndarray:
                label, geometry = _load(client, chosen["label"], control, _("Fetching the label map"))
                check_values(label, classes)
                return _fitting(label, geometry, grid)

            label = yield self._step(load)
            check_present(volumes, title)
            self.known.remember(chosen["label"], label)
            name = _("{case} revision {number}").format(case=details["name"], number=chosen["number"])
            node = label_to_segmentation(label, classes, volumes[0], name, checked=True)
            for attribute, value in (
                (TASK, task["id"]),
                (CASE, case),
                (REVISION, chosen["id"]),
                (BASE, chosen["label"]),
                (MODEL_VERSION, chosen.get("model_version")),
            ):
                if value:
                    node.SetAttribute(attribute, value)
            for volume in volumes:
                node.AddNodeReferenceID(IMAGE_ROLE, volume.GetID())
            return node

        return self._run("open", _("Open the case"), script(), wait)

    def _row(self, case: Json, client: BackendClient) -> CaseRow:
        known = self.rows.get(case["id"])
        if known is None or known.revisions != case["revisions"]:
            known = self.rows[case["id"]] = _row(case, client)
        return known

    def _opened_as(self, volume: Any) -> str:
        """Hash of the image that a volume was opened as, if its voxels are still those; else empty."""
        sha, changed = self.opened.get(volume.GetID(), ("", 0))
        return sha if volume.GetImageData().GetMTime() == changed else ""


def _row(case: Json, client: BackendClient) -> CaseRow:
    newest: Json = {}
    corrected = False
    if case["revisions"]:
        revisions = client.revisions(case["id"])
        newest = max(revisions, key=lambda r: r["number"])
        corrected = any(r["origin"] == "corrected" for r in revisions)
    return CaseRow(
        case["id"],
        case["name"],
        case["membership"] or "",
        case["revisions"],
        corrected,
        newest.get("author", ""),
        newest.get("created", ""),
    )


def _changes(revision: Json, diff: Json, numbers: dict[str, int]) -> RevisionRow:
    dice = {name: change["dice"] for name, change in diff["per_class"].items()}
    return RevisionRow(revision, diff["changed"], dice, numbers.get(diff["against"]))


def _choose(revisions: Sequence[Json], wanted: str | None) -> Json | None:
    """The wanted revision, or the newest; None if the case has none.

    Raises:
        FocalSegError: the case has no such revision.
    """
    if wanted is None:
        return max(revisions, key=lambda r: r["number"], default=None)
    found = next((r for r in revisions if r["id"] == wanted), None)
    if found is None:
        raise FocalSegError(
            _("The case has no revision {wanted}, but {count} others. Refresh the table.").format(
                wanted=wanted, count=len(revisions)
            )
        )
    return found


def _candidates(grid: Geometry) -> list[tuple[Any, tuple[np.ndarray, Geometry]]]:
    """Volumes of the scene on a grid, with their voxels, which the scene still owns."""
    found = []
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        if node.IsA("vtkMRMLLabelMapVolumeNode"):
            continue
        try:
            array, geometry = volume_image(node)
        except SceneError:
            continue  # such a volume was never sent
        if geometry.difference(grid) is None:
            found.append((node, (array, geometry)))
    return found


def _hash(image: tuple[np.ndarray, Geometry], control: Control) -> str:
    control.check()
    return Body(*image).sha256()


def _load(client: BackendClient, sha: str, control: Control, stage: str) -> tuple[np.ndarray, Geometry]:
    control.check()
    control.report(stage=stage)
    return decode(client.download(sha))


def _volume_name(case: Json, task: Json, number: int) -> str:
    """The case's name, with the channel's where there are several files."""
    several = len(case["images"]) > 1
    channels = task["channels"]
    return f"{case['name']} {channels[number]}" if several and number < len(channels) else case["name"]


def _add_volume(array: np.ndarray, geometry: Geometry, name: str) -> Any:
    kind = "vtkMRMLScalarVolumeNode" if array.ndim == 3 else "vtkMRMLVectorVolumeNode"
    node = slicer.mrmlScene.AddNewNodeByClass(kind, slicer.mrmlScene.GenerateUniqueName(name))
    slicer.util.updateVolumeFromArray(node, array)
    node.SetIJKToRASMatrix(to_vtk(geometry.ijk_to_ras))
    node.CreateDefaultDisplayNodes()
    return node


def _fitting(label: np.ndarray, geometry: Geometry, grid: Geometry) -> np.ndarray:
    difference = geometry.difference(grid)
    if difference is not None:
        raise SceneError(
            _(
                "The label map and the image of this case lie on different grids: {difference}. Nothing more was put "
                "into the scene; run “ufseg workspace check”."
            ).format(difference=difference)
        )
    return label

"""What a correction has changed, computed beside the GUI thread, and shown in the scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .case_nodes import BASE, CASE, PREDICTION, TASK, check_present
from .classes import SegmentClass, read_classes
from .client import BackendClient
from .comparison import ClassMeasure, changed_box, gained_and_lost, measure
from .errors import SceneError
from .geometry import Geometry
from .labels import KnownLabels
from .nrrd import decode
from .operation import Operation, Script
from .regions import volume_to_world
from .scene import add_layer, empty_segmentation
from .segment_slices import occupied_offsets
from .segmentation_export import take_snapshot
from .translation import tr as _

GREEN, RED = np.array([0, 158, 115]), np.array([213, 94, 0])
_SHADE = 0.6

MODELS_RESULT, SAVED_REVISION = "prediction", "revision"
"""What a segmentation can be compared with."""


@dataclass(frozen=True)
class Review:
    """A segmentation beside what it was made from.

    Args:
        measures: one for each class of the task.
        reference: what it is compared with, `MODELS_RESULT` or `SAVED_REVISION`; empty if there is nothing.
        box: first voxel and the one after the last (i, j, k) of all that differs; None without a difference.
    """

    measures: list[ClassMeasure]
    reference: str
    box: tuple[tuple[int, ...], tuple[int, ...]] | None


def reference_of(segmentation: Any) -> tuple[str, str]:
    """SHA-256 of the label map that a segmentation is compared with and which it is; empty texts if there is none.

    It is the model's result where a model made the segmentation, else the revision that it was opened from.
    """
    for attribute, which in ((PREDICTION, MODELS_RESULT), (BASE, SAVED_REVISION)):
        found = segmentation.GetAttribute(attribute)
        if found:
            return found, which
    return "", ""


class Measuring:
    """Part of the logic: measures, differences, and slices that hold a segment. Needs `Connection` beside it."""

    known: KnownLabels

    def measure(
        self, segmentation: Any, volume: Any, classes: list[dict] | None = None, *, wait: bool = False
    ) -> Operation:
        """Compare a segmentation with what it was made from; result: `Review`.

        Only a copy of its voxels is made on the main thread.

        Args:
            segmentation: segmentation node.
            volume: the volume whose grid it has.
            classes: of its task; asked from the backend if None. Without a backend or a task the segments are measured
                by themselves and compared with nothing.
            wait: block until done.
        """
        title = _("Measure {segmentation}").format(segmentation=segmentation.GetName())

        def script() -> Script:
            alone = not classes and (self.client is None or not segmentation.GetAttribute(TASK))
            known = _own_classes(segmentation) if alone else classes or (yield from self._classes_of(segmentation))
            table = read_classes(known)
            check_present([segmentation, volume], _("Measure"))
            snapshot = take_snapshot(segmentation, volume, table)
            sha, which = ("", "") if alone else reference_of(segmentation)
            client = self.client

            def compare(_control: Any) -> Review:
                label = snapshot.label()
                reference = _fetch(client, self.known, sha) if sha else None
                if reference is not None and reference.shape != label.shape:
                    reference = None  # the volume was replaced by another
                measures = measure(label, reference, table, snapshot.geometry.voxel_mm3)
                return Review(
                    measures,
                    which if reference is not None else "",
                    None if reference is None else changed_box(label, reference),
                )

            return (yield self._step(compare))

        return self._run("measure", title, script(), wait)

    def compare_in_scene(self, segmentation: Any, volume: Any, what: str, *, wait: bool = False) -> Operation:
        """Put what a segmentation was made from, or its difference from that, into the scene.

        Args:
            segmentation: segmentation node; it is not changed.
            volume: the volume whose grid it has.
            what: ``"original"`` for a copy of the model's result, ``"difference"`` for the voxels that were added
                and those that were removed, a segment for each class and direction.
            wait: block until done.

        Returns:
            Operation whose result is a segmentation node that no list of nodes shows and no scene file keeps; an
            earlier one of the same kind for the same segmentation is replaced.
        """
        role = f"UnifiedFocalSeg.{what}"
        title = _("Compare {segmentation}").format(segmentation=segmentation.GetName())

        def script() -> Script:
            sha, which = reference_of(segmentation)
            if not sha:
                raise SceneError(
                    _(
                        "{segmentation} was not made by a model nor opened from a revision, so there is nothing to "
                        "compare it with. Segment the volume, or open a case."
                    ).format(segmentation=segmentation.GetName())
                )
            table = read_classes((yield from self._classes_of(segmentation)))
            check_present([segmentation, volume], _("Compare"))
            snapshot = take_snapshot(segmentation, volume, table)
            client = self.client

            def compare(_control: Any) -> list[np.ndarray]:
                reference = _fetch(client, self.known, sha)
                if reference.shape != snapshot.geometry.array_shape:
                    raise SceneError(_other_size(which).format(volume=volume.GetName()))
                return [reference] if what == "original" else list(gained_and_lost(snapshot.label(), reference))

            layers = yield self._step(compare)
            check_present([segmentation, volume], _("Compare"))
            return self._show(segmentation, volume, snapshot.geometry, table, layers, role, which)

        return self._run("compare", title, script(), wait)

    def slices_with(
        self, segmentation: Any, volume: Any, segment: str, normal: Any, *, wait: bool = False
    ) -> Operation:
        """Where a view has to stand to show a segment; result: offsets and slice distance, see `occupied_offsets`.

        Args:
            segmentation: segmentation node.
            volume: the volume whose grid it has.
            segment: name of the segment.
            normal: of the view, RAS, length 3.
            wait: block until done.
        """

        def script() -> Script:
            only = [SegmentClass(1, segment, (0, 0, 0))]
            snapshot = take_snapshot(segmentation, volume, only, others="ignored")
            place = volume_to_world(volume)
            return (
                yield self._step(lambda _control: occupied_offsets(snapshot.label() != 0, place, np.asarray(normal)))
            )

        return self._run("slices", _("Find {segment}").format(segment=segment), script(), wait)

    def _classes_of(self, segmentation: Any) -> Script:
        task, client = segmentation.GetAttribute(TASK), self._connected()
        if not task:
            raise SceneError(
                _("{segmentation} belongs to no task yet. Choose the task.").format(segmentation=segmentation.GetName())
            )
        return (yield self._step(lambda _control: client.task(task)["classes"]))

    def _show(self, segmentation, volume, geometry: Geometry, table, layers, role: str, which: str) -> Any:
        scene = segmentation.GetScene()
        earlier = segmentation.GetNodeReference(role)
        if earlier is not None:
            scene.RemoveNode(earlier)
        name = _("{segmentation} (difference)") if len(layers) > 1 else _named(which)
        node = empty_segmentation(volume, name.format(segmentation=segmentation.GetName()), hidden=True)
        if len(layers) == 1:
            add_layer(node, layers[0], table, geometry)
        else:
            directions = ((_("{name}: added"), GREEN), (_("{name}: removed"), RED))
            for layer, (words, tone) in zip(layers, directions, strict=True):
                add_layer(node, layer, [_toned(entry, words, tone) for entry in table], geometry)
        for attribute in (TASK, CASE):
            node.SetAttribute(attribute, segmentation.GetAttribute(attribute))
        segmentation.SetNodeReferenceID(role, node.GetID())
        return node


def _other_size(which: str) -> str:
    return {
        MODELS_RESULT: _("The model's result has another size than {volume}. Choose the volume it is of."),
        SAVED_REVISION: _("The saved revision has another size than {volume}. Choose the volume it is of."),
    }[which]


def _named(which: str) -> str:
    return {
        MODELS_RESULT: _("{segmentation} (model's result)"),
        SAVED_REVISION: _("{segmentation} (saved revision)"),
    }[which]


def _own_classes(segmentation: Any) -> list[dict]:
    """The segments as a class table; those beyond 255, the most that a label map can hold, are left out."""
    data = segmentation.GetSegmentation()
    names = [data.GetNthSegment(index).GetName().strip() for index in range(data.GetNumberOfSegments())]
    return [{"name": name, "value": value} for value, name in enumerate(names[:255], start=1)]


def _toned(entry: SegmentClass, words: str, tone: np.ndarray) -> SegmentClass:
    color = _SHADE * tone + (1 - _SHADE) * np.array(entry.color)
    return SegmentClass(entry.value, words.format(name=entry.name), tuple(round(float(c)) for c in color))


def _fetch(client: BackendClient | None, known: KnownLabels, sha: str) -> np.ndarray:
    label = known.get(sha)
    if label is None:
        if client is None:
            raise SceneError(
                _("What the model had made is not here any more, and no backend is running. Start it first.")
            )
        label, _geometry = decode(client.download(sha))
        known.remember(sha, label)
    return label

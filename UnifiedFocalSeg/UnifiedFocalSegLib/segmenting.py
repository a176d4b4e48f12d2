"""From a volume to a segmentation in the scene."""

from __future__ import annotations

from typing import Any

import numpy as np

from .case_nodes import (
    CASE,
    IMAGE_ROLE,
    MODEL_VERSION,
    PREDICTION,
    TASK,
    as_list,
    case_images,
    check_channels,
    check_unchanged,
    is_present,
    stamp,
)
from .classes import check_values, read_classes
from .client import BackendClient, Json
from .errors import BackendError, SceneError
from .geometry import Geometry
from .operation import Control, Operation, Script
from .replacing import check_output, keep_copy, replace_content
from .scene import label_to_segmentation
from .steps import predict
from .surfaces import show_in_3d
from .translation import tr as _


class Segmenting:
    """Part of the logic: segmenting. Needs `Connection` beside it."""

    def segment(
        self,
        volume: Any,
        task: str | Json,
        *,
        model_version: str | None = None,
        subject: str | None = None,
        name: str | None = None,
        output: Any = None,
        show_3d: bool = False,
        wait: bool = False,
    ) -> Operation:
        """Segment a volume with the task's model; result: the segmentation node, a new one if `output` is None.

        The backend is started if none runs.

        Args:
            volume: volume node, or a list of them in the order of the task's channels.
            task: task, or its name or id.
            model_version: id of a version other than the promoted one.
            subject: who was imaged; see `identity` if None.
            name: of the segmentation, "<volume> segmentation" if None.
            output: segmentation node whose content is replaced. What it held stays in the scene as a hidden copy,
                "<name> before".
            show_3d: show the result in 3D views too.
            wait: block until done.
        """
        volumes = as_list(volume)
        title = _("Segment {volume}").format(volume=volumes[0].GetName())

        def script() -> Script:
            if output is not None:
                check_output(output)
            images, before = case_images(volumes, subject), stamp(volumes)
            client = yield from self._started()
            details = yield self._step(lambda _control: find_task(client, task))
            check_channels(images, details)
            classes = read_classes(details["classes"])

            def predicted(control: Control) -> tuple[Json, Json, np.ndarray, Geometry]:
                found = predict(client, details["id"], images, model_version, control, self.known)
                check_values(found[2], classes)
                return found

            case, result, label, geometry = yield self._step(predicted)
            check_unchanged(volumes, before, title)
            difference = images.geometry.difference(geometry)
            if difference is not None:
                raise SceneError(
                    _(
                        "The backend's label map and {volume} lie on different grids: {difference}. "
                        "Nothing was put into the scene; please report this."
                    ).format(volume=volumes[0].GetName(), difference=difference)
                )
            if output is not None and is_present(output):
                node = output
                keep_copy(node)
                replace_content(node, label, classes, volumes[0])
            else:  # also where the user has deleted it meanwhile
                node = label_to_segmentation(label, classes, volumes[0], name, checked=True)
            node.SetAttribute(TASK, details["id"])
            node.SetAttribute(CASE, case["id"])
            node.SetAttribute(MODEL_VERSION, result["model_version"])
            node.SetAttribute(PREDICTION, result["label"])
            for image in volumes:
                node.AddNodeReferenceID(IMAGE_ROLE, image.GetID())
            if show_3d:
                yield from self._make_surfaces(node, title)
                show_in_3d(node)
            return node

        return self._run("segment", title, script(), wait)


def find_task(client: BackendClient, task: str | Json) -> Json:
    """A task by itself, its id or its name.

    Raises:
        BackendError: there is none, with the names that there are.
    """
    if not isinstance(task, str):
        return client.task(str(task["id"]))
    known = client.tasks()
    found = next((t for t in known if t["id"] == task), None) or next((t for t in known if t["name"] == task), None)
    if found is None:
        names = ", ".join(f"“{t['name']}”" for t in known)
        if known:
            sentence = _("There is no task “{task}”. There are: {names}.").format(task=task, names=names)
        else:
            sentence = _(
                "There is no task “{task}”. There are none yet; create one, or install a finished model."
            ).format(task=task)
        raise BackendError(sentence, "NotFoundError", 404)
    return found

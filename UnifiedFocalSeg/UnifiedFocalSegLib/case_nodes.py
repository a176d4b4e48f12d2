"""The nodes of a case: volumes that are sent, segmentations that know where they came from."""

from __future__ import annotations

from typing import Any

from .client import Json
from .errors import SceneError
from .identity import subject_of
from .scene import volume_geometry, volume_image
from .steps import CaseImages
from .translation import tr as _

# Attributes of a segmentation node, kept with the scene: task, case, the model version that made it, and the label
# revision it was last saved as or opened from; hashes of the model's result and of that revision's label map.
TASK, CASE = "UnifiedFocalSeg.Task", "UnifiedFocalSeg.Case"
MODEL_VERSION, REVISION = "UnifiedFocalSeg.ModelVersion", "UnifiedFocalSeg.Revision"
PREDICTION, BASE = "UnifiedFocalSeg.Prediction", "UnifiedFocalSeg.Base"
IMAGE_ROLE = "UnifiedFocalSeg.Image"


def as_list(volume: Any) -> list[Any]:
    """A volume node or a list of them as a list.

    Raises:
        SceneError: none was given.
    """
    volumes = list(volume) if isinstance(volume, (list, tuple)) else [volume]
    if not volumes or volumes[0] is None:
        raise SceneError(_("No volume was given. Choose the input volume."))
    return volumes


def referenced_volumes(segmentation: Any) -> list[Any]:
    """The volumes that `segmentation` was made from."""
    count = segmentation.GetNumberOfNodeReferences(IMAGE_ROLE)
    volumes = [segmentation.GetNthNodeReference(IMAGE_ROLE, index) for index in range(count)]
    if not volumes:
        role = type(segmentation).GetReferenceImageGeometryReferenceRole()
        volumes = [segmentation.GetNodeReference(role)]
    if any(v is None for v in volumes):
        raise SceneError(
            _("The volume of {segmentation} is not in the scene. Load it and choose it.").format(
                segmentation=segmentation.GetName()
            )
        )
    return volumes


def made_from_another(segmentation: Any, volume: Any) -> Any | None:
    """The volume that `segmentation` was made from or painted on, if it is known and is not `volume`, else None."""
    count = segmentation.GetNumberOfNodeReferences(IMAGE_ROLE)
    images = [segmentation.GetNthNodeReference(IMAGE_ROLE, index) for index in range(count)]
    painted_on = segmentation.GetNodeReference(type(segmentation).GetReferenceImageGeometryReferenceRole())
    known = [v for v in images or [painted_on] if v is not None]
    return known[0] if known and all(v.GetID() != volume.GetID() for v in known) else None


def case_images(volumes: list[Any], subject: str | None) -> CaseImages:
    """The volumes as they are sent.

    Raises:
        SceneError: they cannot be sent (see `volume_image`) or do not share a grid.
    """
    read = [volume_image(v) for v in volumes]
    for volume, (_array, geometry) in zip(volumes[1:], read[1:], strict=True):
        difference = read[0][1].difference(geometry)
        if difference is not None or volume.GetTransformNodeID() != volumes[0].GetTransformNodeID():
            raise SceneError(
                _("{one} and {other} lie on different grids: {difference}. Resample one to the other first.").format(
                    one=volumes[0].GetName(),
                    other=volume.GetName(),
                    difference=difference or _("their parent transforms differ"),
                )
            )
    return CaseImages(
        [array for array, _geometry in read],
        read[0][1],
        volumes[0].GetName(),
        subject or subject_of(volumes[0]),
        subject_is_certain=bool(subject),
    )


def check_channels(images: CaseImages, task: Json) -> None:
    """Raise SceneError unless the volumes have as many channels as the task."""
    names = task["channels"]
    if images.channels == len(names):
        return
    if len(names) == 1:
        sentence = _("{volume} has {count} channels, but {task} needs {needed} ({names}). Choose a grey volume.")
    elif images.channels == 1:
        sentence = _("{volume} has {count} channel, but {task} needs {needed} ({names}). Choose other volumes.")
    else:
        sentence = _("{volume} has {count} channels, but {task} needs {needed} ({names}). Choose other volumes.")
    raise SceneError(
        sentence.format(
            volume=images.name,
            count=images.channels,
            task=task["name"],
            needed=len(names),
            names=", ".join(names),
        )
    )


def stamp(volumes: list[Any]) -> list[tuple[Any, int]]:
    """What tells whether voxels or grid of the volumes change."""
    return [(volume_geometry(v), v.GetImageData().GetMTime()) for v in volumes]


def is_present(node: Any) -> bool:
    """Whether the node is still in its scene."""
    return node.GetScene() is not None and bool(node.GetScene().IsNodePresent(node))


def check_present(nodes: list[Any], title: str) -> None:
    """Raise SceneError, naming the operation `title`, if a node has left the scene."""
    gone = [n.GetName() for n in nodes if not is_present(n)]
    if gone:
        raise SceneError(
            _("“{title}” was dropped, because {names} is no longer in the scene.").format(
                title=title, names=", ".join(gone)
            )
        )


def check_unchanged(volumes: list[Any], before: list[tuple[Any, int]], title: str) -> None:
    """Raise SceneError if a volume has left the scene, or its `stamp` is no longer what it was before."""
    check_present(volumes, title)
    if stamp(volumes) != before:
        raise SceneError(
            _("“{title}” was dropped, because {volume} was changed in the meantime. Segment it again.").format(
                title=title, volume=volumes[0].GetName()
            )
        )

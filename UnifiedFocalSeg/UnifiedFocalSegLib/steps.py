"""What operations do on the backend, in worker threads: only HTTP, no scene and no Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .client import BackendClient, Json
from .errors import BackendError, OperationCancelled
from .geometry import Geometry
from .labels import KnownLabels
from .nrrd import Body, decode
from .operation import Control
from .patches import Base, cut_out
from .segmentation_export import Snapshot
from .translation import tr as _

_ACTIVE = ("queued", "running")
# How long the backend may hold an answer back while a job does not change; a cancel waits as long at most.
_WATCH_SECONDS = 0.2


@dataclass(frozen=True)
class CaseImages:
    """A case as it is sent: voxels that the scene still owns, their grid, and who it is.

    Args:
        arrays: one for each volume, ``[k, j, i]`` or ``[k, j, i, component]``.
        geometry: the grid of all of them.
        name: shown in the list of cases.
        subject: anonymous id.
        subject_is_certain: whether a person gave it, rather than the scene.
    """

    arrays: Sequence[np.ndarray]
    geometry: Geometry
    name: str
    subject: str
    subject_is_certain: bool = False

    @property
    def channels(self) -> int:
        """Number of channels of all volumes together."""
        return sum(a.shape[3] if a.ndim == 4 else 1 for a in self.arrays)


def send_case(client: BackendClient, task: str, images: CaseImages, control: Control, until: float) -> Json:
    """Upload what the backend lacks and return the case; reports progress up to the fraction `until`.

    Raises:
        BackendError: also if the backend knows these images under another subject than the one that was given.
    """
    stored = []
    total = sum(a.nbytes for a in images.arrays)
    before = 0
    for array in images.arrays:

        def sent(count: int, before: int = before) -> None:
            control.check()
            control.report(until * min(1.0, (before + count) / total))

        control.report(stage=_("Sending the volume"))
        control.check()
        stored.append(client.upload(Body(array, images.geometry, sent)))
        before += array.nbytes
    control.check()
    control.report(until)
    case = client.add_case(task, images.name, images.subject, stored)
    if images.subject_is_certain and case["subject"] != images.subject:
        # Ignored, it would break the promise that all studies of a person train or all validate.
        raise BackendError(
            _(
                "{volume} is known already as the case “{case}” of the subject {known}, not {given}, and a case's "
                "subject never changes. Leave the subject out, or give that one."
            ).format(volume=images.name, case=case["name"], known=case["subject"], given=images.subject),
            "ConflictError",
            409,
        )
    return case


def follow(client: BackendClient, job: Json, control: Control, start: float = 0.0, until: float = 1.0) -> Json:
    """Wait for a job to end, passing its progress and a cancel on; returns its result.

    Raises:
        BackendError: the job failed or was interrupted, with its sentence.
        OperationCancelled: the job was stopped.
    """
    asked = False
    while job["state"] in _ACTIVE:
        progress = job.get("progress") or {}
        control.report(
            start + (until - start) * float(progress.get("fraction") or 0.0),
            _("Waiting for its turn") if job["state"] == "queued" else progress.get("stage"),
            progress.get("eta_seconds"),
            progress.get("scalars"),
        )
        if control.cancelled.is_set() and not asked:
            asked = True
            job = client.cancel_job(job["id"])
        else:
            job = client.job(job["id"], _WATCH_SECONDS, job["version"])
    if job["state"] == "succeeded":
        return job["result"]
    if job["state"] == "cancelled":
        raise OperationCancelled(_("Stopped."))
    error = job.get("error") or {}
    silent = _("The backend's job ended as {state} without a reason. Try again.").format(state=job["state"])
    raise BackendError(error.get("message") or silent, error.get("type") or "JobError", 200)


def predict(
    client: BackendClient,
    task: str,
    images: CaseImages,
    model_version: str | None,
    control: Control,
    known: KnownLabels,
) -> tuple[Json, Json, np.ndarray, Geometry]:
    """Segment a case; returns the case, the job's result, and the label map ``[k, j, i]`` with its grid."""
    case = send_case(client, task, images, control, 0.1)
    control.check()
    result = follow(client, client.predict(task, case["id"], model_version), control, 0.1, 0.95)
    control.report(0.95, _("Fetching the segmentation"))
    label, geometry = decode(client.download(result["label"]))
    known.remember(result["label"], label)
    return case, result, label, geometry


@dataclass(frozen=True)
class MadeFrom:
    """Where a segmentation came from, as far as its node says.

    Args:
        case: the case for which it was made, opened or saved.
        model_version: that made it.
        revision: it was last saved as or opened from.
        base: hash of the label map of that revision.
        prediction: hash of the model's result.
    """

    case: str | None = None
    model_version: str | None = None
    revision: str | None = None
    base: str | None = None
    prediction: str | None = None

    def of_case(self, case: str) -> MadeFrom:
        """Itself if it is of this case, else nothing: the node may have come from elsewhere."""
        return self if self.case == case else MadeFrom()


def save_revision(
    client: BackendClient,
    task: str,
    images: CaseImages,
    snapshot: Snapshot,
    revision: Json,
    made_from: MadeFrom,
    control: Control,
    known: KnownLabels,
) -> Json:
    """Append a label revision to the case of these images; returns it.

    Only the changed box is sent if the segmentation was made from a label map of this case that is still here.

    Args:
        snapshot: the label map, on the grid of `images`.
        revision: classes, author, and optionally note and region.
        made_from: where the segmentation came from; counts only if its case is the same.
        known: label maps that the backend has; the saved one is added.

    Raises:
        SceneError: see `Snapshot.label`; nothing was sent then.
    """
    label = snapshot.label()
    case = send_case(client, task, images, control, 0.6)
    control.report(0.6, _("Saving the label"))
    source = made_from.of_case(case["id"])
    base = next(
        (Base(sha, found) for sha in (source.base, source.prediction) if (found := known.get(sha)) is not None), None
    )
    part, where, patch = cut_out(label, images.geometry, base)
    stored = client.upload(Body(part, where))
    control.check()
    earlier = client.revisions(case["id"])
    body = {**revision, "label": stored} | ({} if patch is None else {"patch": patch})
    if earlier:
        own = [r["id"] for r in earlier if r["id"] == source.revision]
        body["parent"] = own[0] if own else max(earlier, key=lambda r: r["number"])["id"]
    if source.model_version:
        body["model_version"] = source.model_version
    body.setdefault("origin", "corrected" if body.get("model_version") or earlier else "manual")
    # From here on the backend may have saved it, so a cancel no longer changes the outcome.
    saved = client.add_revision(case["id"], body)
    known.remember(saved["label"], label)
    return saved

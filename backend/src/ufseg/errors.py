"""The errors a user can meet. Each message names the cause, the numbers and the next step, in a sentence.

The service maps them to HTTP answers (`status`), the command line to a non-zero exit.
"""

from __future__ import annotations

from typing import ClassVar


class UfsegError(Exception):
    """Base of every error this package raises on purpose; ``str(error)`` is fit to be shown to a user."""

    status: ClassVar[int] = 500


class InputError(UfsegError):
    """What was given cannot be used as it is."""

    status: ClassVar[int] = 422


class ImageError(InputError):
    """An image file is missing, truncated, of an unsupported kind or holds values that are not finite."""


class GeometryError(InputError):
    """Size, spacing, origin or direction of two images that must share a grid differ."""


class LabelError(InputError):
    """A label map holds values or names that the task's class table does not have."""


class DatasetError(InputError):
    """A dataset folder has no usable cases or an unknown layout."""


class PlanError(InputError):
    """No plan can be made from the data, or a plan does not fit the data."""


class NotFoundError(UfsegError):
    """No task, case, revision, model version, job or file has this id."""

    status: ClassVar[int] = 404


class ConflictError(UfsegError):
    """The request contradicts the present state, such as a prediction before any model is promoted."""

    status: ClassVar[int] = 409


class RefusedError(UfsegError):
    """The token's role does not allow it."""

    status: ClassVar[int] = 403


class BusyError(UfsegError):
    """Too much is waiting already; nothing was queued.

    Args:
        message: the sentence.
        retry_after: seconds after which another try makes sense.
    """

    status: ClassVar[int] = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StorageError(UfsegError):
    """The workspace could not be written or read: full disk, missing permission, damaged file."""

    status: ClassVar[int] = 507


class DeviceError(UfsegError):
    """The requested computing device is absent or fails a real kernel."""

    status: ClassVar[int] = 503


class OutOfMemoryError(DeviceError):
    """A device's or the machine's memory did not suffice."""


class TrainingError(UfsegError):
    """Training went wrong, such as a loss that is not finite."""

    status: ClassVar[int] = 500


class CancelledError(UfsegError):
    """The person who asked for the work stopped it."""

    status: ClassVar[int] = 409

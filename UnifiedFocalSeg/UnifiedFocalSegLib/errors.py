"""The errors a user of the module can meet; each message is a sentence that can be shown as it is."""

from __future__ import annotations


class FocalSegError(Exception):
    """Base of every error that the module raises on purpose."""


class SceneError(FocalSegError):
    """A node of the scene cannot be used as it is."""


class WireError(FocalSegError):
    """Bytes that should hold an image do not."""


class BackendError(FocalSegError):
    """The backend refused a request or does not answer.

    Args:
        message: the backend's own sentence where it gave one.
        kind: name of the backend's error, such as ``"GeometryError"``; ``"ConnectionError"`` if it gave none.
        status: HTTP status, or None if there was no answer.
    """

    def __init__(self, message: str, kind: str = "ConnectionError", status: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status


class SetupError(FocalSegError):
    """The backend's own environment cannot be installed, or is not whole."""


class OperationCancelled(FocalSegError):  # noqa: N818 - not an error of the program: the user asked for it
    """The user stopped the operation."""

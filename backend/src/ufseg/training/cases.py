"""Cases as the trainer takes them: on the plan's grid, normalised, their foreground indexed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

IGNORED = 255
"""Label of voxels that nobody annotated; no loss counts them."""

# Enough positions to centre patches on; more would only take memory.
MAX_FOREGROUND = 20_000

Box = tuple[tuple[int, int], ...]
"""Half-open range along each array axis."""


class TrainingCase(Protocol):
    """A case in memory (`PreparedCase`) or on the disk (`ufseg.training.case_store.StoredCase`)."""

    @property
    def id(self) -> str:
        """Of the case; slices of a volume under a 2D plan are called ``id#k``."""

    @property
    def image(self) -> NDArray[np.float32]:
        """``[channel, *space]``, normalised."""

    @property
    def label(self) -> NDArray[np.uint8]:
        """``[*space]`` network indices, 0 background, 255 not annotated."""

    @property
    def foreground(self) -> tuple[NDArray[np.int32], ...]:
        """For each class that occurs, positions ``[n, axes]`` (array order) of up to 20 000 of its voxels."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each array axis."""

    @property
    def channels(self) -> int:
        """Image channels."""

    @property
    def annotated(self) -> Box:
        """The smallest box around what is annotated."""

    @property
    def highest(self) -> int:
        """Largest network index in the label."""

    @property
    def checksum(self) -> int:
        """CRC-32 of the label."""


@dataclass(frozen=True)
class PreparedCase:
    """A case in memory; see `TrainingCase`."""

    id: str
    image: NDArray[np.float32]
    label: NDArray[np.uint8]
    foreground: tuple[NDArray[np.int32], ...]

    @classmethod
    def of(cls, case_id: str, image: NDArray[np.float32], label: NDArray[np.uint8]) -> PreparedCase:
        """Make a case from its arrays, finding the foreground."""
        return cls(
            id=case_id,
            image=np.ascontiguousarray(image, dtype=np.float32),
            label=np.ascontiguousarray(label),
            foreground=_foreground(label),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each array axis."""
        return self.label.shape

    @property
    def channels(self) -> int:
        """Image channels."""
        return int(self.image.shape[0])

    @cached_property
    def annotated(self) -> Box:
        """The smallest box around what is annotated."""
        return annotated_box(self.label)

    @cached_property
    def highest(self) -> int:
        """Largest network index in the label."""
        counts = np.bincount(self.label.reshape(-1), minlength=IGNORED + 1)[:IGNORED]
        return int(np.flatnonzero(counts).max(initial=0))

    @cached_property
    def checksum(self) -> int:
        """CRC-32 of the label."""
        return zlib.crc32(np.ascontiguousarray(self.label).data)

    @property
    def bytes(self) -> int:
        """Memory of the arrays."""
        return self.image.nbytes + self.label.nbytes + sum(p.nbytes for p in self.foreground)


def annotated_box(label: NDArray[np.uint8]) -> Box:
    """The smallest box around the voxels that are not `IGNORED`; empty ranges if all are."""
    known = label != IGNORED
    box = []
    for axis in range(label.ndim):
        found = np.flatnonzero(known.any(axis=tuple(a for a in range(label.ndim) if a != axis)))
        box.append((int(found[0]), int(found[-1]) + 1) if len(found) else (0, 0))
    return tuple(box)


def _foreground(label: NDArray[Any]) -> tuple[NDArray[np.int32], ...]:
    found = []
    for value in np.flatnonzero(np.bincount(label.reshape(-1))):
        if value in (0, IGNORED):
            continue
        flat = np.flatnonzero(label == value)
        if len(flat) > MAX_FOREGROUND:
            flat = flat[np.linspace(0, len(flat) - 1, MAX_FOREGROUND).astype(np.int64)]
        found.append(np.stack(np.unravel_index(flat, label.shape), axis=1).astype(np.int32))
    return tuple(found)

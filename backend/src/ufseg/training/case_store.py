"""Prepared cases as files that are mapped into memory, so that a dataset may be larger than the memory.

Each case of the dataset is a folder, written under another name and renamed when it is whole: after kill −9 there is a
whole case or none. Arrays are float32 and uint8, exactly what was prepared. They are opened for every access and closed
when the last view of them goes, since hundreds of open maps would exceed a process's limit of open files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from ufseg.errors import StorageError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.plans.plan import Plan
from ufseg.training.cases import PreparedCase

FORMAT = 1
_IMAGE, _LABEL, _FOREGROUND, _INDEX = "image.npy", "label.npy", "foreground.npy", "case.json"
_PART = ".part"


class StoredPart(BaseModel):
    """One prepared case of an entry: a volume, or a slice of one.

    Args:
        id: of the prepared case.
        annotated, highest, checksum: see `ufseg.training.cases.TrainingCase`.
        foreground: for each class that occurs, its range of rows in the file of positions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    annotated: tuple[tuple[int, int], ...]
    highest: int
    checksum: int
    foreground: tuple[tuple[int, int], ...]


class StoredIndex(BaseModel):
    """What an entry's arrays hold; `shape` is that of every part's label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: int
    shape: tuple[int, ...]
    parts: tuple[StoredPart, ...]


@dataclass(frozen=True)
class StoredCase:
    """A case on the disk; see `ufseg.training.cases.TrainingCase`. The arrays are read-only maps.

    Args:
        folder: of the entry.
        number: which of the entry's parts.
        index: what the entry holds.
    """

    folder: Path
    number: int
    index: StoredIndex

    @property
    def _part(self) -> StoredPart:
        return self.index.parts[self.number]

    @property
    def id(self) -> str:
        """Of the case."""
        return self._part.id

    @property
    def image(self) -> NDArray[np.float32]:
        """``[channel, *space]``."""
        array: NDArray[np.float32] = _open(self.folder / _IMAGE)[self.number]
        return array

    @property
    def label(self) -> NDArray[np.uint8]:
        """``[*space]``."""
        array: NDArray[np.uint8] = _open(self.folder / _LABEL)[self.number]
        return array

    @property
    def foreground(self) -> tuple[NDArray[np.int32], ...]:
        """Positions by class."""
        rows = _open(self.folder / _FOREGROUND)
        return tuple(rows[start:stop] for start, stop in self._part.foreground)

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each array axis."""
        return self.index.shape

    @property
    def channels(self) -> int:
        """Image channels."""
        return self.index.channels

    @property
    def annotated(self) -> tuple[tuple[int, int], ...]:
        """The smallest box around what is annotated."""
        return self._part.annotated

    @property
    def highest(self) -> int:
        """Largest network index."""
        return self._part.highest

    @property
    def checksum(self) -> int:
        """CRC-32 of the label."""
        return self._part.checksum


class CaseStore:
    """A folder of prepared cases, used by one process at a time. Whoever owns the folder removes it.

    Args:
        folder: made if missing; unfinished entries of a killed process are removed from it.

    Raises:
        StorageError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for unfinished in folder.glob(f"*{_PART}"):
                shutil.rmtree(unfinished)
        except OSError as error:
            raise StorageError(
                f"The folder of prepared cases {folder} cannot be used: {error.strerror or error}. "
                "Choose another output folder."
            ) from error

    def find(self, key: str) -> list[StoredCase] | None:
        """The cases kept under `key`; None if there are none or their files are damaged."""
        folder = self._folder / key
        try:
            index = StoredIndex.model_validate_json((folder / _INDEX).read_bytes())
            count = len(index.parts)
            images, labels, positions = (_open(folder / name) for name in (_IMAGE, _LABEL, _FOREGROUND))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, ValidationError):
            shutil.rmtree(folder, ignore_errors=True)
            return None
        rows = max((stop for part in index.parts for _, stop in part.foreground), default=0)
        fits = (
            images.shape == (count, index.channels, *index.shape)
            and labels.shape == (count, *index.shape)
            and len(positions) >= rows
        )
        if not fits:
            shutil.rmtree(folder, ignore_errors=True)
            return None
        return [StoredCase(folder, number, index) for number in range(count)]

    def write(self, key: str, cases: Sequence[PreparedCase]) -> list[StoredCase]:
        """Keep the prepared cases of one case (all of one shape) under `key`.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        temporary, folder = self._folder / (key + _PART), self._folder / key
        size = sum(case.bytes for case in cases)
        try:
            temporary.mkdir()
            index = _write_arrays(temporary, cases)
            _write_synced(temporary / _INDEX, [index.model_dump_json().encode()])
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
        except OSError as error:
            raise StorageError(
                f"The prepared case {cases[0].id} ({size / 1e6:.0f} MB) could not be written to {self._folder}: "
                f"{error.strerror or error}. Free some space, or choose an output folder on a larger disk."
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return [StoredCase(folder, number, index) for number in range(len(cases))]


def case_key(case: CaseFiles, plan: Plan, classes: ClassTable, unknown_background: bool) -> str:
    """Name of what `prepare_cases` makes of a case: changes with its files, its region, the plan and the classes.

    Files are known by path, size and time of change.

    Raises:
        StorageError: a file is missing or cannot be looked at.
    """
    paths = [*case.images, *([case.label] if case.label is not None else [])]
    try:
        files = [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in _files(paths)]
    except OSError as error:
        raise StorageError(f"{error.filename} of case {case.id} cannot be read: {error.strerror}.") from error
    parts: list[Any] = [
        FORMAT,
        files,
        case.model_dump(mode="json"),
        [plan.dimension, plan.spacing, [n.model_dump() for n in plan.normalisation]],
        classes.model_dump(mode="json"),
        unknown_background,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.iterdir() if p.is_file())
        else:
            yield path


def _write_arrays(folder: Path, cases: Sequence[PreparedCase]) -> StoredIndex:
    parts, positions, row = [], [], 0
    for case in cases:
        ranges = []
        for rows in case.foreground:
            ranges.append((row, row + len(rows)))
            positions.append(rows)
            row += len(rows)
        parts.append(
            StoredPart(
                id=case.id,
                annotated=case.annotated,
                highest=case.highest,
                checksum=case.checksum,
                foreground=tuple(ranges),
            )
        )
    axes = len(cases[0].shape)
    _write_npy(folder / _IMAGE, [case.image for case in cases])
    _write_npy(folder / _LABEL, [case.label for case in cases])
    # An empty file cannot be mapped, so there is always one row.
    rows = np.concatenate([*positions, np.zeros((1, axes), np.int32)])
    _write_synced(folder / _FOREGROUND, [_header(rows.shape, rows.dtype), rows.tobytes()])
    return StoredIndex(channels=cases[0].channels, shape=cases[0].shape, parts=tuple(parts))


def _write_npy(path: Path, arrays: Sequence[NDArray[Any]]) -> None:
    """The arrays stacked, without stacking them in memory."""
    shape = (len(arrays), *arrays[0].shape)
    _write_synced(path, (_header(shape, arrays[0].dtype), *(np.ascontiguousarray(a).data for a in arrays)))


def _header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    descr = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _write_synced(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def _open(path: Path) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array

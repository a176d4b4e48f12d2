"""Names and values of the classes of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from ufseg.errors import LabelError
from ufseg.images.words import KeptName

BACKGROUND = "background"
# Of label maps given to us; a table's own values end at 255.
LARGEST_VALUE = 65535


class ClassEntry(BaseModel):
    """One class.

    Args:
        value: the integer that stands for it in label maps, 1 to 255, never changed once given.
        name: what people call it; unique within a table.
        color: red, green, blue, 0 to 255 each; None lets the viewer choose.
        terminology: 3D Slicer's serialised terminology entry, or None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: int = Field(ge=1, le=255)
    name: KeptName
    color: tuple[int, int, int] | None = None
    terminology: str | None = None


class ClassTable(BaseModel):
    """The classes of a task; background is 0 and not listed. Entries are kept in order of their value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entries: tuple[ClassEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for field in ("value", "name"):
            seen = [getattr(e, field) for e in self.entries]
            double = sorted({str(s) for s in seen if seen.count(s) > 1})
            if double:
                raise ValueError(f"two classes have the same {field}: {', '.join(double)}")
        if any(e.name.lower() == BACKGROUND for e in self.entries):
            raise ValueError("background is always value 0 and must not be listed")
        ordered = tuple(sorted(self.entries, key=lambda e: e.value))
        if ordered != self.entries:
            object.__setattr__(self, "entries", ordered)
        return self

    @classmethod
    def of(cls, names: Mapping[str, int]) -> ClassTable:
        """A table from name → value; a background entry of value 0 is left out."""
        return cls(entries=tuple(ClassEntry(value=v, name=n) for n, v in names.items() if v != 0))

    @property
    def names(self) -> list[str]:
        """Class names in order of value, without background."""
        return [e.name for e in self.entries]

    @property
    def values(self) -> list[int]:
        """Class values in ascending order, without background."""
        return [e.value for e in self.entries]

    def value_of(self, name: str) -> int:
        """Value of the class `name`; raises LabelError if there is none."""
        for entry in self.entries:
            if entry.name == name:
                return entry.value
        raise LabelError(
            f"There is no class named {name!r}; the classes are {', '.join(self.names)}. "
            "Rename the segment, or add the class to the task."
        )

    def check_values(self, values: list[int], what: str) -> None:
        """Raise LabelError if `values` (of `what`, for the message) has one that is neither 0 nor a class."""
        unknown = [v for v in values if v != 0 and v not in self.values]
        if unknown:
            known = ", ".join(f"{e.value} = {e.name}" for e in self.entries)
            raise LabelError(
                f"{what} holds the value{'s' if len(unknown) > 1 else ''} {', '.join(map(str, unknown))}, which no "
                f"class has (0 = background, {known}). Correct the label map, or add the class to the task."
            )

    def translate(self, array: NDArray[Any], names: Mapping[str, int], what: str) -> NDArray[np.uint8]:
        """Rewrite a label map whose values are given by `names` (name → value) into this table's values.

        Args:
            array: integer label map of any shape.
            names: every class name that may occur, with its value in `array`; the table's other classes are absent.
            what: the label map's name, for messages.

        Returns:
            A new uint8 array of the same shape.

        Raises:
            LabelError: a name that this table lacks, two names with one value, or a value with no name.
        """
        if len(set(names.values())) != len(names):
            raise LabelError(f"{what} gives two class names the same value: {dict(names)}. Give each its own.")
        low, high = int(array.min(initial=0)), int(array.max(initial=0))
        if low < 0 or high > LARGEST_VALUE:
            raise LabelError(f"{what} holds values from {low} to {high}; classes are 0 to {LARGEST_VALUE}.")
        lookup = np.full(LARGEST_VALUE + 1, -1, dtype=np.int16)
        lookup[0] = 0
        for name, value in names.items():
            if value == 0 and name.lower() == BACKGROUND:
                continue
            if not 1 <= value <= LARGEST_VALUE:
                raise LabelError(f"{what} gives class {name!r} the value {value}; values are 1 to {LARGEST_VALUE}.")
            lookup[value] = self.value_of(name)
        translated = lookup[array]
        if (translated < 0).any():
            unknown = sorted({int(v) for v in np.unique(array[translated < 0])})
            raise LabelError(
                f"{what} holds the values {unknown}, to which no class name was given (given: {dict(names)}). "
                "Name every class of the label map."
            )
        result: NDArray[np.uint8] = translated.astype(np.uint8)
        return result

    def to_indices(self, array: NDArray[Any]) -> NDArray[np.uint8]:
        """Class values → consecutive network channels (0 background, 1 first class, …), the same shape.

        Raises:
            LabelError: `array` (uint8 or uint16) holds a value that is neither 0 nor a class.
        """
        lookup = np.full(LARGEST_VALUE + 1, -1, dtype=np.int16)
        lookup[[0, *self.values]] = range(len(self.values) + 1)
        indices = lookup[array]
        if (indices < 0).any():
            self.check_values([int(v) for v in np.unique(array[indices < 0])], "The label map")
        result: NDArray[np.uint8] = indices.astype(np.uint8)
        return result

    def from_indices(self, array: NDArray[Any]) -> NDArray[np.uint8]:
        """Consecutive network channels → class values; the inverse of `to_indices`."""
        values: NDArray[np.uint8] = np.asarray([0, *self.values], dtype=np.uint8)[array]
        return values

"""Colours of classes that were given none."""

from __future__ import annotations

from ufseg.images.class_table import ClassTable

Color = tuple[int, int, int]

# Told apart well on grey images, also by people with colour blindness (Okabe and Ito, 2008, Color Universal Design).
# The 3D Slicer module uses the same, in the same order.
PALETTE: tuple[Color, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)


def with_colors(classes: ClassTable) -> ClassTable:
    """The same class table, in which every class has a colour: red, green, blue, 0 to 255 each."""
    return ClassTable(
        entries=tuple(
            entry if entry.color is not None else entry.model_copy(update={"color": PALETTE[number % len(PALETTE)]})
            for number, entry in enumerate(classes.entries)
        )
    )

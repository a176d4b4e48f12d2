"""Small synthetic studies that a network learns in seconds: a bright ball and a dark one on noise."""

from __future__ import annotations

import hashlib

import numpy as np

from geometries import grid
from UnifiedFocalSegLib.geometry import Geometry

CLASSES = [{"name": "bright", "value": 1, "color": [220, 60, 40]}, {"name": "dark", "value": 4}]
VALUES = {"bright": 1, "dark": 4}
SIZE = (28, 24, 20)


def study(seed: int) -> tuple[np.ndarray, np.ndarray, Geometry]:
    """Image int16 and class values uint8, both ``[k, j, i]``, and an oblique anisotropic grid."""
    random = np.random.default_rng(seed)
    shape = tuple(reversed(SIZE))
    where = np.ogrid[tuple(slice(n) for n in shape)]
    label = np.zeros(shape, dtype=np.uint8)
    for value, side in ((1, 0.3), (4, 0.7)):
        centre = (random.uniform(0.4, 0.6) * shape[0], random.uniform(0.4, 0.6) * shape[1], side * shape[2])
        radius = random.uniform(4.0, 5.5)
        label[sum((w - c) ** 2 for w, c in zip(where, centre, strict=True)) < radius**2] = value
    image = random.normal(400, 20, shape) + 200.0 * (label == 1) - 200.0 * (label == 4)
    turn = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])
    return image.astype(np.int16), label, grid(turn, (1.0, 1.0, 1.5), (-40.0, 22.0, 7.5), SIZE)


def subjects(membership: str, count: int, fraction: float = 0.25) -> list[str]:
    """Subject ids that the backend's published rule puts into training or validation."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        number += 1
        subject = f"phantom-{number}"
        share = int(hashlib.sha256(f"ufseg:{subject}".encode()).hexdigest(), 16) / 2**256
        if (share < fraction) == (membership == "validation"):
            found.append(subject)
    return found


def dice(one: np.ndarray, two: np.ndarray) -> float:
    """Overlap of two masks."""
    return float(2 * np.count_nonzero(one & two) / max(1, np.count_nonzero(one) + np.count_nonzero(two)))

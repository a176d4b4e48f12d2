"""The metrics of an evaluation, and the one rule for empty masks that all of them follow.

Why these: DSC, IoU, precision and recall are the Unified Focal loss paper's; overlap says little about the course of a
boundary, so that a distance (HD95), a boundary agreement (surface Dice) and the volume are told beside it.

Source: Maier-Hein, Reinke et al., "Metrics reloaded: recommendations for image analysis validation", Nature Methods
21, 2024, doi 10.1038/s41592-023-02151-z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Empty = Literal["prediction", "reference", "both"]
"""Which of the two masks of a class holds no voxel."""

EMPTY_RULES: tuple[str, ...] = (
    "A class that neither the prediction nor the reference of a case holds is not counted in that case.",
    "A class that only one of them holds gets the worst value: 0 for DSC, IoU, precision, recall and surface Dice, "
    "and the diagonal of the image for HD95.",
    "A volume difference in ml (of 2D images an area, in cm²) is what it is when one of them is empty; a relative one "
    "is not counted where the reference is empty, for nothing can be relative to nothing.",
    "Two predictions compared with each other: where one is not counted because it rightly found nothing and the "
    "other invented the class, the former gets the best value.",
)
"""The rule for empty masks in sentences, written into every report.

Leaving out the cases in which a model found nothing would reward it for its worst failures, so a missing structure
gets the worst value, as Metrics Reloaded recommends for missing values. HD95 has no worst value of its own; two
surfaces in one image cannot be farther apart than its diagonal.
"""


@dataclass(frozen=True)
class Metric:
    """What a score means.

    Args:
        name: name in files.
        title: name in tables and figures.
        unit: ``""`` where it is a ratio.
        best: value of a perfect prediction.
        low, high: the values it can take.
        better: which direction is better; ``nearer 0`` for signed differences.
        decimals: how many are shown.
    """

    name: str
    title: str
    unit: str
    best: float
    low: float
    high: float
    better: Literal["higher", "lower", "nearer 0"]
    decimals: int = 3

    @property
    def label(self) -> str:
        """Title with unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


def _ratio(name: str, title: str) -> Metric:
    return Metric(name, title, "", best=1.0, low=0.0, high=1.0, better="higher")


DICE = _ratio("dice", "DSC")
IOU = _ratio("iou", "IoU")
PRECISION = _ratio("precision", "Precision")
RECALL = _ratio("recall", "Recall")
HD95 = Metric("hd95", "HD95", "mm", best=0.0, low=0.0, high=math.inf, better="lower", decimals=2)
SURFACE_DICE = _ratio("surface_dice", "Surface Dice")
VOLUME_DIFFERENCE = Metric(
    "volume_difference", "Volume difference", "ml", best=0.0, low=-math.inf, high=math.inf, better="nearer 0"
)
RELATIVE_VOLUME_DIFFERENCE = Metric(
    "relative_volume_difference",
    "Relative volume difference",
    "",
    best=0.0,
    low=-1.0,
    high=math.inf,
    better="nearer 0",
)
ABSOLUTE_RELATIVE_VOLUME_DIFFERENCE = Metric(
    "absolute_relative_volume_difference",
    "Absolute relative volume difference",
    "",
    best=0.0,
    low=0.0,
    high=math.inf,
    better="lower",
)

METRICS: tuple[Metric, ...] = (
    DICE,
    IOU,
    PRECISION,
    RECALL,
    HD95,
    SURFACE_DICE,
    VOLUME_DIFFERENCE,
    RELATIVE_VOLUME_DIFFERENCE,
    ABSOLUTE_RELATIVE_VOLUME_DIFFERENCE,
)
"""Every metric, in the order of tables."""

DEFAULT_TOLERANCE = 1.0
"""Millimetres within which two boundaries are the same to surface Dice, unless said otherwise.

It should be how far apart two experts' contours lie, which differs between structures. 1 mm is strict: a voxel of most
brain MRI and less than one of most CT.
"""

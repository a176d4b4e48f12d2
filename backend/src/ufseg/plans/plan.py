"""What a network is built and fed by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class HuWindow(BaseModel):
    """CT: clip to [low, high] HU, subtract mean, divide by std (of the clipped foreground)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["hu-window"] = "hu-window"
    low: float
    high: float
    mean: float
    std: float = Field(gt=0)


class ZScore(BaseModel):
    """MRI and anything without a fixed scale: subtract the image's own mean, divide by its own deviation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["z-score"] = "z-score"


Normalisation = Annotated[HuWindow | ZScore, Field(discriminator="kind")]
Modality = Literal["CT", "MRI", "other"]


class Plan(BaseModel):
    """Spacing, patch, normalisation and network shape.

    Spatial tuples are in **array order** ``(k, j, i)`` or ``(j, i)``, of images turned to the axes closest to LPS.

    Args:
        dimension: 2 or 3, the network's.
        modality: decides the normalisation.
        spacing: millimetres to which images are resampled.
        patch_size: voxels the network sees at once; divisible by the product of the strides.
        batch_size: patches per step.
        features: channels of each level, first to bottleneck.
        kernel_sizes: convolution kernel of each level.
        strides: downsampling of each level; the first is all ones.
        normalisation: one per image channel.
        classes: network outputs, background included.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    dimension: Literal[2, 3]
    modality: Modality
    spacing: tuple[float, ...]
    patch_size: tuple[int, ...]
    batch_size: int = Field(ge=1)
    features: tuple[int, ...] = Field(min_length=2)
    kernel_sizes: tuple[tuple[int, ...], ...]
    strides: tuple[tuple[int, ...], ...]
    normalisation: tuple[Normalisation, ...] = Field(min_length=1)
    classes: int = Field(ge=2)

    def write(self, path: Path) -> None:
        """Write readable JSON."""
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read what `write` wrote, or a person changed."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))

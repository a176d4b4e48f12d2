"""What a network is built and fed by."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from ufseg.errors import PlanError


class HuWindow(BaseModel):
    """CT: clip to [low, high] HU, subtract mean, divide by std (of the clipped foreground)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["hu-window"] = "hu-window"
    low: float
    high: float
    mean: float
    std: float = Field(gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} lies above high {self.high:g}; exchange them")
        return self


class ZScore(BaseModel):
    """MRI and anything without a fixed scale: subtract the image's own mean, divide by its own deviation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["z-score"] = "z-score"


Normalisation = Annotated[HuWindow | ZScore, Field(discriminator="kind")]
Modality = Literal["CT", "MRI", "other"]

PatientAxis = Literal["LR", "AP", "SI"]
"""Left-right, anterior-posterior, superior-inferior; of a photograph, its width and its height are the first two."""

PATIENT_AXES: tuple[PatientAxis, ...] = ("SI", "AP", "LR")
"""The array axes ``(k, j, i)`` of images turned to the axes closest to LPS; the last ones for 2D."""
Architecture = Literal["dynunet", "paper"]

PAPER_LEVELS = 5


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
        architecture: ``"dynunet"``, nnU-Net's U-Net of strided convolutions, or ``"paper"``, the U-Net that the Unified
            Focal loss was published with: 5 levels, all kernels 3, each level half of the one above.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

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
    architecture: Architecture = "dynunet"

    @model_validator(mode="after")
    def _check(self) -> Self:
        levels = len(self.features)
        if len(self.kernel_sizes) != levels or len(self.strides) != levels:
            raise ValueError(
                f"features, kernel_sizes and strides describe {levels}, {len(self.kernel_sizes)} and "
                f"{len(self.strides)} levels; give one entry per level in each"
            )
        for tuple_ in (self.spacing, self.patch_size, *self.kernel_sizes, *self.strides):
            if len(tuple_) != self.dimension:
                raise ValueError(f"{tuple_} has {len(tuple_)} axes; the plan's dimension is {self.dimension}")
        if min(self.spacing) <= 0 or min(self.features) < 1:
            raise ValueError(f"spacing {self.spacing} and features {self.features} must be above 0")
        if any(number < 1 for level in (*self.strides, *self.kernel_sizes) for number in level):
            raise ValueError("every stride and kernel size must be at least 1")
        if any(number % 2 == 0 for level in self.kernel_sizes for number in level):
            raise ValueError(f"kernel sizes {self.kernel_sizes} must be odd, or the output would shift")
        if max(self.strides[0]) != 1:
            raise ValueError(f"the first level's stride is {self.strides[0]}; it must be all ones")
        total = [math.prod(s[axis] for s in self.strides) for axis in range(self.dimension)]
        if any(p < 1 or p % t for p, t in zip(self.patch_size, total, strict=True)):
            raise ValueError(f"the patch {self.patch_size} is not divisible by the total stride {tuple(total)}")
        if self.architecture == "paper":
            self._check_paper()
        return self

    def _check_paper(self) -> None:
        ones, twos, threes = ((n,) * self.dimension for n in (1, 2, 3))
        if self.strides != (ones, *[twos] * (PAPER_LEVELS - 1)) or self.kernel_sizes != (threes,) * PAPER_LEVELS:
            raise ValueError(
                f"the paper's network has {PAPER_LEVELS} levels with kernels {threes} and strides {ones}, then {twos}; "
                f"the plan has {len(self.features)} levels with kernels {self.kernel_sizes} and strides {self.strides}"
            )

    def write(self, path: Path) -> None:
        """Write readable JSON."""
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read what `write` wrote, or a person changed.

        Raises:
            PlanError: the file is missing, or no consistent plan.
        """
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise PlanError(f"There is no plan {path}. Check the path.") from error
        except UnicodeDecodeError as error:
            raise PlanError(f"The plan {path} cannot be used: it is no text in UTF-8. Save it as such.") from error
        except ValidationError as error:
            reasons = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'plan'}: {e['msg']}" for e in error.errors())
            raise PlanError(f"The plan {path} cannot be used: {reasons}. Correct it.") from error

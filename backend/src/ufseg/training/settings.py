"""How to train. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

DEFAULT_BUDGET_SECONDS = 60.0

ScheduleName = Literal["one-cycle", "paper"]
Probability = Annotated[float, Field(ge=0, le=1)]
PositiveRange = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


class AugmentationSettings(BaseModel):
    """Random changes of each training patch; probabilities are per patch and kind.

    Position, all composed into one sampling grid:

    Args:
        affine: probability of rotation and scaling.
        rotation_degrees: largest angle about each axis, rigid in millimetres.
        scale: smallest and largest magnification; drawn log-uniformly, per axis within ±`stretch` of each other.
        stretch: relative difference of magnification between axes.
        elastic: probability of a smooth random deformation.
        elastic_voxels: standard deviation of the displacement of its control points, which lie 10 voxels apart.
        shift_voxels: largest random displacement of the patch's centre along each axis.
        mirror: probability of mirroring along each axis, in array order ``(k, j, i)``; the last entries are used for
            2D. Off by default: with few cases and little time it cost 0.01 Dice on hippocampi, and it makes left and
            right exchangeable, which is wrong where classes differ by side only.

    Intensity, in this order, numbers drawn per channel from normalised images (deviation about 1):

        contrast: probability of stretching values about the patch's mean by a factor from `contrast_range`.
        brightness: probability of a factor from `brightness_range` and an offset within ± `brightness_offset`.
        gamma: probability of a power from `gamma_range` (log-uniform) of values scaled to 0..1 and back.
        noise: probability of Gaussian noise of a deviation of up to `noise_deviation`.
        blur: probability of a Gaussian of `blur_voxels`, smallest and largest.
        low_resolution: probability of sampling the patch on a coarser grid, `low_resolution_zoom` times as many voxels
            along each axis, and interpolating back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    affine: Probability = 0.8
    rotation_degrees: float = Field(default=15.0, ge=0, le=180)
    scale: PositiveRange = (0.85, 1.18)
    stretch: float = Field(default=0.08, ge=0, lt=1)
    elastic: Probability = 0.3
    elastic_voxels: float = Field(default=1.5, ge=0)
    shift_voxels: float = Field(default=4.0, ge=0)
    mirror: tuple[Probability, Probability, Probability] = (0.0, 0.0, 0.0)
    contrast: Probability = 0.3
    contrast_range: PositiveRange = (0.7, 1.4)
    brightness: Probability = 0.3
    brightness_range: PositiveRange = (0.8, 1.25)
    brightness_offset: float = Field(default=0.3, ge=0)
    gamma: Probability = 0.3
    gamma_range: PositiveRange = (0.7, 1.5)
    noise: Probability = 0.3
    noise_deviation: float = Field(default=0.25, ge=0)
    blur: Probability = 0.3
    blur_voxels: PositiveRange = (0.4, 1.0)
    low_resolution: Probability = 0.1
    low_resolution_zoom: PositiveRange = (0.5, 1.0)

    @classmethod
    def off(cls) -> AugmentationSettings:
        """No change at all: patches are crops."""
        kinds = ("affine", "elastic", "contrast", "brightness", "gamma", "noise", "blur", "low_resolution")
        return cls.model_validate({**dict.fromkeys(kinds, 0.0), "shift_voxels": 0.0, "mirror": (0.0, 0.0, 0.0)})


class PaperSchedule(BaseModel):
    """The schedule "paper": plain gradient descent, slowed down and ended by the validation loss.

    Source: Yeung et al., Comput Med Imaging Graph 95, 2022. The learning rate is quoted from memory, and the paper
    names no momentum.

    Args:
        learning_rate: at the start.
        momentum: of the gradient descent (Nesterov's if above 0).
        factor: that the learning rate is multiplied by when the validation loss has not improved for `patience` epochs.
        patience: epochs.
        stop_patience: epochs without improvement after which the training ends.
        improvement: decrease of the validation loss that counts as one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float = Field(default=0.1, gt=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    factor: float = Field(default=0.1, gt=0, lt=1)
    patience: int = Field(default=10, ge=1)
    stop_patience: int = Field(default=20, ge=1)
    improvement: float = Field(default=1e-4, ge=0)


class TrainingSettings(BaseModel):
    """Settings of one training; readable JSON.

    Args:
        budget_seconds: bounds the optimisation loop, its first step included.
        epochs: passes over the cases instead of a time limit; see `sampling.steps_per_epoch`. Exactly one of both
            may be given; with neither, the budget is 60 s.
        schedule: "one-cycle" (AdamW, ends well at any budget) or "paper" (see `PaperSchedule`; budget or epochs are
            the most it may take).
        paper: settings of the schedule "paper".
        loss: a name of `ufseg.losses.names()`.
        loss_options: keyword arguments of the loss.
        deep_supervision: the loss also judges the outputs of coarser levels, where the architecture has them
            (DynUNet).
        seed: of initial weights, sampling and augmentation.
        learning_rate: peak of the one-cycle schedule when training starts from random weights.
        continued_learning_rate: peak when training continues from given weights.
        weight_decay: AdamW's.
        averaging: share of the run over which weights are averaged (exponential moving average); 0 turns it off. The
            schedule "paper" keeps the weights of the best epoch instead.
        foreground: share of patches centred on a voxel of a random class.
        augmentation: random changes of patches.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: CPU threads; None leaves torch's choice.
        checkpoint_seconds: time between checkpoints.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget_seconds: float | None = Field(default=None, gt=0)
    epochs: int | None = Field(default=None, ge=1)
    schedule: ScheduleName = "one-cycle"
    paper: PaperSchedule = PaperSchedule()
    loss: str = "asymmetric-unified-focal"
    loss_options: dict[str, float] = {}
    deep_supervision: bool = True
    seed: int = Field(default=0, ge=0, lt=2**31)
    learning_rate: float = Field(default=6e-3, gt=0)
    continued_learning_rate: float = Field(default=4e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    averaging: float = Field(default=0.05, ge=0, lt=1)
    foreground: Probability = 0.5
    augmentation: AugmentationSettings = AugmentationSettings()
    device: str = "auto"
    threads: int | None = Field(default=None, ge=1)
    checkpoint_seconds: float = Field(default=60.0, ge=0)

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if self.budget_seconds is not None and self.epochs is not None:
            raise ValueError("give either budget_seconds or epochs, not both")
        if self.budget_seconds is None and self.epochs is None:
            object.__setattr__(self, "budget_seconds", DEFAULT_BUDGET_SECONDS)
        return self

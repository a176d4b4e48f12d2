"""How a trained model is used on images."""

from __future__ import annotations

from dataclasses import dataclass

from ufseg.errors import InputError

LARGEST_OVERLAP = 0.9


@dataclass(frozen=True)
class InferenceOptions:
    """Trade-offs of a prediction; the defaults are those that models are scored with.

    Args:
        overlap: share of a window that its neighbour covers too, 0 to 0.9. Less is faster: 0.25 computes a voxel about
            2.4 times where 0.5 computes it 8 times (in the middle of a large volume).
        mirror: also predict every window mirrored along each combination of the axes along which the model was trained
            on mirrored images (twice the work for one axis, 8 times for three), and take the mean.
        body_crop: leave out the air around the body, see `ufseg.inference.body_box.body_box`.
        window_scale: windows of this many patches along each axis, at least 1, where the image is that large; None
            takes what was found best for the model after its training. Larger windows overlap less often, but the
            network sees other surroundings than in training.

    Raises:
        InputError: a number outside its range.
    """

    overlap: float = 0.5
    mirror: bool = False
    body_crop: bool = True
    window_scale: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.overlap <= LARGEST_OVERLAP:
            raise InputError(
                f"Windows cannot overlap by {self.overlap:g} of their length; choose 0 to {LARGEST_OVERLAP}, such as "
                "0.5 or, for speed, 0.25."
            )
        if self.window_scale is not None and self.window_scale < 1:
            raise InputError(f"Windows of {self.window_scale} patches cannot be predicted; choose 1 or more.")

"""From an image to a label map on the image's own grid."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ufseg.errors import InputError
from ufseg.images.image import Image, LabelMap
from ufseg.images.orientation import to_canonical
from ufseg.inference.blending import blended_slabs
from ufseg.inference.body_box import Box, body_box, cut, whole_box
from ufseg.inference.labelling import Labeller
from ufseg.inference.options import InferenceOptions
from ufseg.networks.device import Device, autocast
from ufseg.networks.memory import memory_errors
from ufseg.networks.model_folder import ModelDescription
from ufseg.plans.plan import PATIENT_AXES, Plan
from ufseg.plans.preprocessing import preprocess_image
from ufseg.progress import CancelCheck, Progress, ProgressCallback, ignore_progress, never_cancelled, raise_if_cancelled

# Small windows are computed together. On a CPU that takes a sixth less time for windows of 40 × 48 × 48 voxels.
VOXELS_AT_ONCE = {"cuda": 1 << 21, "cpu": 3 << 18}
MOST_WINDOWS = 16


class Predictor:
    """A model ready to segment images.

    Beside the image and the label map, its memory is bounded by a slab of scores (classes × window length × area of
    the volume) and what the network needs for a window.

    Args:
        description: the model's plan and class table, kept as an attribute.
        network: its network on `device`; put into evaluation mode.
        device: where to compute.
        options: overlap, mirroring and the like.

    Raises:
        InputError: mirrored views are wanted of a model that was trained without them.
    """

    def __init__(
        self,
        description: ModelDescription,
        network: nn.Module,
        device: Device,
        options: InferenceOptions = InferenceOptions(),  # noqa: B008
    ) -> None:
        self.description = description
        self.options = options
        self._network = network.eval()
        self._device = device
        if options.mirror and not description.mirror:
            raise InputError(
                f"The model {description.name} was not trained on mirrored images, and mirrored views would make its "
                "result worse. Predict without mirroring."
            )
        # Mirrored along every combination of the axes, which are the last ones of a window.
        mirrored = description.mirror if options.mirror else ()
        positions = [PATIENT_AXES.index(axis) - len(PATIENT_AXES) for axis in mirrored]
        axes = [position for position in positions if position >= -description.plan.dimension]
        self._flips = [list(f) for n in range(len(axes) + 1) for f in itertools.combinations(axes, n)]

    def predict(
        self,
        image: Image,
        progress: ProgressCallback = ignore_progress,
        cancelled: CancelCheck = never_cancelled,
    ) -> LabelMap:
        """Segment an image.

        A 2D model takes a volume slice by slice along its third axis.

        Args:
            image: with the model's channels in its order, any orientation and spacing.
            progress: told the fraction of windows done.
            cancelled: asked before each pass of the network.

        Returns:
            uint8 label map on `image`'s grid with the class table's values.

        Raises:
            InputError: another number of channels or axes than the model was trained on.
            CancelledError: `cancelled` said so.
            OutOfMemoryError: the memory did not suffice.
        """
        names = self.description.channel_names
        if image.channels != len(names):
            raise InputError(
                f"The image has {image.channels} channel{'' if image.channels == 1 else 's'}, but the model "
                f"{self.description.name} was trained on {len(names)}: {', '.join(names)}. Give these, in this order."
            )
        raise_if_cancelled(cancelled)
        work = f"an image of {' × '.join(map(str, image.geometry.size))} voxels"
        labels = np.zeros(image.geometry.array_shape, np.uint8)
        with memory_errors(self._device, work, "segment a smaller part of the image"), torch.inference_mode():
            box = body_box(image, self.description.plan) if self.options.body_crop else None
            self._label(image, box or whole_box(image), labels, progress, cancelled)
        progress(Progress(1.0, "segmenting"))
        return LabelMap(labels, image.geometry)

    def _label(
        self, image: Image, box: Box, labels: NDArray[np.uint8], progress: ProgressCallback, cancelled: CancelCheck
    ) -> None:
        """Write the class values of the part of `image` in `box` into `labels`, which has the image's shape."""
        plan = self.description.plan

        def on_window(done: int, count: int) -> None:
            raise_if_cancelled(cancelled)
            progress(Progress(done / count, "segmenting"))

        def predict(windows: Tensor) -> Tensor:
            return self._scores(windows, cancelled)

        volume = torch.from_numpy(_network_input(image, box, plan)).to(self._device.torch_device)
        # A view: what is written there stands in `labels` as the image has its axes.
        turned = labels[box] if plan.dimension == 2 else to_canonical(labels[box], cut(image, box).geometry)[0]
        target = turned[None] if turned.ndim == 2 else turned
        values = np.asarray([0, *self.description.classes.values], np.uint8)
        labeller = Labeller(tuple(volume.shape[1:]), target, values)
        scale = self.options.window_scale or self.description.window_scale
        window = _window(plan, volume.shape[1:], scale)
        batch = min(MOST_WINDOWS, max(1, VOXELS_AT_ONCE[self._device.kind] // math.prod(window)))
        for slab in blended_slabs(volume, window, predict, plan.classes, on_window, self.options.overlap, batch):
            labeller.add(slab)

    def _scores(self, windows: Tensor, cancelled: CancelCheck) -> Tensor:
        """Logits ``[n, class, *window]``; with mirroring their mean over all views."""
        flat = self.description.plan.dimension == 2
        given = windows[:, :, 0] if flat else windows
        total: Tensor | None = None
        for flips in self._flips:
            raise_if_cancelled(cancelled)
            with autocast(self._device):
                view: Tensor = self._network(given.flip(flips) if flips else given)
            if len(self._flips) == 1:
                total = view
                break
            view = view.flip(flips).float()
            total = view if total is None else total.add_(view)
        assert total is not None  # there is always the unmirrored view
        if len(self._flips) > 1:
            total = total.div_(len(self._flips))
        return total[:, :, None] if flat else total


def _network_input(image: Image, box: Box, plan: Plan) -> NDArray[np.float32]:
    """The part of an image in `box` on the plan's grid, ``[channel, k, j, i]``; a 2D image has one plane.

    Intensities are scaled by those of the whole image, or for a 2D plan of the whole slice, as in training.
    """
    if plan.dimension == 3:
        return preprocess_image(cut(image, box), plan, image)[0]
    if image.geometry.ndim == 2:
        return preprocess_image(cut(image, box), plan, image)[0][:, None]
    numbers = range(box[0].start, box[0].stop)
    result: NDArray[np.float32] | None = None
    for n, k in enumerate(numbers):
        whole = cut(image, (slice(k, k + 1), *whole_box(image)[1:]))
        array, _ = preprocess_image(cut(image, (slice(k, k + 1), *box[1:])), plan, whole)
        if result is None:
            result = np.empty((array.shape[0], len(numbers), *array.shape[1:]), np.float32)
        result[:, n] = array
    assert result is not None  # no box is empty
    return result


def _window(plan: Plan, shape: tuple[int, ...], scale: int) -> tuple[int, ...]:
    """The window along k, j, i: `scale` patches, but no more than it takes to hold the whole volume."""
    space = shape[-plan.dimension :]
    total = [math.prod(s[axis] for s in plan.strides) for axis in range(plan.dimension)]
    sizes = [
        min(scale * patch, max(patch, -(-size // stride) * stride))
        for patch, size, stride in zip(plan.patch_size, space, total, strict=True)
    ]
    return (1, *sizes) if plan.dimension == 2 else tuple(sizes)

"""From an image to a label map on the image's own grid."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ufseg.errors import InputError
from ufseg.images.image import Image, LabelMap
from ufseg.images.orientation import from_canonical
from ufseg.images.slices import split_slices
from ufseg.inference.windows import sliding_window
from ufseg.networks.device import Device, autocast
from ufseg.networks.memory import memory_errors
from ufseg.networks.model_folder import ModelDescription
from ufseg.plans.preprocessing import canonical_geometry, preprocess_image
from ufseg.progress import CancelCheck, Progress, ProgressCallback, ignore_progress, never_cancelled, raise_if_cancelled


class Predictor:
    """A model ready to segment images.

    Args:
        description: the model's plan and class table, kept as an attribute.
        network: its network on `device`; put into evaluation mode.
        device: where to compute.
    """

    def __init__(self, description: ModelDescription, network: nn.Module, device: Device) -> None:
        self.description = description
        self._network = network.eval()
        self._device = device

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
            cancelled: asked before each window.

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
        work = f"an image of {' × '.join(map(str, image.geometry.size))} voxels"
        with memory_errors(self._device, work, "segment a smaller part of the image"), torch.inference_mode():
            indices = self._indices(image, progress, cancelled)
        progress(Progress(1.0, "segmenting"))
        return LabelMap(self.description.classes.from_indices(indices), image.geometry)

    def _indices(self, image: Image, progress: ProgressCallback, cancelled: CancelCheck) -> NDArray[np.uint8]:
        if self.description.plan.dimension == 3 or image.geometry.ndim == 2:
            return self._part(image, 0, 1, progress, cancelled)
        slices = split_slices(image)
        return np.concatenate([self._part(s, k, len(slices), progress, cancelled) for k, s in enumerate(slices)])

    def _part(
        self, image: Image, part: int, parts: int, progress: ProgressCallback, cancelled: CancelCheck
    ) -> NDArray[np.uint8]:
        """Network indices of one volume or slice (`part` of `parts`, for the progress) on its own grid."""
        plan = self.description.plan

        def on_window(done: int, count: int) -> None:
            raise_if_cancelled(cancelled)
            progress(Progress((part + done / count) / parts, "segmenting"))

        raise_if_cancelled(cancelled)
        array, _ = preprocess_image(image, plan)
        tensor = torch.from_numpy(array).to(self._device.torch_device)
        logits = sliding_window(tensor, plan.patch_size, self._run, plan.classes, on_window)
        turned = canonical_geometry(image.geometry, plan)
        labels = winning_class(logits, turned.array_shape[-plan.dimension :]).cpu().numpy()
        if plan.dimension == 2:
            return labels.reshape(image.geometry.array_shape)
        return np.ascontiguousarray(from_canonical(labels, turned, image.geometry))

    def _run(self, window: Tensor) -> Tensor:
        with autocast(self._device):
            logits: Tensor = self._network(window)
        return logits


def winning_class(logits: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The class with the largest logit on a grid of `shape` over the same box of space.

    Classes are resampled (linearly) one after the other against a running maximum, so that the memory does not grow
    with their number; ties go to the lower class.

    Args:
        logits: ``[class, *space]``.
        shape: of the result.

    Returns:
        uint8 ``[*shape]``.
    """
    mode = {2: "bilinear", 3: "trilinear"}[len(shape)]
    best: Tensor | None = None
    winner = torch.zeros(shape, dtype=torch.uint8, device=logits.device)
    for index, channel in enumerate(logits):
        here = channel
        if tuple(channel.shape) != tuple(shape):
            here = F.interpolate(channel[None, None], size=shape, mode=mode, align_corners=False)[0, 0]
        if best is None:
            best = here.clone()
            continue
        better = here > best
        winner.masked_fill_(better, index)
        torch.maximum(best, here, out=best)
    return winner

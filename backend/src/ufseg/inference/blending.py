"""The network's scores of a whole volume, from overlapping windows, a slab at a time.

Scores (logits) of all classes over a whole volume are the largest array that a prediction could need: 512 × 512 × 600
voxels of 14 classes take 8.8 GB. But a plane is finished as soon as no window to come reaches it. Hence windows are
taken in the order of the slowest axis, k, and only the planes that they still change are kept: a window's length of
them, whatever the length of the volume.

What is averaged are logits, not probabilities, as nnU-Net does: the mean of logits is the (normalised) geometric mean
of the windows' probabilities, in which a window that is sure outvotes one that is not; argmax needs no softmax; and
interpolating logits between voxels is smoother than interpolating saturated probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ufseg.inference.windows import Windows

Predict = Callable[[Tensor], Tensor]
OnWindow = Callable[[int, int], None]


@dataclass(frozen=True)
class Slab:
    """Finished planes of a volume.

    Args:
        first: index of the first plane.
        scores: ``[class, planes, j, i]`` float32. The first plane repeats the last one of the slab before, so that
            there is a plane on both sides of every place in between. Valid until the next slab is asked for.
    """

    first: int
    scores: Tensor

    @property
    def last(self) -> int:
        """Index of the last plane."""
        return self.first + self.scores.shape[1] - 1


def blended_slabs(
    image: Tensor,
    window: Sequence[int],
    predict: Predict,
    classes: int,
    on_window: OnWindow,
    overlap: float = 0.5,
    batch: int = 1,
) -> Iterator[Slab]:
    """Blend the predictions of overlapping windows, Gaussian-weighted.

    Args:
        image: ``[channel, k, j, i]``. Where it is smaller than a window it is padded with zeros on both sides.
        window: the network's input size along k, j, i.
        predict: maps ``[n, channel, *window]`` to ``[n, classes, *window]``.
        classes: of the prediction.
        on_window: called with (windows done, windows in all) before each call of `predict`; may raise to stop.
        overlap: see `ufseg.inference.windows.window_starts`.
        batch: windows given to `predict` at once.

    Yields:
        The weighted mean of all windows' predictions, in slabs from the first plane of `image` to its last.
    """
    space = image.shape[1:]
    missing = [max(0, w - s) for s, w in zip(space, window, strict=True)]
    before = [m // 2 for m in missing]
    if any(missing):
        image = F.pad(image, [p for m, b in zip(missing[::-1], before[::-1], strict=True) for p in (b, m - b)])
    windows = Windows.over(image.shape[1:], window, overlap, image.device)
    inner = [slice(b, b + s) for b, s in zip(before, space, strict=True)]
    for slab in _slabs(image, windows, predict, classes, on_window, batch):
        first = max(slab.first, inner[0].start)
        last = min(slab.last, inner[0].stop - 1)
        if first <= last:
            planes = slice(first - slab.first, last + 1 - slab.first)
            yield Slab(first - inner[0].start, slab.scores[:, planes, inner[1], inner[2]])


def _slabs(
    image: Tensor, windows: Windows, predict: Predict, classes: int, on_window: OnWindow, batch: int
) -> Iterator[Slab]:
    places = windows.places()
    groups = [places[n : n + batch] for n in range(0, len(places), batch)]
    # The first plane that a group of windows changes, and the one behind the last.
    begins = [windows.starts[0][group[0][0]] for group in groups] + [image.shape[1]]
    ends = [windows.starts[0][group[-1][0]] + windows.window[0] for group in groups]
    depth = max(end - begin for begin, end in zip(begins, ends, strict=False))
    # Plane 0 of the buffer is the last finished one, plane 1 + n the plane begin + n.
    buffer = torch.zeros(classes, 1 + depth, *image.shape[2:], device=image.device)
    done = 0
    for number, group in enumerate(groups):
        on_window(done, len(places))
        begin, following = begins[number], begins[number + 1]
        boxes = [(slice(None), *windows.box(place)) for place in group]
        scores = predict(torch.stack([image[box] for box in boxes]))
        for place, (_, k, j, i), own in zip(group, boxes, scores, strict=True):
            buffer[:, 1 + k.start - begin : 1 + k.stop - begin, j, i].addcmul_(own, windows.weight(place))
        done += len(group)
        if following == begin:
            continue
        finished = following - begin
        skip = 0 if begin else 1
        yield Slab(begin - 1 + skip, buffer[:, skip : 1 + finished])
        # One plane after the other, since source and target overlap.
        for plane in range(1 + depth - finished):
            buffer[:, plane] = buffer[:, plane + finished]
        buffer[:, max(0, 1 + depth - finished) :].zero_()

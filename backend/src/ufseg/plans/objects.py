"""Sizes of the separate objects of a class: the small ones decide how coarsely an image may be resampled."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from ufseg.images.class_table import ClassTable
from ufseg.images.image import LabelMap

# Less than a second of work on one core; rarer classes are measured first, so what is left out is large.
MOST_WORK = 1 << 25
# Joining a labelled voxel to its neighbours through an index takes as long as passing over so many voxels.
VOXELS_PER_NEIGHBOURHOOD = 40


class ObjectSizes(BaseModel):
    """The connected objects of a class in one case; voxels that touch at a corner belong together.

    Args:
        count: how many there are.
        smallest_voxels: of the smallest one, on the image's own grid.
        median_voxels: of the median one.
        complete: False if only part of the volume was searched, for the sake of time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int
    smallest_voxels: int
    median_voxels: float
    complete: bool = True


def measure_objects(label: LabelMap, classes: ClassTable, most_work: int = MOST_WORK) -> dict[str, ObjectSizes]:
    """Find the connected objects of each class that occurs.

    Args:
        label: whose objects.
        classes: names and values.
        most_work: voxels passed over at most, over all classes. A class costs its bounding box, or 40 times its voxels
            where that is less. A box that exceeds what is left is searched from its first slice as far as that goes;
            objects cut there do not count.

    Returns:
        Class name → sizes, rarest class first. A class is missing if it does not occur or none of it was found whole.
    """
    boxes = ndimage.find_objects(label.array)
    counts = label.counts()
    present = [e for e in classes.entries if counts[e.value]]
    found: dict[str, ObjectSizes] = {}
    left = most_work
    for entry in sorted(present, key=lambda e: int(counts[e.value])):
        part = label.array[boxes[entry.value - 1]]
        slices = part.shape[0]
        scattered = int(counts[entry.value]) * VOXELS_PER_NEIGHBOURHOOD
        if scattered <= min(left, part.size):
            left -= scattered
            sizes = scattered_sizes(part == entry.value)
        else:
            slices = min(slices, left // part[0].size)
            if slices == 0:
                continue
            left -= slices * part[0].size
            sizes = dense_sizes(part[:slices] == entry.value, cut=slices < part.shape[0])
        if len(sizes):
            found[entry.name] = ObjectSizes(
                count=len(sizes),
                smallest_voxels=int(sizes.min()),
                median_voxels=float(np.median(sizes)),
                complete=slices == part.shape[0],
            )
    return found


def dense_sizes(mask: NDArray[np.bool_], cut: bool) -> NDArray[np.int64]:
    """Voxels of each object of a mask; with `cut`, without those on the last slice."""
    numbered, count = ndimage.label(mask, structure=np.ones((3,) * mask.ndim, bool))
    sizes = np.bincount(numbered.reshape(-1), minlength=count + 1)
    if cut:
        sizes[numbered[-1]] = 0
    whole: NDArray[np.int64] = sizes[1:][sizes[1:] > 0]
    return whole


def scattered_sizes(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Voxels of each object of a mask of few voxels: each is joined to those of its neighbours that are among them."""
    # With a border of one voxel, a step to a neighbour is one difference of flat indices everywhere.
    shape = [n + 2 for n in mask.shape]
    voxels = np.ravel_multi_index([axis + 1 for axis in np.nonzero(mask)], shape)
    steps = np.ravel_multi_index(np.full(mask.ndim, 1), shape)
    ones, others = [], []
    for offset in itertools.product((0, 1, 2), repeat=mask.ndim):
        step = int(np.ravel_multi_index(offset, shape) - steps)
        if step <= 0:
            continue  # the same pair was found from its other end
        place = np.minimum(np.searchsorted(voxels, voxels + step), len(voxels) - 1)
        joined = np.flatnonzero(voxels[place] == voxels + step)
        ones.append(joined)
        others.append(place[joined])
    pairs = np.concatenate(ones), np.concatenate(others)
    graph = sparse.coo_matrix((np.ones(len(pairs[0]), np.int8), pairs), shape=(len(voxels), len(voxels)))
    sizes: NDArray[np.int64] = np.bincount(csgraph.connected_components(graph, directed=False)[1])
    return sizes

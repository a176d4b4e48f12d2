"""How deep a network is, along which axes its levels halve, and how large a patch fits into the memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ufseg.plans.plan import PAPER_LEVELS, Architecture

SMALLEST_AXIS = 4
COARSE = 2.0
FEWEST_LEVELS = 3
MOST_HALVINGS = {2: 5, 3: 4}
FIRST_FEATURES: dict[Architecture, int] = {"dynunet": 16, "paper": 32}
MOST_FEATURES = {2: 512, 3: 256}
Axes = tuple[int, ...]


@dataclass(frozen=True)
class Topology:
    """Patch and levels; tuples as in `ufseg.plans.plan.Plan`."""

    patch_size: Axes
    features: Axes
    kernel_sizes: tuple[Axes, ...]
    strides: tuple[Axes, ...]


def choose_topology(
    architecture: Architecture, size: Sequence[int], spacing: Sequence[float], fits: Callable[[Topology], bool]
) -> Topology:
    """The largest patch that fits, with the levels it allows.

    The patch starts as `size`, rounded up to a multiple of the total stride. While it does not fit, its physically
    longest axis is shortened, so that it tends to a cube of space.

    Args:
        architecture: of the network.
        size: voxels of a whole case along each axis.
        spacing: millimetres, the same order.
        fits: whether a step with this topology fits into the memory.

    Returns:
        The topology; if not even the smallest patch fits, that one.
    """
    limit = list(size)
    # Instance normalisation needs more than one position left at the bottom, however tiny the images.
    longest_axis = limit.index(max(limit))
    least = 2 ** (PAPER_LEVELS if architecture == "paper" else FEWEST_LEVELS)
    limit[longest_axis] = max(limit[longest_axis], least)
    while True:
        topology = _levels(architecture, limit, spacing)
        if fits(topology):
            return topology
        total = total_stride(topology.strides)
        patch = topology.patch_size
        least_of = [max(t, least) if a == longest_axis else t for a, t in enumerate(total)]
        longest = max(
            (a for a in range(len(patch)) if patch[a] > least_of[a]), key=lambda a: patch[a] * spacing[a], default=None
        )
        if longest is None:
            return topology
        limit[longest] = patch[longest] - total[longest]


def total_stride(strides: Sequence[Axes]) -> list[int]:
    """How many voxels of each axis one position at the bottom stands for."""
    return [math.prod(s[axis] for s in strides) for axis in range(len(strides[0]))]


def _levels(architecture: Architecture, size: Sequence[int], spacing: Sequence[float]) -> Topology:
    dimension = len(size)
    if architecture == "paper":
        strides: tuple[Axes, ...] = ((1,) * dimension, *((2,) * dimension,) * (PAPER_LEVELS - 1))
        kernels: tuple[Axes, ...] = ((3,) * dimension,) * PAPER_LEVELS
        most = math.inf
    else:
        strides = _strides(size, spacing, MOST_HALVINGS[dimension])
        kernels = _kernels(spacing, strides)
        most = MOST_FEATURES[dimension]
    first = FIRST_FEATURES[architecture]
    return Topology(
        patch_size=tuple(-(-n // t) * t for n, t in zip(size, total_stride(strides), strict=True)),
        features=tuple(int(min(first * 2**level, most)) for level in range(len(strides))),
        kernel_sizes=kernels,
        strides=strides,
    )


def _strides(size: Sequence[int], spacing: Sequence[float], most: int) -> tuple[Axes, ...]:
    now_size = [float(s) for s in size]
    now_spacing = list(spacing)
    strides: list[Axes] = [(1,) * len(size)]
    for _ in range(most):
        halvable = [n / 2 >= SMALLEST_AXIS for n in now_size]
        if not any(halvable):
            break
        # An axis too short to be halved again must not hold back the others.
        finest = min(s for s, h in zip(now_spacing, halvable, strict=True) if h)
        step = tuple(2 if h and s < COARSE * finest else 1 for s, h in zip(now_spacing, halvable, strict=True))
        strides.append(step)
        now_size = [n / s for n, s in zip(now_size, step, strict=True)]
        now_spacing = [n * s for n, s in zip(now_spacing, step, strict=True)]
    while len(strides) < FEWEST_LEVELS:
        # A network needs three levels even for images of a few voxels: the longest axis is halved.
        longest = now_size.index(max(now_size))
        strides.append(tuple(2 if a == longest else 1 for a in range(len(size))))
        now_size[longest] /= 2
    return tuple(strides)


def _kernels(spacing: Sequence[float], strides: tuple[Axes, ...]) -> tuple[Axes, ...]:
    now = list(spacing)
    kernels: list[Axes] = []
    for stride in strides:
        now = [n * s for n, s in zip(now, stride, strict=True)]
        # Once an axis is convolved it stays so: a later gap comes from axes too short to be halved.
        before = kernels[-1] if kernels else (1,) * len(now)
        kernels.append(tuple(3 if b == 3 or s < COARSE * min(now) else 1 for b, s in zip(before, now, strict=True)))
    return tuple(kernels)

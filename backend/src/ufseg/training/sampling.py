"""Which case and which place each training patch comes from.

Everything is a function of (seed, step), so a resumed training draws the same patches without stored random states.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ufseg.plans.plan import Plan
from ufseg.training.prepare import PreparedCase


def patches_per_case(case: PreparedCase, plan: Plan) -> int:
    """Number of patches that cover the case once, side by side; at least 1."""
    return math.prod(-(-size // patch) for size, patch in zip(case.label.shape, plan.patch_size, strict=True))


def steps_per_epoch(cases: Sequence[PreparedCase], plan: Plan) -> int:
    """Steps that draw as many patches as cover every case once; the sampling stays random."""
    return -(-sum(patches_per_case(c, plan) for c in cases) // plan.batch_size)


class PatchSampler:
    """Draws patch centres.

    Args:
        cases: at least one.
        plan: patch and batch size.
        seed: of the whole training.
        foreground: share of patches that are centred on a voxel of a random class.
        shift: largest random displacement of a centre along each axis, voxels.
    """

    def __init__(self, cases: Sequence[PreparedCase], plan: Plan, seed: int, foreground: float, shift: float) -> None:
        self._cases = cases
        self._plan = plan
        self._seed = seed
        self._foreground = foreground
        self._shift = shift
        # Larger cases come more often, but a whole-body scan must not drown ten small ones.
        self._pool = np.repeat(np.arange(len(cases)), [math.ceil(math.sqrt(patches_per_case(c, plan))) for c in cases])

    def centres(self, step: int) -> list[tuple[PreparedCase, np.ndarray[tuple[int], np.dtype[np.float64]]]]:
        """Cases and patch centres (voxels, array order, float) of the batch of `step` (from 0)."""
        batch = self._plan.batch_size
        rng = np.random.default_rng((self._seed, 1, step))
        return [self._centre(self._case(step * batch + slot), rng) for slot in range(batch)]

    def _case(self, number: int) -> PreparedCase:
        turn, place = divmod(number, len(self._pool))
        order = np.random.default_rng((self._seed, 2, turn)).permutation(self._pool)
        return self._cases[int(order[place])]

    def _centre(
        self, case: PreparedCase, rng: np.random.Generator
    ) -> tuple[PreparedCase, np.ndarray[tuple[int], np.dtype[np.float64]]]:
        shape = np.asarray(case.label.shape, dtype=np.float64)
        half = np.asarray(self._plan.patch_size, dtype=np.float64) / 2
        # Along axes that the patch covers whole, it stays in the middle; elsewhere it keeps inside the volume.
        low = np.where(shape <= 2 * half, (shape - 1) / 2, half - 0.5)
        high = np.where(shape <= 2 * half, (shape - 1) / 2, shape - half - 0.5)
        if case.foreground and rng.random() < self._foreground:
            positions = case.foreground[int(rng.integers(len(case.foreground)))]
            centre = positions[int(rng.integers(len(positions)))].astype(np.float64)
        else:
            centre = rng.uniform(low, high)
        centre = np.clip(centre, low, high) + rng.uniform(-self._shift, self._shift, len(shape))
        return case, centre

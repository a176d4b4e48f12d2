"""Which case and which place each training patch comes from.

Everything is a function of (seed, step), so a resumed training draws the same patches without stored random states, and
each of several processes draws its own share without talking to the others.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from ufseg.plans.plan import Plan
from ufseg.training.cases import TrainingCase

MOST_REPEATS = 3
"""A newly corrected case comes at most so many times as often as an earlier one of its size."""

Place = tuple[TrainingCase, NDArray[np.float64]]
"""A case and a patch centre in it: voxels, array order."""


def patches_per_case(case: TrainingCase, plan: Plan) -> int:
    """Number of patches that cover what is annotated of the case once, side by side; at least 1."""
    extent = [max(stop - start, 1) for start, stop in case.annotated]
    return math.prod(-(-size // patch) for size, patch in zip(extent, plan.patch_size, strict=True))


def steps_per_epoch(cases: Sequence[TrainingCase], plan: Plan, ranks: int = 1) -> int:
    """Steps in which `ranks` processes draw as many patches as cover every case once; the sampling stays random."""
    return -(-sum(patches_per_case(c, plan) for c in cases) // (plan.batch_size * ranks))


def repeats_of_new(new: int, earlier: int) -> int:
    """How many times as often a new case comes: new and earlier ones in balance, as far as `MOST_REPEATS` allows."""
    return min(MOST_REPEATS, max(1, earlier // new)) if new else 1


def is_among(case_id: str, ids: Collection[str]) -> bool:
    """Whether a prepared case, or the volume that it is a slice of, is one of `ids`."""
    return case_id in ids or case_id.rpartition("#")[0] in ids


class PatchSampler:
    """Draws patch centres.

    Args:
        cases: at least one.
        plan: patch and batch size.
        seed: of the whole training.
        foreground: share of patches that are centred on a voxel of a random class.
        shift: largest random displacement of a centre along each axis, voxels.
        new: ids of the cases that a continued model has not seen; they come more often, but every other case still
            has its turn as often as before.
        rank: of this process, 0 if it is the only one.
        ranks: number of processes that train together, each with a batch of its own.
    """

    def __init__(
        self,
        cases: Sequence[TrainingCase],
        plan: Plan,
        seed: int,
        foreground: float,
        shift: float,
        *,
        new: Collection[str] = (),
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self._cases = cases
        self._plan = plan
        self._seed = seed
        self._foreground = foreground
        self._shift = shift
        self._rank, self._ranks = rank, ranks
        fresh = [is_among(case.id, new) for case in cases]
        repeats = repeats_of_new(sum(fresh), len(cases) - sum(fresh))
        # Larger cases come more often, but a whole-body scan must not drown ten small ones.
        turns = [
            math.ceil(math.sqrt(patches_per_case(case, plan))) * (repeats if is_new else 1)
            for case, is_new in zip(cases, fresh, strict=True)
        ]
        self._pool = np.repeat(np.arange(len(cases)), turns)

    def places(self, step: int) -> list[Place]:
        """Where this process's batch of `step` (from 0) comes from."""
        batch = step * self._ranks + self._rank
        rng = np.random.default_rng((self._seed, 1, batch))
        size = self._plan.batch_size
        return [self._place(self._case(batch * size + slot), rng) for slot in range(size)]

    def _case(self, number: int) -> TrainingCase:
        turn, place = divmod(number, len(self._pool))
        order = np.random.default_rng((self._seed, 2, turn)).permutation(self._pool)
        return self._cases[int(order[place])]

    def _place(self, case: TrainingCase, rng: np.random.Generator) -> Place:
        low, high = centre_range(case, self._plan)
        foreground = case.foreground
        if foreground and rng.random() < self._foreground:
            positions = foreground[int(rng.integers(len(foreground)))]
            centre = positions[int(rng.integers(len(positions)))].astype(np.float64)
        else:
            centre = rng.uniform(low, high)
        return case, np.clip(centre, low, high) + rng.uniform(-self._shift, self._shift, len(low))


def centre_range(case: TrainingCase, plan: Plan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and last patch centre along each axis, between which patches cover what is annotated of the case.

    Along an axis that the patch covers whole it stays in the middle of what is annotated; but it never leaves the
    image where that is larger than the patch.
    """
    half = np.asarray(plan.patch_size, dtype=np.float64) / 2
    box = np.asarray(case.annotated, dtype=np.float64)
    low, high = _range(box[:, 0], box[:, 1], half)
    shape = np.asarray(case.shape, dtype=np.float64)
    least, most = _range(np.zeros(len(shape)), shape, half)
    return np.clip(low, least, most), np.clip(high, least, most)


def _range(
    start: NDArray[np.float64], stop: NDArray[np.float64], half: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    covered = stop - start <= 2 * half
    middle = (start + stop - 1) / 2
    return np.where(covered, middle, start + half - 0.5), np.where(covered, middle, stop - half - 0.5)

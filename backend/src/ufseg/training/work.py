"""What a training is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor

from ufseg.networks.device import Device
from ufseg.plans.plan import Plan
from ufseg.training.cases import TrainingCase
from ufseg.training.checkpoint import job_fingerprint, tensors_fingerprint
from ufseg.training.ranks import Ranks
from ufseg.training.settings import TrainingSettings


@dataclass(frozen=True)
class Work:
    """The arguments of `ufseg.training.trainer.train`."""

    cases: Sequence[TrainingCase]
    validation: Sequence[TrainingCase]
    new_cases: frozenset[str]
    plan: Plan
    settings: TrainingSettings
    device: Device
    initial: Mapping[str, Tensor] | None
    checkpoint: Path | None
    ranks: Ranks

    @cached_property
    def fingerprint(self) -> str:
        """Short hash of everything that decides the result; a checkpoint belongs to one of them."""
        return job_fingerprint(
            self.plan.model_dump_json(),
            self.settings.model_dump_json(exclude={"device", "threads", "checkpoint_seconds"}),
            "scratch" if self.initial is None else tensors_fingerprint(self.initial),
            str(self.ranks.count),
            str(sorted(self.new_cases)),
            *(f"{c.id} {c.shape} {c.checksum}" for c in (*self.cases, *self.validation)),
        )

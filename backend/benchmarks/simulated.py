"""Trainings and scores as the service makes them, without one; for the benchmarks of gate and retraining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from hippocampus_data import CHANNELS, CLASSES, TASK

from ufseg.engine.scoring import ModelScores, score_models
from ufseg.engine.specs import TrainingOutcome, TrainingSpec
from ufseg.engine.train_job import run_training
from ufseg.images.case_files import CaseFiles
from ufseg.inference.predictor import Predictor
from ufseg.networks.device import choose_device
from ufseg.networks.model_folder import read_model
from ufseg.progress import ignore_progress, never_cancelled


@dataclass(frozen=True)
class Budget:
    """How long a training takes: seconds, or epochs, so that it does not matter what else the machine does."""

    seconds: float | None = None
    epochs: int | None = None

    @classmethod
    def of(cls, seconds: float, epochs: int | None) -> Budget:
        """Epochs where they are given."""
        return cls(seconds) if epochs is None else cls(None, epochs)

    def __str__(self) -> str:
        return f"{self.seconds:.0f} s" if self.epochs is None else f"{self.epochs} epochs"


class Simulation:
    """Trains in this process; models go to folders under `folder`.

    Args:
        folder: for models.
        threads: CPU threads.
    """

    def __init__(self, folder: Path, threads: int | None) -> None:
        self._folder = folder
        self._device = choose_device("cpu")
        if threads is not None:
            torch.set_num_threads(threads)

    def train(
        self,
        name: str,
        cases: Sequence[CaseFiles],
        validation: Sequence[CaseFiles],
        budget: Budget,
        seed: int,
        promoted: Path | None = None,
        new: Sequence[str] = (),
    ) -> tuple[Path, TrainingOutcome]:
        """The model's folder and what the gate is told."""
        spec = TrainingSpec(
            name=TASK,
            task=TASK,
            modality="MRI",
            channels=CHANNELS,
            classes=CLASSES,
            training=tuple(cases),
            validation=tuple(validation),
            revisions=tuple(case.id for case in cases),
            promoted=promoted,
            continue_from_promoted=promoted is not None,
            loss=None,
            budget_seconds=budget.seconds,
            epochs=budget.epochs,
            seed=seed,
            output=self._folder / name,
            new_cases=tuple(new),
        )
        return spec.output, run_training(spec, self._device, ignore_progress, never_cancelled)

    def score(self, model: Path, cases: Sequence[CaseFiles]) -> ModelScores:
        """Of the model on these cases."""
        predictor = Predictor(*read_model(model, self._device), self._device)
        return score_models([predictor], cases, CLASSES, ignore_progress, never_cancelled)[0]

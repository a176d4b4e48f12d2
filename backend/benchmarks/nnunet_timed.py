"""Trains nnU-Net for a given time and predicts a folder; run by ``nnunet.py`` with nnU-Net's own Python.

The time is that of the optimisation, from the first training batch on. With ``--steps`` it is counted in steps instead,
so that it does not matter what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
from contextlib import nullcontext
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.paths import nnUNet_preprocessed
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class TimedTrainer(nnUNetTrainer):
    """Stock nnU-Net, with its schedule over 1000 epochs, cut off when the time is over with the weights of then."""

    validates = True
    seconds = 60.0
    most_steps: int | None = None

    def run_training(self) -> None:
        """Train until the time is over, then save the final checkpoint."""
        self.on_train_start()
        batch = next(self.dataloader_train)  # starts the loaders' processes, which is preparation
        self.begin, self.steps = monotonic(), 0
        while self.elapsed() < 1 and self.current_epoch < self.num_epochs:
            self.on_epoch_start()
            self.on_train_epoch_start()
            outputs = []
            while len(outputs) < self.num_iterations_per_epoch and self.elapsed() < 1:
                outputs.append(self.train_step(batch))
                self.steps += 1
                batch = next(self.dataloader_train)
            if self.elapsed() >= 1:
                break
            self.on_train_epoch_end(outputs)
            if self.validates:
                self._validate()
                self.on_epoch_end()
            else:
                self.current_epoch += 1
        spent = monotonic() - self.begin
        self.on_train_end()
        self.summary: dict[str, Any] = {
            "steps": self.steps,
            "seconds": spent,
            "batch": self.configuration_manager.batch_size,
            "patch": list(map(int, self.configuration_manager.patch_size)),
        }

    def elapsed(self) -> float:
        """Share of the time, or of the steps, that is over."""
        if self.most_steps is not None:
            return self.steps / self.most_steps
        return (monotonic() - self.begin) / self.seconds

    def _validate(self) -> None:
        with torch.no_grad():
            self.on_validation_epoch_start()
            outputs = [
                self.validation_step(next(self.dataloader_val)) for _ in range(self.num_val_iterations_per_epoch)
            ]
            self.on_validation_epoch_end(outputs)


class TimedTrainerSameSettings(TimedTrainer):
    """nnU-Net with what ufseg's training has: bfloat16 on the CPU, and a schedule that ends with the time.

    The polynomial decay of the learning rate follows the share of the time that is over, step by step, and no time
    goes into validation during training. On CUDA nnU-Net's own mixed precision is left as it is.
    """

    validates = False

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """A step at the learning rate of this moment."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.initial_lr * (1 - min(self.elapsed(), 0.999)) ** 0.9
        on_cpu = self.device.type == "cpu"
        with torch.autocast("cpu", torch.bfloat16) if on_cpu else nullcontext():
            return super().train_step(batch)


VARIANTS = {"stock": TimedTrainer, "same": TimedTrainerSameSettings}


def main() -> None:
    """Train and predict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", help="name of nnU-Net's dataset folder")
    parser.add_argument("variant", choices=list(VARIANTS))
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--steps", type=int, help="in place of the seconds")
    parser.add_argument("--device", choices=["cpu", "cuda"], required=True)
    parser.add_argument("--images", type=Path, required=True, help="folder to predict")
    parser.add_argument("--output", type=Path, required=True, help="folder for the label maps and timed.json")
    arguments = parser.parse_args()
    # As nnU-Net's own command does.
    torch.set_num_threads(os.cpu_count() or 1 if arguments.device == "cpu" else 1)
    folder = Path(nnUNet_preprocessed, arguments.dataset)
    plans = json.loads((folder / "nnUNetPlans.json").read_text(encoding="utf-8"))
    trainer = VARIANTS[arguments.variant](
        plans=plans | {"continue_training": False},
        configuration="3d_fullres",
        fold="all",
        dataset_json=json.loads((folder / "dataset.json").read_text(encoding="utf-8")),
        device=torch.device(arguments.device),
    )
    trainer.seconds, trainer.most_steps = arguments.seconds, arguments.steps
    trainer.run_training()
    trainer.set_deep_supervision_enabled(False)
    predictor = nnUNetPredictor(device=trainer.device, allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [trainer.network.state_dict()],
        trainer.dataset_json,
        type(trainer).__name__,
        trainer.inference_allowed_mirroring_axes,
    )
    begin = monotonic()
    arguments.output.mkdir(parents=True, exist_ok=True)
    predictor.predict_from_files_sequential(str(arguments.images), str(arguments.output))
    summary = trainer.summary | {"predicting": monotonic() - begin}
    (arguments.output / "timed.json").write_text(json.dumps(summary))


if __name__ == "__main__":
    main()

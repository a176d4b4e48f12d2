"""The loss on cases that are not trained on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from ufseg.networks.device import Device
from ufseg.plans.plan import Plan
from ufseg.training.augmentation import draw_batch
from ufseg.training.cases import TrainingCase
from ufseg.training.precision import training_autocast
from ufseg.training.sampling import Place, centre_range
from ufseg.training.settings import AugmentationSettings


def validation_loss(
    network: nn.Module, objective: nn.Module, cases: Sequence[TrainingCase], plan: Plan, device: Device
) -> tuple[float, int]:
    """Sum of the losses of the patches that cover the cases, unchanged and side by side, and their number.

    Args:
        network: left in the mode it was in.
        objective: of logits and labels.
        cases: as prepared for training.
        plan: patch and batch size.
        device: where the network is.
    """
    places = [place for case in cases for place in tiles(case, plan)]
    rng = np.random.default_rng(0)  # nothing is drawn from it
    training = network.training
    network.eval()
    total = 0.0
    try:
        with torch.inference_mode():
            for first in range(0, len(places), plan.batch_size):
                part = places[first : first + plan.batch_size]
                image, label = draw_batch(part, plan, AugmentationSettings.off(), rng, device.torch_device)
                with training_autocast(plan, device):
                    logits = network(image)
                total += float(objective(logits, label)) * len(part)
    finally:
        network.train(training)
    return total, len(places)


def tiles(case: TrainingCase, plan: Plan) -> Iterator[Place]:
    """Centres of as few patches as cover what is annotated of a case, evenly spread."""
    low, high = centre_range(case, plan)
    lines = []
    for (start, stop), patch, first, last in zip(case.annotated, plan.patch_size, low, high, strict=True):
        count = max(1, -(-(stop - start) // patch))
        lines.append(np.linspace(first, last, count))
    for centre in itertools.product(*lines):
        yield case, np.asarray(centre)

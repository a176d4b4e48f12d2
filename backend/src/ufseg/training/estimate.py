"""What a training will take, before it starts."""

from __future__ import annotations

import time

import torch

from ufseg.errors import OutOfMemoryError
from ufseg.networks.build import build_network, supports_deep_supervision
from ufseg.networks.device import Device
from ufseg.networks.memory import memory_errors
from ufseg.plans.memory import training_gb
from ufseg.plans.plan import Plan
from ufseg.training.objective import Objective
from ufseg.training.optimisation import make_optimisation
from ufseg.training.precision import training_autocast
from ufseg.training.settings import TrainingSettings
from ufseg.training.shrinking import step_in_words


def estimate(plan: Plan, settings: TrainingSettings, device: Device, steps_per_epoch: int) -> str:
    """Memory and time of a training, as a sentence.

    The memory is `ufseg.plans.memory.training_gb`, a formula on the safe side: fitted to float32, of which bfloat16
    takes about half. The time is that of the second of two steps on zeros, data and augmentation not included.
    """
    try:
        seconds = measure_step(plan, settings, device)
    except OutOfMemoryError:
        return f"The memory does not suffice for steps with {step_in_words(plan)}; they will be made smaller."
    memory = f"Expected: at most about {training_gb(plan):.1f} GB of memory, about {seconds:.2g} s a step"
    if settings.epochs is not None:
        steps = settings.epochs * steps_per_epoch
        return f"{memory}, so about {steps * seconds:.0f} s for {_in_words(steps)}."
    budget = settings.budget_seconds or 0.0
    return f"{memory}, so about {_in_words(max(1, round(budget / seconds)))} in {budget:.0f} s."


def _in_words(steps: int) -> str:
    return f"{steps} step{'' if steps == 1 else 's'}"


def measure_step(plan: Plan, settings: TrainingSettings, device: Device) -> float:
    """Seconds of an optimisation step on zeros.

    Raises:
        OutOfMemoryError: the memory does not suffice.
    """
    supervised = settings.deep_supervision and supports_deep_supervision(plan)
    with (
        torch.random.fork_rng(devices=[]),
        memory_errors(device, step_in_words(plan), "make the plan's batch or patch smaller"),
    ):
        network = build_network(plan, len(plan.normalisation), supervised).to(device.torch_device).train()
        objective = Objective(settings).to(device.torch_device)
        optimizer = make_optimisation(network, settings, continued=False).optimizer
        image = torch.zeros(plan.batch_size, len(plan.normalisation), *plan.patch_size, device=device.torch_device)
        label = torch.zeros(plan.batch_size, *plan.patch_size, dtype=torch.uint8, device=device.torch_device)
        seconds = 0.0
        for _ in range(2):
            start = time.perf_counter()
            with training_autocast(plan, device):
                outputs = network(image)
            loss = objective(outputs, label)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if device.kind == "cuda":
                torch.cuda.synchronize(device.torch_device)
            seconds = time.perf_counter() - start
    return seconds

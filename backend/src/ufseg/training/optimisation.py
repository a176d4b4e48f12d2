"""Optimiser and learning rate of each schedule."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from ufseg.training.schedule import one_cycle
from ufseg.training.settings import PaperSchedule, TrainingSettings


class Optimisation(ABC):
    """An optimiser whose learning rate follows a schedule.

    Args:
        optimizer: over the network's parameters, in the order of `named_parameters()`.
        names: the parameters' names in that order.
    """

    validates = False
    """Whether it needs the validation loss after each epoch; the best epoch's weights are the result then."""

    def __init__(self, optimizer: torch.optim.Optimizer, names: list[str]) -> None:
        self.optimizer = optimizer
        self._names = names

    @property
    def rate(self) -> float:
        """The present learning rate."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def finished(self) -> bool:
        """Whether training on has no use."""
        return False

    @abstractmethod
    def before_step(self, fraction: float) -> None:
        """Set the learning rate at `fraction` (0..1) of the training."""

    def end_epoch(self, validation_loss: float) -> bool:
        """Take in an epoch's validation loss; returns whether it is the best so far."""
        raise NotImplementedError(f"{type(self).__name__} does not look at a validation loss.")

    @abstractmethod
    def numbers(self) -> dict[str, float]:
        """State beside the tensors, finite numbers, for a checkpoint."""

    @abstractmethod
    def load_numbers(self, numbers: Mapping[str, float]) -> None:
        """Put back what `numbers` gave."""

    def tensors(self) -> dict[str, Tensor]:
        """The optimiser's tensors as ``parameter/key``, such as ``conv.weight/exp_avg``."""
        state = self.optimizer.state_dict()["state"]
        return {
            f"{name}/{key}": value
            for index, name in enumerate(self._names)
            for key, value in state.get(index, {}).items()
            if isinstance(value, Tensor) and key != "step"
        }

    def load_tensors(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """Put back what `tensors` gave after `step` steps."""
        saved = self.optimizer.state_dict()
        state: dict[int, dict[str, Tensor]] = {}
        for index, name in enumerate(self._names):
            own = {key.rpartition("/")[2]: value for key, value in tensors.items() if key.rpartition("/")[0] == name}
            if own:
                state[index] = own | {"step": torch.tensor(float(step))}
        saved["state"] = state
        self.optimizer.load_state_dict(saved)


class OneCycle(Optimisation):
    """AdamW under `ufseg.training.schedule.one_cycle`.

    Args:
        named: the network's parameters.
        peak: highest learning rate.
        weight_decay: AdamW's.
    """

    def __init__(self, named: Iterable[tuple[str, nn.Parameter]], peak: float, weight_decay: float) -> None:
        names, parameters = zip(*named, strict=True)
        super().__init__(torch.optim.AdamW(parameters, lr=peak, weight_decay=weight_decay), list(names))
        self._peak = peak

    def before_step(self, fraction: float) -> None:
        """Follow the cycle."""
        for group in self.optimizer.param_groups:
            group["lr"] = one_cycle(fraction, self._peak)

    def numbers(self) -> dict[str, float]:
        """None: the rate follows from the share of the training that is done."""
        return {}

    def load_numbers(self, numbers: Mapping[str, float]) -> None:
        """Nothing to put back."""


class Plateau(Optimisation):
    """Gradient descent that slows down, and ends, when the validation loss improves no more; see `PaperSchedule`."""

    validates = True

    def __init__(self, named: Iterable[tuple[str, nn.Parameter]], settings: PaperSchedule) -> None:
        names, parameters = zip(*named, strict=True)
        momentum = settings.momentum
        sgd = torch.optim.SGD(parameters, lr=settings.learning_rate, momentum=momentum, nesterov=momentum > 0)
        super().__init__(sgd, list(names))
        self._settings = settings
        self._scheduler = ReduceLROnPlateau(
            sgd,
            factor=settings.factor,
            # torch reduces in the epoch after the patience; the paper's Keras in its last.
            patience=settings.patience - 1,
            threshold=settings.improvement,
            threshold_mode="abs",
            eps=0.0,
        )
        self._best = math.inf
        self._without_improvement = 0

    @property
    def finished(self) -> bool:
        """Whether the validation loss has not improved for too long."""
        return self._without_improvement >= self._settings.stop_patience

    def before_step(self, fraction: float) -> None:
        """Nothing: the rate changes after epochs only."""

    def end_epoch(self, validation_loss: float) -> bool:
        """Count epochs without improvement."""
        self._scheduler.step(validation_loss)
        if validation_loss < self._best - self._settings.improvement:
            self._best, self._without_improvement = validation_loss, 0
            return True
        self._without_improvement += 1
        return False

    def numbers(self) -> dict[str, float]:
        """Counters and the best loss, which is left out while there is none."""
        scheduler = self._scheduler.state_dict()
        numbers = {
            "rate": self.rate,
            "without_improvement": float(self._without_improvement),
            "bad_epochs": float(scheduler["num_bad_epochs"]),
        }
        return numbers | ({"best": self._best} if math.isfinite(self._best) else {})

    def load_numbers(self, numbers: Mapping[str, float]) -> None:
        """Continue from a checkpoint."""
        for group in self.optimizer.param_groups:
            group["lr"] = numbers["rate"]
        self._best = numbers.get("best", math.inf)
        self._without_improvement = int(numbers["without_improvement"])
        state = self._scheduler.state_dict()
        self._scheduler.load_state_dict(
            state | {"best": self._best, "num_bad_epochs": int(numbers["bad_epochs"]), "_last_lr": [numbers["rate"]]}
        )


def make_optimisation(network: nn.Module, settings: TrainingSettings, continued: bool) -> Optimisation:
    """The optimisation that `settings.schedule` names; `continued` training has a lower peak."""
    if settings.schedule == "paper":
        return Plateau(network.named_parameters(), settings.paper)
    peak = settings.continued_learning_rate if continued else settings.learning_rate
    return OneCycle(network.named_parameters(), peak, settings.weight_decay)

"""The losses that the panel offers, by their names in the backend."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_LOSS = "asymmetric-unified-focal"

DELTA, GAMMA, LAMBDA = "delta", "gamma", "focal_weight"
"""Names of the options in the backend; λ is the paper's letter for the last one."""


@dataclass(frozen=True)
class LossChoice:
    """A loss.

    Args:
        name: in the backend.
        options: which of δ, γ and λ it has, with the default of each.
    """

    name: str
    options: dict[str, float]

    def request(self, values: dict[str, float]) -> dict:
        """The loss of a training request: its name and those of `values` that it has."""
        chosen = {key: values[key] for key in self.options if key in values}
        return {"name": self.name, "options": chosen}


LOSSES = (
    LossChoice(DEFAULT_LOSS, {DELTA: 0.6, GAMMA: 0.5, LAMBDA: 0.5}),
    LossChoice("symmetric-unified-focal", {DELTA: 0.6, GAMMA: 0.5, LAMBDA: 0.5}),
    LossChoice("dice-cross-entropy", {}),
    LossChoice("dice", {}),
    LossChoice("focal-tversky", {}),
    LossChoice("cross-entropy", {}),
)

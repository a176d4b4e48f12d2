"""The losses that take part in a comparison, with the options of the paper."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from ufseg.errors import InputError

ASYMMETRIC = "asymmetric-unified-focal"
"""The loss that the others are tested against."""

PAPER_LOSSES = (
    "cross-entropy",
    "focal",
    "dice",
    "tversky",
    "focal-tversky",
    "combo",
    "symmetric-unified-focal",
    ASYMMETRIC,
)
"""Those of the paper's tables, and cross entropy."""

_UNIFIED = {"focal_weight": 0.5, "delta": 0.6, "gamma": 0.5}
PAPER_OPTIONS: Mapping[str, Mapping[str, float]] = {
    "focal": {"alpha": 0.25, "gamma": 2.0},
    "tversky": {"delta": 0.7},
    "focal-tversky": {"delta": 0.7, "gamma": 0.75},
    "combo": {"alpha": 0.5, "beta": 0.5},
    "symmetric-unified-focal": _UNIFIED,
    ASYMMETRIC: _UNIFIED,
}
"""Options of the paper's experiments: its Tversky α .3, β .7 is δ .7 here, its focal Tversky γ 4/3 the exponent .75.

Its γ of the Unified Focal loss is .5 in 3D and was tuned in 2D. The other losses keep their classes' defaults.

Source: Yeung et al., Comput. Med. Imaging Graph. 95 (2022) 102026, section 4.
"""

SWEEP = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""γ of the paper's figure 3."""


class Entrant(BaseModel):
    """A loss with its options.

    Args:
        label: its name in tables, unique in a comparison.
        loss: a name of `ufseg.losses.names()`.
        options: keyword arguments of the loss.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(min_length=1)
    loss: str
    options: dict[str, float] = {}

    @property
    def folder(self) -> str:
        """A file name for it."""
        return re.sub(r"[^A-Za-z0-9.+-]+", "-", self.label)


def entrants(texts: Sequence[str]) -> tuple[Entrant, ...]:
    """Losses by name, with the paper's options unless others are written behind colons.

    Args:
        texts: such as ``"focal"`` or ``"focal:gamma=1:alpha=0.5"``; ``"all"`` stands for the whole catalogue and
            ``"paper"`` for `PAPER_LOSSES`.

    Raises:
        InputError: an unknown loss or option, a value that the option cannot have, or one loss twice.
    """
    from ufseg import losses

    groups = {"all": losses.names(), "paper": list(PAPER_LOSSES)}
    found = [_entrant(name) for text in texts for name in groups.get(text, [text])]
    labels = [e.folder for e in found]
    double = sorted({label for label in labels if labels.count(label) > 1})
    if double or not found:
        raise InputError(
            f"The losses {', '.join(double)} are named more than once. Name each once."
            if double
            else "No loss was named. Name one or more of: " + ", ".join(losses.names()) + "."
        )
    return tuple(found)


def sweep(gammas: Sequence[float]) -> tuple[Entrant, ...]:
    """The asymmetric Unified Focal loss with each γ.

    Raises:
        InputError: a γ outside [0, 1), or one given twice.
    """
    found = entrants([f"{ASYMMETRIC}:gamma={gamma:g}" for gamma in gammas])
    return tuple(e.model_copy(update={"label": f"gamma {e.options['gamma']:g}"}) for e in found)


def reference_of(taking_part: Sequence[Entrant]) -> Entrant:
    """The one that the others are tested against: the asymmetric Unified Focal loss with the paper's options, else any
    asymmetric Unified Focal loss, else the first."""
    ours = [e for e in taking_part if e.loss == ASYMMETRIC]
    usual = [e for e in ours if e.options == PAPER_OPTIONS[ASYMMETRIC]]
    return (usual or ours or list(taking_part))[0]


def _entrant(text: str) -> Entrant:
    from ufseg import losses

    name, *settings = text.strip().split(":")
    options = dict(PAPER_OPTIONS.get(name, {}))
    for setting in settings:
        key, _, value = setting.partition("=")
        try:
            options[key.strip()] = float(value)
        except ValueError as error:
            raise InputError(f"{setting!r} in {text!r} is not OPTION=NUMBER, such as gamma=0.3.") from error
    try:
        losses.create(name, **options)
    except (TypeError, ValueError) as error:
        raise InputError(f"{text!r} cannot take part: {error}") from error
    return Entrant(label=":".join([name, *settings]), loss=name, options=options)

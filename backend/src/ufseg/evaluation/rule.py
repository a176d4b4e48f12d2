"""The rule by which the gate decides; apart from the gate, which brings scipy."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class GateRule(BaseModel):
    """When a candidate is better: its mean Dice is higher, on enough cases, it is hardly worse by chance, and no class
    pays for it.

    Args:
        min_cases: with fewer counted validation cases the choice is left to the person.
        max_class_drop: the mean Dice of no class may fall by more than this.
        max_surface_drop: the mean surface Dice of no class may fall by more than this; None does not look at it.
        margin: by no more than this may the mean Dice fall with 90 % confidence (`ufseg.evaluation.gate.decide`): the
            fewer the cases and the more they differ, the more a candidate has to gain. None does not look at it, nor
            can it be looked at with one case.
        max_p: the two-sided paired test of the cases' mean Dice must not give more than this; None, the default, does
            not look at it. With so few cases that no result could reach it (four, for 0.1) it is not asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_cases: int = Field(default=3, ge=1, le=10_000)
    max_class_drop: float = Field(default=0.02, ge=0, le=1)
    max_surface_drop: float | None = Field(default=0.05, ge=0, le=1)
    margin: float | None = Field(default=0.0, ge=0, le=1)
    max_p: float | None = Field(default=None, gt=0, le=1)

"""Old model against new one on the frozen validation cases, as rows of a table."""

from __future__ import annotations

from dataclasses import dataclass

from .client import Json


@dataclass(frozen=True)
class ScoreRow:
    """Scores of one class, or of all of them.

    Args:
        name: of the class; empty for the mean over classes.
        old: Dice of the model that was in use, None without one.
        new: Dice of the new model, None where no case has the class.
        old_surface: surface Dice of the model that was in use.
        new_surface: surface Dice of the new model.
    """

    name: str
    old: float | None
    new: float | None
    old_surface: float | None = None
    new_surface: float | None = None

    @property
    def change(self) -> float | None:
        """Gain in Dice; None where there is nothing to compare."""
        return None if self.old is None or self.new is None else self.new - self.old


def score_rows(gate: Json) -> list[ScoreRow]:
    """A row for each class in the backend's order, and one for their mean."""
    old, new = gate.get("promoted_per_class") or {}, gate.get("candidate_per_class") or {}
    old_surface, new_surface = (gate.get(f"{who}_surface_per_class") or {} for who in ("promoted", "candidate"))
    rows = [ScoreRow(name, old.get(name), new[name], old_surface.get(name), new_surface.get(name)) for name in new]
    mean = ScoreRow(
        "",
        gate.get("promoted_mean"),
        gate.get("candidate_mean"),
        gate.get("promoted_surface_mean"),
        gate.get("candidate_surface_mean"),
    )
    return [*rows, mean]


def p_value(gate: Json) -> float | None:
    """Of the paired test over the cases' mean Dice; None where there were none to compare."""
    test = gate.get("test")
    return None if not test else float(test["p_value"])

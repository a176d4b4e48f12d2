"""What a look at one thing found."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

State = Literal["ok", "warning", "problem"]


class Finding(BaseModel):
    """One finding.

    Args:
        check: what was looked at, in a word or two.
        state: ``problem`` where something will not work, ``warning`` where it works badly.
        sentence: what was found, with the numbers.
        next_step: what to do about it; None where nothing needs doing.
    """

    model_config = ConfigDict(frozen=True)

    check: str
    state: State
    sentence: str
    next_step: str | None = None


def ok(check: str, sentence: str) -> Finding:
    """All is well."""
    return Finding(check=check, state="ok", sentence=sentence)


def warning(check: str, sentence: str, next_step: str) -> Finding:
    """It works, but badly."""
    return Finding(check=check, state="warning", sentence=sentence, next_step=next_step)


def problem(check: str, sentence: str, next_step: str) -> Finding:
    """It does not work."""
    return Finding(check=check, state="problem", sentence=sentence, next_step=next_step)

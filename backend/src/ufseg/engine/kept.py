"""What the folder of a training keeps, so that the training can go on after an interruption."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open

from ufseg.engine.specs import TrainingOutcome
from ufseg.evaluation.rule import GateRule
from ufseg.images.class_table import ClassEntry
from ufseg.networks.model_folder import write_atomic

CHECKPOINT_FILE = "checkpoint.safetensors"
_CHOICE_FILE = "choice.json"
_OUTCOME_FILE = "outcome.json"
_Kept = TypeVar("_Kept", bound=BaseModel)


class TrainingChoice(BaseModel):
    """What a training was begun with: the same cases and start, though the workspace has gone on since.

    Args:
        promoted: id of the version in use, None if there was none.
        continued: whether training starts from the weights of a version: `initial`, or else the one in use.
        initial: id of another version than the one in use to start from.
        rule: by which the gate will judge; None of a training that was begun before this was kept.
        training, validation: ids of the label revisions.
        classes: of the task.
        new_cases: ids of the cases whose newest label the promoted version has not seen.
        notes: what the person should know, in sentences.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    promoted: str | None
    continued: bool
    training: tuple[str, ...]
    validation: tuple[str, ...]
    classes: tuple[ClassEntry, ...]
    new_cases: tuple[str, ...]
    notes: tuple[str, ...]
    initial: str | None = None
    rule: GateRule | None = None


def read_choice(folder: Path) -> TrainingChoice | None:
    """What the training of this folder was begun with; None if it was not begun, or its file is damaged."""
    return _read(folder / _CHOICE_FILE, TrainingChoice)


def write_choice(folder: Path, choice: TrainingChoice) -> None:
    """Keep it; may raise OSError."""
    write_atomic(folder / _CHOICE_FILE, choice.model_dump_json(indent=2).encode())


def read_outcome(folder: Path) -> TrainingOutcome | None:
    """What the version was judged by that the training of this folder has kept; None without one."""
    return _read(folder / _OUTCOME_FILE, TrainingOutcome)


def write_outcome(folder: Path, outcome: TrainingOutcome) -> None:
    """Keep it; may raise OSError."""
    write_atomic(folder / _OUTCOME_FILE, outcome.model_dump_json().encode())


def _read(path: Path, kind: type[_Kept]) -> _Kept | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def checkpoint_step(folder: Path) -> int | None:
    """Step of the folder's checkpoint; None if there is none that can be read."""
    try:
        with safe_open(folder / CHECKPOINT_FILE, framework="numpy") as file:
            return int(json.loads((file.metadata() or {})["header"])["step"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None

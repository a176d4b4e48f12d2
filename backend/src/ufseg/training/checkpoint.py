"""The state of an interrupted training in one safetensors file, its header holding JSON. No pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from ufseg.errors import ConflictError, StorageError
from ufseg.networks.model_folder import write_atomic


class HistoryPoint(BaseModel):
    """A point of the training curve.

    Args:
        step: steps done.
        seconds: in the loop.
        loss: mean since the last point.
        learning_rate: at this step.
        validation_loss: where it was computed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    seconds: float
    loss: float
    learning_rate: float | None = None
    validation_loss: float | None = None


class CheckpointHeader(BaseModel):
    """What is not a tensor.

    Args:
        job: fingerprint of plan, settings and cases; a checkpoint continues only the training that wrote it.
        step: steps done.
        seconds: spent in the loop so far.
        history: the curve so far.
        loss_scale: float16's gradient scale, None in other types.
        schedule: the optimisation's numbers.
        epoch_step: steps done of the present epoch.
        total_steps: that the training will have, None if it is bounded by time.
        patch_size, batch_size: of the plan, or smaller ones after a lack of memory.
        notes: what the person should know.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    job: str
    step: int
    seconds: float
    history: list[HistoryPoint]
    loss_scale: float | None
    schedule: dict[str, float]
    epoch_step: int
    total_steps: int | None
    patch_size: tuple[int, ...]
    batch_size: int
    notes: list[str]


@dataclass(frozen=True)
class Checkpoint:
    """State of a training after `header.step` steps; tensors by parameter name.

    Args:
        header: counters.
        weights: the network's.
        average: the moving average of the weights; empty if there is none.
        moments: the optimiser's, such as ``name/exp_avg``.
        best: weights of the best epoch; empty if no validation chooses one.
    """

    header: CheckpointHeader
    weights: Mapping[str, Tensor]
    average: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]
    best: Mapping[str, Tensor]


def job_fingerprint(*parts: str) -> str:
    """Short hash of everything that must be equal for a checkpoint to be continued."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def tensors_fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """Short hash of names and contents."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the file whole, or leave the former one.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    tensors = {
        f"{group}/{name}": tensor.detach().to("cpu").contiguous()
        for group, named in (
            ("weights", checkpoint.weights),
            ("average", checkpoint.average),
            ("moments", checkpoint.moments),
            ("best", checkpoint.best),
        )
        for name, tensor in named.items()
    }
    content: bytes = save(tensors, metadata={"header": checkpoint.header.model_dump_json()})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
    except OSError as error:
        raise StorageError(
            f"The checkpoint {path} ({len(content) / 1e6:.1f} MB) could not be written: {error.strerror or error}. "
            "Free some space and start again; the former checkpoint is intact."
        ) from error


def read_checkpoint(path: Path, job: str) -> Checkpoint:
    """Read what `write_checkpoint` wrote.

    Raises:
        StorageError: the file is missing or damaged.
        ConflictError: it belongs to another training than `job`.
    """
    header = read_header(path)
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error
    if header.job != job:
        raise ConflictError(
            f"The checkpoint {path} (step {header.step}) belongs to a training with other cases, plan or settings. "
            "Start without resuming, or give what that training was given."
        )
    groups: dict[str, dict[str, Tensor]] = {"weights": {}, "average": {}, "moments": {}, "best": {}}
    for key, tensor in tensors.items():
        group, name = key.split("/", 1)
        groups[group][name] = tensor
    return Checkpoint(header, groups["weights"], groups["average"], groups["moments"], groups["best"])


def read_header(path: Path) -> CheckpointHeader:
    """Counters and curve of a checkpoint, without its tensors.

    Raises:
        StorageError: the file is missing or damaged.
    """
    if not path.is_file():
        raise StorageError(f"There is no checkpoint {path} to resume from. Start the training without resuming.")
    try:
        with safe_open(path, framework="pt") as file:
            return CheckpointHeader.model_validate_json((file.metadata() or {}).get("header", ""))
    except (OSError, SafetensorError, ValidationError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> StorageError:
    return StorageError(
        f"The checkpoint {path} is damaged: {str(error).splitlines()[0]}. Start the training without resuming."
    )

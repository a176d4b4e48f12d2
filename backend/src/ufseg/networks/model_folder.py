"""A model as a folder: ``model.json`` (readable) and ``weights.safetensors``. Importing this imports no torch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from ufseg.errors import InputError, StorageError
from ufseg.images.class_table import ClassTable
from ufseg.networks.head_names import without_heads
from ufseg.networks.model_card import ModelCard
from ufseg.plans.plan import Architecture, PatientAxis, Plan

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ufseg.networks.device import Device

DESCRIPTION_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"


class LossChoice(BaseModel):
    """Which loss trained a model: its name in `ufseg.losses` and the options given to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    options: dict[str, float] = {}


class ModelDescription(BaseModel):
    """All that is needed to use a model, and where it comes from.

    Args:
        format_version: of this file.
        name: of the model, for people.
        task: name of the task or data set.
        plan: how images are preprocessed and the network is built.
        classes: class table; output channel c stands for the c-th entry, 0 for background.
        channel_names: the image channels it expects, in order.
        loss: the loss it was trained with.
        trained_on: ids of the cases or label revisions.
        scores: mean Dice by class name, plus ``"mean"``, on cases it was not trained on; None if not measured.
        seconds: spent in the optimisation loop.
        device: name of the device that trained it.
        created: with time zone.
        ufseg_version: that wrote it.
        architecture: of the network; the plan's, and taken from it if not given.
        mirror: axes along which it was trained on mirrored images.
        window_scale: patches along each axis of the windows that it segments large images by, as found after training.
        weights_sha256: of ``weights.safetensors``; filled in by `write_model`.
        weights_dtype: how the weights are stored, filled in by `write_model`; networks compute with float32 weights.
        card: of a published model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    name: str
    task: str
    plan: Plan
    classes: ClassTable
    channel_names: list[str]
    loss: LossChoice
    trained_on: list[str]
    scores: dict[str, float] | None = None
    seconds: float
    device: str
    created: datetime
    ufseg_version: str
    architecture: Architecture = "dynunet"
    mirror: tuple[PatientAxis, ...] = ()
    window_scale: int = Field(default=1, ge=1)
    weights_sha256: str | None = None
    weights_dtype: Literal["float32", "float16"] = "float32"
    card: ModelCard | None = None

    @model_validator(mode="after")
    def _follow_plan(self) -> Self:
        if "architecture" not in self.model_fields_set:
            object.__setattr__(self, "architecture", self.plan.architecture)
        elif self.architecture != self.plan.architecture:
            raise ValueError(
                f"the architecture is {self.architecture!r}, but the plan's is {self.plan.architecture!r}; give one"
            )
        return self


def write_model(
    folder: Path, description: ModelDescription, state_dict: Mapping[str, torch.Tensor], *, half: bool = False
) -> None:
    """Write a model folder; each file is written whole or not at all, the description last.

    Args:
        folder: made if missing; an existing model in it is replaced.
        description: `weights_sha256` and `weights_dtype` are filled in.
        state_dict: the network's weights; a tensor that occurs under several names is stored once, and heads that
            only served deep supervision are left out.
        half: store float16 weights, half the size, each rounded to 11 significant bits.

    Raises:
        InputError: with `half`, a weight is too large for float16.
        StorageError: the disk is full or the folder cannot be written.
    """
    from safetensors.torch import save

    seen: set[tuple[int, tuple[int, ...]]] = set()
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in without_heads(state_dict).items():
        key = (tensor.data_ptr(), tuple(tensor.shape))
        if tensor.numel() == 0 or key not in seen:
            seen.add(key)
            tensors[name] = tensor.detach().cpu().contiguous()
    weights: bytes = save(_halved(tensors) if half else tensors)
    described = description.model_copy(
        update={
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
            "weights_dtype": "float16" if half else "float32",
        }
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / WEIGHTS_FILE, weights)
        write_atomic(folder / DESCRIPTION_FILE, (described.model_dump_json(indent=2) + "\n").encode())
    except OSError as error:
        raise StorageError(
            f"The model could not be written to {folder} ({len(weights) / 1e6:.1f} MB): {error.strerror or error}. "
            "Free some space or choose another folder."
        ) from error


def read_description(folder: Path) -> ModelDescription:
    """Read ``model.json`` of a model folder.

    Raises:
        StorageError: it is missing, damaged or of a newer format.
    """
    path = folder / DESCRIPTION_FILE
    try:
        return ModelDescription.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StorageError(
            f"{folder} is no readable model folder: {path.name} {error.strerror or error}. "
            "Give the folder that holds model.json and weights.safetensors."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise StorageError(
            f"{path} is damaged or was written by a newer version: {where}: {first['msg']}. "
            "Restore it from a copy, or update ufseg."
        ) from error


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Read ``weights.safetensors`` of a model folder, without checking it against a description.

    Returns:
        Name → tensor; floating-point ones are float32, however they are stored.

    Raises:
        StorageError: it is missing or damaged.
    """
    return _parse_weights(folder / WEIGHTS_FILE, None)


def read_model(folder: Path, device: Device) -> tuple[ModelDescription, nn.Module]:
    """Read a model folder and build its network on `device`, in evaluation mode.

    Raises:
        StorageError: a file is missing or damaged, or the weights do not belong to the description.
    """
    from ufseg.networks.build import build_network, load_weights

    description = read_description(folder)
    state = _parse_weights(folder / WEIGHTS_FILE, description.weights_sha256)
    network = build_network(description.plan, len(description.plan.normalisation))
    load_weights(network, state)
    return description, network.to(device.torch_device).eval()


def _parse_weights(path: Path, sha256: str | None) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(
            f"The weights {path} cannot be read: {error.strerror or error}. "
            "Give the folder that holds model.json and weights.safetensors."
        ) from error
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise StorageError(
            f"The weights {path} ({len(content)} bytes) are not those that model.json describes: their SHA-256 "
            "differs. The file is damaged or belongs to another model; restore it from a copy."
        )
    try:
        tensors: dict[str, torch.Tensor] = load(content)
    except SafetensorError as error:
        raise StorageError(
            f"The weights {path} ({len(content)} bytes) are damaged: {error}. Restore the file from a copy."
        ) from error
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def _halved(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    halved = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    for name, tensor in halved.items():
        if tensor.is_floating_point() and bool(tensor.isinf().any()):
            raise InputError(
                f"The weight {name} reaches {float(tensors[name].abs().max()):.3g}, and float16 ends at 65504. Store "
                "this model without halving it."
            )
    return halved


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that after a crash the old or the new content is there, never a part; may raise OSError."""
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

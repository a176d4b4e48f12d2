"""A model's network as a program of its own: torch's exported program (``.pt2``), or ONNX.

It takes preprocessed windows and gives logits; preprocessing, windows and the choice of the class are the caller's.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ufseg.errors import InputError, StorageError
from ufseg.networks.model_folder import read_description, read_weights
from ufseg.plans.plan import Plan

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST_AT_ONCE = 64
LARGEST_LENGTH = 1024


def write_program(model: Path, path: Path) -> None:
    """Write the network of a model folder as a torch.export program, ``torch.export.load(path).module()``.

    Its input is ``[batch, channel, *space]`` float32, any batch up to 64 and any lengths in space up to 1024 that the
    strides divide; its output logits ``[batch, class, *space]``.

    Raises:
        InputError: `path` exists or does not end in ``.pt2``.
        StorageError: the model is damaged, or the file cannot be written.
    """
    import torch

    if path.suffix != ".pt2":
        raise InputError(f"{path} cannot be written: torch's programs end in .pt2. Change the ending.")
    _require_absent(path)
    network, example, plan = _network(model)
    program = torch.export.export(network, (example,), dynamic_shapes=(_dynamic(plan),))
    part = path.with_name(f".{path.name}.part.pt2")
    try:
        torch.export.save(program, part)
        part.replace(path)
    except (OSError, RuntimeError) as error:
        raise StorageError(
            f"{path} could not be written: {error}. Free some space or choose another folder."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def write_onnx(model: Path, path: Path) -> None:
    """Write the network of a model folder as ONNX; its input and output are those of `write_program`.

    Raises:
        InputError: `path` exists or does not end in ``.onnx``, or the packages onnx and onnxscript are not installed.
        StorageError: the model is damaged.
    """
    import torch

    if path.suffix != ".onnx":
        raise InputError(f"{path} cannot be written: ONNX files end in .onnx. Change the ending.")
    _require_absent(path)
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError("ONNX needs the packages onnx and onnxscript. Install ufseg[onnx], or write .pt2.") from error
    network, example, plan = _network(model)
    torch.onnx.export(
        network, (example,), str(path), dynamo=True, dynamic_shapes=(_dynamic(plan),),
        input_names=["image"], output_names=["logits"], external_data=False,
    )  # fmt: skip


def _network(model: Path) -> tuple[nn.Module, Tensor, Plan]:
    import torch

    from ufseg.networks.build import build_network, load_weights

    description = read_description(model)
    plan = description.plan
    # MONAI's and torch's modules only.
    network = build_network(plan, len(plan.normalisation), channels_last=False).eval()
    load_weights(network, read_weights(model))
    return network, torch.zeros(2, len(plan.normalisation), *plan.patch_size), plan


def _dynamic(plan: Plan) -> dict[int, Any]:
    from torch.export import Dim

    shapes: dict[int, Any] = {0: Dim("batch", min=1, max=MOST_AT_ONCE)}
    for axis in range(plan.dimension):
        stride = math.prod(s[axis] for s in plan.strides)
        shapes[2 + axis] = stride * Dim(f"blocks_{'kji'[-plan.dimension :][axis]}", min=1, max=LARGEST_LENGTH // stride)
    return shapes


def _require_absent(path: Path) -> None:
    if path.exists():
        raise InputError(f"{path} exists already. Choose another name, so that nothing is overwritten.")

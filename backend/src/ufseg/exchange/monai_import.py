"""A MONAI bundle as a model folder, where ufseg can do what the bundle says.

A bundle's configuration is a program: what begins with ``$`` is Python. None of it is run here. Only plain values are
read, and a bundle whose network or preprocessing is another than ufseg's is refused in words.
"""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ufseg._version import __version__
from ufseg.errors import InputError, StorageError
from ufseg.exchange.bundle import AXES, INFERENCE, METADATA, WEIGHTS
from ufseg.images.class_table import ClassTable
from ufseg.networks.model_folder import LossChoice, ModelDescription, write_model
from ufseg.plans.plan import HuWindow, Modality, Normalisation, Plan, ZScore

if TYPE_CHECKING:
    import torch

_MODALITIES: dict[str, Modality] = {"CT": "CT", "MR": "MRI", "MRI": "MRI"}
_LARGEST_JSON = 4 << 20
_HINT = "Only bundles with the network and the preprocessing of 'ufseg export model --format monai-bundle' are taken."


def read_bundle(bundle: Path, folder: Path) -> ModelDescription:
    """Write a MONAI bundle as a model folder.

    Args:
        bundle: with ``configs/metadata.json``, ``configs/inference.json`` and ``models/model.pt`` (a state dict).
        folder: to make.

    Raises:
        InputError: `folder` exists, or the bundle's network, preprocessing or weights are not such as ufseg uses.
        StorageError: a file is missing, or the model cannot be written.
    """
    from ufseg.networks.build import build_network, load_weights, network_state

    if folder.exists():
        raise InputError(f"{folder} exists already. Name a folder that does not, so that nothing is overwritten.")
    metadata, inference = _json(bundle / METADATA), _json(bundle / INFERENCE)
    data = metadata.get("network_data_format", {})
    try:
        channels = _in_order(data["inputs"]["image"]["channel_def"])
        names = _in_order(data["outputs"]["pred"]["channel_def"])[1:]
        modality = _MODALITIES.get(str(data["inputs"]["image"].get("modality")), "other")
        plan = _plan(inference, len(channels), modality)
        values = _values(inference, len(names))
        description = ModelDescription(
            name=str(metadata.get("name", bundle.name)),
            task=str(metadata.get("task", bundle.name)),
            plan=plan,
            classes=ClassTable.of(dict(zip(names, values, strict=True))),
            channel_names=channels,
            loss=LossChoice(name="unknown"),
            trained_on=[],
            seconds=0.0,
            device="unknown",
            created=datetime.now(timezone.utc),
            ufseg_version=__version__,
        )
    except (KeyError, TypeError, IndexError, AttributeError, ValidationError, ValueError) as error:
        raise InputError(
            f"The bundle {bundle} does not say what is needed ({type(error).__name__}: {str(error)[:300]}). {_HINT}"
        ) from error
    network = build_network(plan, len(channels))
    load_weights(network, _state(bundle / WEIGHTS))
    part = folder.with_name(f".{folder.name}.part")
    try:
        write_model(part, description, network_state(network))
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return description


def _plan(inference: Mapping[str, Any], channels: int, modality: Modality) -> Plan:
    network = _plain(inference["network_def"], "network_def")
    target = str(network["_target_"]).rpartition(".")[2]
    dimension = network["spatial_dims"]
    turn, normalise, resample = _preprocessing(inference)
    if str(turn["axcodes"]) != AXES:
        raise InputError(
            f"The bundle turns images to the axes {turn['axcodes']}, and ufseg to {AXES}; a network learns its axes. "
            f"{_HINT}"
        )
    if target == "DynUNet":
        features, kernels, strides = network["filters"], network["kernel_size"], network["strides"]
        norm, architecture = network.get("norm_name"), "dynunet"
    elif target == "BasicUNet":
        features = network["features"][:-1]
        kernels = [[3] * dimension] * len(features)
        strides = [[1] * dimension] + [[2] * dimension] * (len(features) - 1)
        norm, architecture = network.get("norm"), "paper"
    else:
        raise InputError(f"The bundle's network is {target}, and ufseg builds DynUNet and BasicUNet. {_HINT}")
    if norm != ["instance", {"affine": True}] or network.get("res_block") or network.get("deep_supervision"):
        raise InputError(f"The bundle's {target} has other blocks than ufseg's (norm {norm}). {_HINT}")
    return Plan.model_validate(
        {
            "dimension": dimension,
            "modality": modality,
            "spacing": resample["pixdim"],
            "patch_size": _plain(inference["inferer"], "inferer")["roi_size"],
            "batch_size": 1,
            "features": features,
            "kernel_sizes": kernels,
            "strides": strides,
            "normalisation": (_normalisation(normalise),) * channels,
            "classes": network["out_channels"],
            "architecture": architecture,
        }
    )


def _preprocessing(inference: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The transforms between loading and the network: turning, normalising, resampling."""
    transforms = [_plain(t, "preprocessing") for t in inference["preprocessing"]["transforms"]]
    names = [str(t["_target_"]).rpartition(".")[2] for t in transforms]
    expected = ("LoadImaged", "Orientationd", ("NormalizeIntensityd", "ScaleIntensityRanged"), "Spacingd")
    if len(names) != len(expected) or any(n not in e for n, e in zip(names, expected, strict=True)):
        raise InputError(f"The bundle prepares images by {', '.join(names)}, which ufseg does not do. {_HINT}")
    return transforms[1:]


def _normalisation(transform: Mapping[str, Any]) -> Normalisation:
    if str(transform["_target_"]).endswith("NormalizeIntensityd"):
        if not transform.get("channel_wise") or transform.get("nonzero"):
            raise InputError(f"The bundle normalises other voxels than all of each channel. {_HINT}")
        return ZScore()
    low, high, bottom, top = (float(transform[k]) for k in ("a_min", "a_max", "b_min", "b_max"))
    std = (high - low) / (top - bottom)
    if not transform.get("clip"):
        raise InputError(f"The bundle does not clip intensities. {_HINT}")
    return HuWindow(low=low, high=high, mean=low - bottom * std, std=std)


def _values(inference: Mapping[str, Any], count: int) -> list[int]:
    """The label values of the classes, which a MapLabelValued may change."""
    for transform in inference["postprocessing"]["transforms"]:
        if str(transform["_target_"]).endswith("MapLabelValued"):
            mapped = dict(zip(transform["orig_labels"], transform["target_labels"], strict=True))
            return [int(mapped[n]) for n in range(1, count + 1)]
    return list(range(1, count + 1))


def _plain(part: Any, where: str) -> dict[str, Any]:
    """A part of the configuration, which must hold nothing that would have to be run."""
    text = json.dumps(part)
    if '"$' in text or '"@' in text or '"%' in text or '"__local_refs__' in text:
        raise InputError(f"The bundle's {where} holds an expression, which is never run here. {_HINT}")
    if not isinstance(part, dict):
        raise InputError(f"The bundle's {where} is {text[:80]}, and an object is expected. {_HINT}")
    return part


def _in_order(channels: Mapping[str, str]) -> list[str]:
    return [str(channels[str(n)]) for n in range(len(channels))]


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise InputError(f"{path} has {path.stat().st_size} bytes; a configuration has a few thousand. {_HINT}")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}. Give the folder of a bundle.") from error
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}. {_HINT}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no object. {_HINT}")
    return content


def _require_stored(path: Path) -> None:
    """Refuse weights that would take more memory than their file has bytes: PyTorch itself never compresses them."""
    try:
        with zipfile.ZipFile(path) as archive:
            unfolded = sum(entry.file_size for entry in archive.infolist())
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}. Give the folder of a bundle.") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(
            f"{path} is no file of weights as PyTorch writes it since version 1.6, or is damaged. Save the state dict "
            "again with torch.save."
        ) from error
    if unfolded > path.stat().st_size:
        raise InputError(
            f"{path} has {path.stat().st_size} bytes and would unfold to {unfolded}, so it was not loaded. Save the "
            "state dict again with torch.save."
        )


def _state(path: Path) -> dict[str, torch.Tensor]:
    import torch

    _require_stored(path)
    try:
        # Tensors and nothing else: the unpickler knows no other class.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}. Give the folder of a bundle.") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} holds something else than weights, or is damaged, and was not loaded. Ask for a plain state dict."
        ) from error
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise InputError(f"{path} holds something else than weights by name. Ask for a plain state dict.")
    return state

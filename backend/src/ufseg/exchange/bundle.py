"""A model as a MONAI bundle, which runs without ufseg.

The network, the preprocessing and the windows are MONAI's own, so that its label map is that of `Predictor` up to small
differences: where windows begin, how images are resampled, and that ufseg leaves out the air around the body.

A bundle's weights are ``models/model.pt``, by MONAI's specification. It is a plain state dict that loads with
``weights_only=True``; the bundle's own configuration loads it so.

Source: https://docs.monai.io/en/stable/mb_specification.html
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from ufseg._version import __version__
from ufseg.errors import InputError, PlanError, StorageError
from ufseg.networks.model_folder import ModelDescription, read_description, read_weights
from ufseg.plans.plan import HuWindow, Normalisation, Plan

METADATA = Path("configs") / "metadata.json"
INFERENCE = Path("configs") / "inference.json"
WEIGHTS = Path("models") / "model.pt"
# Array axes of networks here are k, j, i of images turned to LPS: they run to superior, posterior, left.
AXES = "SPL"
_SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
_MODALITIES = {"CT": "CT", "MRI": "MR", "other": "n/a"}


def write_bundle(model: Path, folder: Path) -> None:
    """Write a model folder as a MONAI bundle.

    Args:
        model: the model folder.
        folder: to make; it appears whole or not at all.

    Raises:
        InputError: `folder` exists.
        PlanError: the model is 2D, or its channels need different intensity windows.
        StorageError: the model is damaged, or the bundle cannot be written.
    """
    import torch

    from ufseg.networks.build import build_network, load_weights

    if folder.exists():
        raise InputError(f"{folder} exists already. Name a folder that does not, so that nothing is overwritten.")
    description = read_description(model)
    if description.plan.dimension != 3:
        raise PlanError(
            f"The model {description.name} is for 2D images, and only 3D models are written as MONAI bundles. Export "
            "it as a program instead."
        )
    inference = _inference(description)
    # MONAI's own modules only: ufseg is not there where the bundle runs.
    network = build_network(description.plan, len(description.channel_names), channels_last=False)
    load_weights(network, read_weights(model))
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    part = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        for path in (METADATA, WEIGHTS, Path("docs")):
            (part / path).parent.mkdir(parents=True, exist_ok=True)
        _write_json(part / METADATA, _metadata(description))
        _write_json(part / INFERENCE, inference)
        torch.save(state, part / WEIGHTS)
        for name in ("MODEL_CARD.md",):
            if (model / name).is_file():
                shutil.copyfile(model / name, part / "README.md")
        os.replace(part, folder)
    except OSError as error:
        raise StorageError(
            f"The bundle could not be written to {folder}: {error.strerror or error}. Free some space or choose "
            "another folder."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def network_definition(plan: Plan) -> dict[str, Any]:
    """What `ufseg.networks.build.build_network` builds, as MONAI's configuration of it."""
    if plan.architecture == "paper":
        return {
            "_target_": "BasicUNet",
            "spatial_dims": plan.dimension,
            "in_channels": len(plan.normalisation),
            "out_channels": plan.classes,
            "features": [*plan.features, plan.features[0]],
            "act": "relu",
            "norm": ["instance", {"affine": True}],
            "upsample": "deconv",
        }
    return {
        "_target_": "DynUNet",
        "spatial_dims": plan.dimension,
        "in_channels": len(plan.normalisation),
        "out_channels": plan.classes,
        "kernel_size": [list(k) for k in plan.kernel_sizes],
        "strides": [list(s) for s in plan.strides],
        "upsample_kernel_size": [list(s) for s in plan.strides[1:]],
        "filters": list(plan.features),
        "norm_name": ["instance", {"affine": True}],
    }


def normalisation_transform(normalisation: tuple[Normalisation, ...]) -> dict[str, Any]:
    """MONAI's transform for the intensities of all channels.

    Raises:
        PlanError: the channels need different ones, which no single transform does.
    """
    first = normalisation[0]
    if any(other != first for other in normalisation[1:]):
        raise PlanError(
            f"The model's {len(normalisation)} channels are scaled in different ways, which a MONAI bundle of ours "
            "cannot express. Export the model as a program instead."
        )
    if not isinstance(first, HuWindow):
        return {"_target_": "NormalizeIntensityd", "keys": "image", "channel_wise": True}
    return {
        "_target_": "ScaleIntensityRanged",
        "keys": "image",
        "a_min": first.low,
        "a_max": first.high,
        "b_min": (first.low - first.mean) / first.std,
        "b_max": (first.high - first.mean) / first.std,
        "clip": True,
    }


def _inference(description: ModelDescription) -> dict[str, Any]:
    plan = description.plan
    values = [0, *description.classes.values]
    window = [description.window_scale * length for length in plan.patch_size]
    post: list[dict[str, Any]] = [
        {
            "_target_": "Invertd",
            "keys": "pred",
            "transform": "@preprocessing",
            "orig_keys": "image",
            "nearest_interp": False,
            "to_tensor": True,
        },
        {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
    ]
    if values != list(range(len(values))):
        indices = list(range(len(values)))
        post.append({"_target_": "MapLabelValued", "keys": "pred", "orig_labels": indices, "target_labels": values})
    post.append(
        {
            "_target_": "SaveImaged",
            "keys": "pred",
            "output_dir": "@output_dir",
            "output_postfix": "seg",
            "output_ext": ".nii.gz",
            "output_dtype": "$numpy.uint8",
            "resample": False,
            "separate_folder": False,
        }
    )
    return {
        "imports": ["$import glob", "$import os", "$import numpy", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/images'",
        "output_dir": "$@bundle_root + '/eval'",
        "images": "$sorted(glob.glob(os.path.join(@dataset_dir, '*.nii.gz')))",
        "cases": "$[{'image': path} for path in @images]",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "weights": f"$@bundle_root + '/{WEIGHTS.as_posix()}'",
        "network_def": network_definition(plan),
        "network": "$@network_def.to(@device).eval()",
        "load": "$@network.load_state_dict(torch.load(@weights, map_location=@device, weights_only=True))",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image", "ensure_channel_first": True},
                {"_target_": "Orientationd", "keys": "image", "axcodes": AXES},
                normalisation_transform(plan.normalisation),
                {
                    "_target_": "Spacingd",
                    "keys": "image",
                    "pixdim": list(plan.spacing),
                    "mode": "bilinear",
                    "padding_mode": "border",
                    # The box of space stays, not the centre of the first voxel.
                    "scale_extent": True,
                },
            ],
        },
        "dataset": {"_target_": "Dataset", "data": "@cases", "transform": "@preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 0},
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": window,
            "sw_batch_size": 1,
            "overlap": 0.5,
            "mode": "gaussian",
            "sigma_scale": 0.125,
        },
        "postprocessing": {"_target_": "Compose", "transforms": post},
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
        },
        "initialize": ["$monai.utils.set_determinism(seed=0)", "$@load"],
        "run": ["$@evaluator.run()"],
    }


def _metadata(description: ModelDescription) -> dict[str, Any]:
    import monai
    import numpy
    import torch

    plan = description.plan
    channels = dict(enumerate(description.channel_names))
    classes = {0: "background"} | dict(enumerate(description.classes.names, start=1))
    shape = list(plan.patch_size)
    return {
        "schema": _SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": f"written by ufseg {__version__}"},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": numpy.__version__,
        "required_packages_version": {"nibabel": "5.0", "pytorch-ignite": "0.4.11", "fire": "0.6"},
        "name": description.name,
        "task": description.task,
        "description": f"{description.task}: {', '.join(description.classes.names)}. Trained with the loss "
        f"{description.loss.name}.",
        "authors": "see README.md",
        "copyright": "see README.md",
        "data_type": "nifti",
        "intended_use": "Research only; not for clinical decisions.",
        "class_values": {str(e.value): e.name for e in description.classes.entries},
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "magnitude" if plan.modality == "MRI" else "hounsfield",
                    "modality": _MODALITIES[plan.modality],
                    "num_channels": len(channels),
                    "spatial_shape": shape,
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": True,
                    "channel_def": {str(n): name for n, name in channels.items()},
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "segmentation",
                    "num_channels": plan.classes,
                    "spatial_shape": shape,
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": True,
                    "channel_def": {str(n): name for n, name in classes.items()},
                }
            },
        },
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

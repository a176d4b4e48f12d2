"""A process that segments image files when asked to: ours or MONAI's default pipeline. Started by ``inference.py``.

Takes JSON lines on its standard input, ``{"image": …, "output": …, "overlap": …, "scale": …}``, and answers each with
the seconds it took from file to file and where they went, or with its peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ufseg.networks.build import build_network, load_weights
from ufseg.networks.device import Device, choose_device
from ufseg.networks.model_folder import ModelDescription, read_description, read_weights

Segment = Callable[[dict[str, Any]], None]


class Stopwatch:
    """Seconds spent in a network, and until it is first called."""

    def __init__(self, network: nn.Module, device: Device) -> None:
        self._device = device
        network.register_forward_pre_hook(lambda *_: self._begin())
        network.register_forward_hook(lambda *_: self._end())
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        self.started = self.now()
        self.first: float | None = None
        self.network = 0.0
        self.windows = 0

    def now(self) -> float:
        """Seconds, once the device has done what it was given."""
        if self._device.kind == "cuda":
            torch.cuda.synchronize(self._device.torch_device)
        return time.perf_counter()

    def _begin(self) -> None:
        self._called = self.now()
        self.first = self.first or self._called

    def _end(self) -> None:
        self.network += self.now() - self._called
        self.windows += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["ours", "monai"])
    parser.add_argument("model", type=Path)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    description = read_description(arguments.model)
    if arguments.kind == "ours":
        network = build_network(description.plan, len(description.plan.normalisation))
        load_weights(network, read_weights(arguments.model))
        segment = _ours(description, network.to(device.torch_device), device)
    else:
        network = _turned_network(arguments.model, description).to(device.torch_device).eval()
        segment = _monai(description, network, device)
    watch = Stopwatch(network, device)
    print(json.dumps({"ready": device.name, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        watch.reset()
        segment(json.loads(line))
        ended = watch.now()
        first = watch.first or ended
        print(
            json.dumps(
                {
                    "seconds": ended - watch.started,
                    "before": first - watch.started,
                    "network": watch.network,
                    "after": ended - first - watch.network,
                    "windows": watch.windows,
                    "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                    "device_bytes": torch.cuda.max_memory_allocated() if device.kind == "cuda" else 0,
                }
            ),
            flush=True,
        )


def _ours(description: ModelDescription, network: nn.Module, device: Device) -> Segment:
    from ufseg.images.reading import read_image
    from ufseg.images.writing import write_label_map
    from ufseg.inference.options import InferenceOptions
    from ufseg.inference.predictor import Predictor

    def segment(task: dict[str, Any]) -> None:
        options = InferenceOptions(overlap=task["overlap"], window_scale=task["scale"])
        label = Predictor(description, network, device, options).predict(read_image(Path(task["image"])))
        write_label_map(Path(task["output"]), label, description.classes)

    return segment


def _monai(description: ModelDescription, network: nn.Module, device: Device) -> Segment:
    """As MONAI's tutorials do it: float32, Gaussian windows, logits of the whole volume, Invertd, argmax."""
    from monai.data import decollate_batch, list_data_collate
    from monai.inferers import SlidingWindowInferer
    from monai.transforms import (
        AsDiscreted,
        Compose,
        EnsureChannelFirstd,
        EnsureTyped,
        Invertd,
        LoadImaged,
        NormalizeIntensityd,
        Orientationd,
        SaveImaged,
        ScaleIntensityRanged,
        Spacingd,
    )

    plan = description.plan
    how = plan.normalisation[0]
    normalise: Any = NormalizeIntensityd("image")
    if how.kind == "hu-window":
        ends = ((x - how.mean) / how.std for x in (how.low, how.high))
        normalise = ScaleIntensityRanged("image", how.low, how.high, *ends, clip=True)
    before = Compose(
        [
            LoadImaged("image"),
            EnsureChannelFirstd("image"),
            Orientationd("image", axcodes="LPS", labels=(("L", "R"), ("P", "A"), ("I", "S"))),
            Spacingd("image", pixdim=plan.spacing[::-1], mode="bilinear"),
            normalise,
            EnsureTyped("image", device=device.torch_device),
        ]
    )

    def segment(task: dict[str, Any]) -> None:
        inferer = SlidingWindowInferer(
            plan.patch_size[::-1],
            sw_batch_size=4 if device.kind == "cuda" else 1,
            overlap=task["overlap"],
            mode="gaussian",
        )
        output = Path(task["output"])
        # It names the label map as the image, which must not be replaced.
        folder = output.parent / "monai"
        after = Compose(
            [
                Invertd("pred", transform=before, orig_keys="image", nearest_interp=False, to_tensor=True),
                AsDiscreted("pred", argmax=True),
                SaveImaged(
                    "pred",
                    output_dir=folder,
                    output_postfix="",
                    output_ext=".nii.gz",
                    separate_folder=False,
                    output_dtype=np.uint8,
                    print_log=False,
                ),
            ]
        )
        with torch.inference_mode():
            data = list_data_collate([before({"image": task["image"]})])
            data["pred"] = inferer(data["image"], network)
            for item in decollate_batch(data):
                after(item)
        (folder / (Path(task["image"]).name.split(".")[0] + ".nii.gz")).replace(output)

    return segment


def _turned_network(folder: Path, description: ModelDescription) -> nn.Module:
    """The same network for arrays ``[i, j, k]``, as MONAI reads them: its kernels with their axes reversed."""
    plan = description.plan
    turned = plan.model_copy(
        update={
            "patch_size": plan.patch_size[::-1],
            "spacing": plan.spacing[::-1],
            "kernel_sizes": tuple(k[::-1] for k in plan.kernel_sizes),
            "strides": tuple(s[::-1] for s in plan.strides),
        }
    )
    network = build_network(turned, len(plan.normalisation), channels_last=False)
    load_weights(network, {n: w.permute(0, 1, 4, 3, 2) if w.ndim == 5 else w for n, w in read_weights(folder).items()})
    return network


if __name__ == "__main__":
    main()

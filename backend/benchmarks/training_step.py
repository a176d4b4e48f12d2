"""Time of a training step beside plain MONAI loops, at the same patches on the same machine.

Each contender is a process of its own, since the allocator is set up when a process starts; they are asked for steps in
turn, and the medians are compared. All take two patches a step from the same volume.

- ours: the plan's DynUNet with deep supervision, bfloat16 where the processor has it, the allocator's environment, the
  fused Unified Focal loss, augmentation on one grid;
- ours without deep supervision;
- ours on the same data each time: what a step takes without data and augmentation;
- ours with ``torch.backends.cudnn.benchmark``, on a GPU only;
- MONAI float32: the same DynUNet; RandCropByPosNegLabeld, affine and elastic deformation, flips and intensities from a
  dictionary in memory; DiceCELoss; Adam;
- MONAI bfloat16: the same within torch.autocast.

    python benchmarks/training_step.py                                          # 2 × 64³ and 2 × 96³
    python benchmarks/training_step.py --sizes 16 --repeats 2                   # to try it
    python benchmarks/training_step.py --markdown results/training-step-cpu.md  # also written to a file
    python benchmarks/training_step.py --device cuda --sizes 96 128             # ten steps in a row, synchronised once

The column MB is the process's peak memory, on a GPU that of the device.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ufseg.networks.process_environment import computing_environment

CONTENDERS = {
    "ours": "ours",
    "plain": "ours, no deep supervision",
    "dummy": "ours, the same data each time",
    "measured": "ours, convolutions chosen by measurement",
    "monai-bfloat16": "MONAI bfloat16",
    "monai-float32": "MONAI float32",
}
FEATURES = (16, 32, 64, 128)
CLASSES = 3
WARM_UP = 2  # also of MONAI's on a GPU, where each step's augmentation takes a second of the CPU
GPU_WARM_UP, GPU_STEPS = 20, 10


def main() -> None:
    arguments = _arguments()
    if arguments.contender:
        _serve(arguments.contender, arguments.size, arguments.threads, arguments.device)
        return
    lines = []
    for size in arguments.sizes:
        times, facts = _measure(size, arguments)
        if not lines:
            lines = [
                "# Time of a training step",
                "",
                f"{facts}, {datetime.now(timezone.utc):%Y-%m-%d}. Two patches a step, {CLASSES} classes, DynUNet with "
                f"{'-'.join(map(str, FEATURES))} features. Medians of {_repeats(arguments)}, the contenders in "
                "turn. Made by `benchmarks/training_step.py`, which says what is measured.",
                "",
                "| patch | contender | ms a step | × ours | MB |",
                "|---|---|---|---|---|",
            ]
        for name, (seconds, peak) in times.items():
            ratio = seconds / times["ours"][0]
            lines.append(f"| {size}³ | {CONTENDERS[name]} | {1e3 * seconds:.0f} | {ratio:.2f} | {peak:.0f} |")
    print("\n".join(lines))
    if arguments.markdown:
        arguments.markdown.parent.mkdir(parents=True, exist_ok=True)
        arguments.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _repeats(arguments: argparse.Namespace) -> str:
    steps = f"{arguments.repeats} steps"
    return steps if arguments.device == "cpu" else f"{arguments.repeats} times {GPU_STEPS} steps in a row"


def _measure(size: int, arguments: argparse.Namespace) -> tuple[dict[str, tuple[float, float]], str]:
    """Median seconds and peak megabytes of each contender, and the machine in words."""
    running = {name: _start(name, size, arguments) for name in arguments.contenders}
    try:
        facts = {name: _read(process) for name, process in running.items()}
        taken: dict[str, list[float]] = {name: [] for name in running}
        peaks: dict[str, float] = {}
        for _ in range(arguments.repeats):
            for name, process in running.items():
                seconds, peak = map(float, _ask(process).split())
                taken[name].append(seconds)
                peaks[name] = peak
    finally:
        for process in running.values():
            if process.stdin is not None:
                process.stdin.close()
            process.wait()
    return {name: (statistics.median(taken[name]), peaks[name]) for name in running}, facts["ours"]


def _start(name: str, size: int, arguments: argparse.Namespace) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--contender", name, "--size", str(size), "--device", arguments.device]
    if arguments.threads:
        command += ["--threads", str(arguments.threads)]
    ours = not name.startswith("monai")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment | computing_environment() if ours else environment,
    )


def _ask(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    process.stdin.write("step\n")
    process.stdin.flush()
    return _read(process)


def _read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    while line := process.stdout.readline():
        if line.startswith("> "):
            return line[2:].strip()
    raise SystemExit(f"A contender ended: {process.args}")


def _serve(name: str, size: int, threads: int | None, kind: str) -> None:
    """Do a step for each line of standard input, and answer with its seconds and the process's peak megabytes."""
    import torch

    from ufseg.networks.device import choose_device

    if threads:
        torch.set_num_threads(threads)
    device = choose_device(kind)
    on_gpu = device.kind == "cuda"
    step = _monai(size, name.endswith("bfloat16"), device) if name.startswith("monai") else _ours(name, size, device)
    number = 0

    def steps(count: int) -> float:
        nonlocal number
        start = time.perf_counter()
        for _ in range(count):
            step(number)
            number += 1
        if on_gpu:
            torch.cuda.synchronize(device.torch_device)
        return (time.perf_counter() - start) / count

    steps(GPU_WARM_UP if on_gpu and not name.startswith("monai") else WARM_UP)
    print(f"> {device.name}, torch {torch.__version__}", flush=True)
    for _ in sys.stdin:
        seconds = steps(GPU_STEPS if on_gpu else 1)
        peak = torch.cuda.max_memory_allocated() / 1e6 if on_gpu else _peak_megabytes()
        print(f"> {seconds} {peak}", flush=True)


def _peak_megabytes() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _plan(size: int) -> Any:
    from ufseg.plans.plan import Plan, ZScore

    levels = len(FEATURES)
    return Plan(
        dimension=3,
        modality="MRI",
        spacing=(1.0,) * 3,
        patch_size=(size,) * 3,
        batch_size=2,
        features=FEATURES,
        kernel_sizes=((3, 3, 3),) * levels,
        strides=((1, 1, 1), *[(2, 2, 2)] * (levels - 1)),
        normalisation=(ZScore(),),
        classes=CLASSES,
    )


def _volume(size: int) -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(0)
    length = size * 3 // 2
    label = np.zeros((length,) * 3, np.uint8)
    label[length // 3 : length // 2, length // 3 : length // 2, length // 3 : length // 2] = 1
    label[length // 2 : 2 * length // 3, length // 2 : 2 * length // 3, length // 2 : 2 * length // 3] = 2
    return rng.normal(0, 1, (1, *label.shape)).astype(np.float32), label


def _ours(name: str, size: int, device: Any) -> Callable[[int], None]:
    import numpy as np
    import torch
    from torch import nn

    from ufseg.networks.build import build_network
    from ufseg.training.augmentation import gather, warp
    from ufseg.training.averaging import WeightAverage
    from ufseg.training.cases import PreparedCase
    from ufseg.training.loop import MAX_GRADIENT_NORM
    from ufseg.training.objective import Objective
    from ufseg.training.optimisation import make_optimisation
    from ufseg.training.precision import training_autocast
    from ufseg.training.prefetch import Prefetch
    from ufseg.training.sampling import PatchSampler
    from ufseg.training.settings import AugmentationSettings, TrainingSettings

    plan = _plan(size)
    settings = TrainingSettings(
        augmentation=AugmentationSettings(affine=1.0, elastic=1.0, mirror=(0.5, 0.5, 0.5)),
        deep_supervision=name != "plain",
    )
    place = device.torch_device
    torch.backends.cudnn.benchmark = name == "measured"
    network = build_network(plan, 1, settings.deep_supervision).to(place).train()
    objective = Objective(settings).to(place)
    optimisation = make_optimisation(network, settings, continued=False)
    average = WeightAverage(network.named_parameters(), settings.averaging)
    case = PreparedCase.of("case", *_volume(size))
    sampler = PatchSampler([case], plan, 0, settings.foreground, settings.augmentation.shift_voxels)

    on_gpu = device.kind == "cuda"

    def fetch(number: int) -> tuple[Any, Any]:
        rng = np.random.default_rng(number)
        return gather(sampler.places(number), plan, settings.augmentation, rng, pinned=on_gpu), rng

    ahead = Prefetch(fetch, ahead=on_gpu and name != "dummy")

    def draw(number: int) -> tuple[Any, Any]:
        crops, rng = ahead.take(number)
        return warp(crops, plan, settings.augmentation, rng, place)

    kept = draw(0)

    def step(number: int) -> None:
        optimisation.before_step(0.5)
        image, label = kept if name == "dummy" else draw(number)
        with training_autocast(plan, device):
            outputs = network(image)
        loss = objective(outputs, label)
        optimisation.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT_NORM)
        optimisation.optimizer.step()
        average.update(network.named_parameters(), number + 1)
        if not on_gpu:
            loss.item()

    return step


def _monai(size: int, reduced: bool, device: Any) -> Callable[[int], None]:
    import numpy as np
    import torch
    from monai import transforms as mt
    from monai.data import list_data_collate
    from monai.losses import DiceCELoss

    from ufseg.networks.build import build_network

    keys, angle = ["image", "label"], float(np.radians(15))
    chain = mt.Compose(
        [
            mt.RandCropByPosNegLabeld(
                keys, "label", spatial_size=(size,) * 3, num_samples=2, fg_indices_key="fg", bg_indices_key="bg"
            ),
            mt.Rand3DElasticd(
                keys,
                sigma_range=(5, 5),
                magnitude_range=(70, 145),
                prob=1.0,
                rotate_range=(angle,) * 3,
                scale_range=(0.16,) * 3,
                mode=["bilinear", "nearest"],
                padding_mode="zeros",
            ),
            *[mt.RandFlipd(keys, prob=0.5, spatial_axis=axis) for axis in range(3)],
            mt.RandScaleIntensityd("image", factors=0.25, prob=0.3),
            mt.RandShiftIntensityd("image", offsets=0.3, prob=0.3),
            mt.RandAdjustContrastd("image", prob=0.3, gamma=(0.7, 1.5)),
            mt.RandGaussianNoised("image", prob=0.3, std=0.25),
            mt.RandGaussianSmoothd("image", (0.4, 1.0), (0.4, 1.0), (0.4, 1.0), prob=0.3),
            mt.RandSimulateLowResolutiond("image", prob=0.1, zoom_range=(0.5, 1.0)),
        ]
    )
    image, label = _volume(size)
    case = mt.FgBgToIndicesd("label")({"image": torch.from_numpy(image), "label": torch.from_numpy(label)[None]})
    case |= {"fg": case["label_fg_indices"], "bg": case["label_bg_indices"]}
    place = device.torch_device
    network = build_network(_plan(size), 1, channels_last=False).to(place).train()
    criterion = DiceCELoss(to_onehot_y=True, softmax=True)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def step(number: int) -> None:
        batch = list_data_collate(chain(dict(case)))
        images, labels = (batch[key].as_tensor().to(place) for key in keys)
        with torch.autocast(device.kind, dtype=torch.bfloat16, enabled=reduced):
            loss = criterion(network(images), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 96])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    usual = [name for name in CONTENDERS if name != "measured"]
    parser.add_argument("--contenders", nargs="+", choices=list(CONTENDERS), default=usual)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if "ours" not in arguments.contenders:
        parser.error("the others are compared with ours: name it too")
    return arguments


if __name__ == "__main__":
    main()

"""Memory that one training step takes, for the planner's constants.

    python benchmarks/step_memory.py [--quick]

Each line is one step (forward, loss, backward, AdamW) of a freshly built network on random numbers in a process of its
own: the growth of the peak of its resident memory over what it held before, in all and per voxel of the batch.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ufseg.networks.process_environment import computing_environment
from ufseg.plans.memory import plan_step_bytes
from ufseg.plans.plan import PAPER_LEVELS, Plan, ZScore

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Step:
    """One configuration."""

    architecture: str
    patch: tuple[int, ...]
    batch: int
    classes: int = 3
    channels: int = 1
    deep_supervision: bool = False
    bfloat16: bool = False


STEPS = [
    Step("dynunet", (40, 56, 40), 2),
    Step("dynunet", (40, 56, 40), 2, deep_supervision=True),
    Step("dynunet", (40, 56, 40), 2, bfloat16=True),
    Step("dynunet", (40, 56, 40), 2, classes=61),
    Step("dynunet", (40, 56, 40), 2, channels=4),
    Step("dynunet", (64, 64, 64), 1),
    Step("dynunet", (64, 64, 64), 2),
    Step("dynunet", (256, 256), 2),
    Step("dynunet", (256, 256), 8),
    Step("dynunet", (576, 608), 2, channels=3),
    Step("paper", (32, 64, 64), 1),
    Step("paper", (64, 64, 64), 1),
    Step("paper", (256, 256), 2),
    Step("paper", (256, 256), 4, channels=3),
]


def main() -> None:
    """Measure every configuration, or the first of each architecture with --quick."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--worker", action="store_true", help="with the allocator settings of our worker processes")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(_measure(Step(**json.loads(options.child))))
        return
    steps = [STEPS[0], STEPS[10]] if options.quick else STEPS
    environment = os.environ | (computing_environment() if options.worker else {"MALLOC_MMAP_THRESHOLD_": "65536"})
    print("architecture  patch  batch  classes  channels  supervised  bf16      MB  bytes/voxel  planned MB")
    for step in steps:
        child = [sys.executable, __file__, "--child", json.dumps(asdict(step))]
        grown = int(subprocess.run(child, env=environment, capture_output=True, text=True, check=True).stdout)
        patch = "×".join(map(str, step.patch))
        print(
            f"{step.architecture:8} {patch:>12} {step.batch:5} {step.classes:8} {step.channels:9} "
            f"{step.deep_supervision!s:>11} {step.bfloat16!s:>5} {grown / 1e6:7.0f} "
            f"{grown / step.batch / math.prod(step.patch):12.0f} {_planned(step) / 1e6:11.0f}",
            flush=True,
        )


def _plan(step: Step) -> Plan:
    dimension = len(step.patch)
    levels = PAPER_LEVELS if step.architecture == "paper" else (6 if dimension == 2 else 4)
    first = 32 if step.architecture == "paper" else 16
    return Plan(
        dimension=2 if dimension == 2 else 3,
        modality="other",
        spacing=(1.0,) * dimension,
        patch_size=step.patch,
        batch_size=step.batch,
        features=tuple(first * 2**level for level in range(levels)),
        kernel_sizes=((3,) * dimension,) * levels,
        strides=((1,) * dimension, *((2,) * dimension,) * (levels - 1)),
        normalisation=(ZScore(),) * step.channels,
        classes=step.classes,
        architecture="paper" if step.architecture == "paper" else "dynunet",
    )


def _planned(step: Step) -> int:
    return plan_step_bytes(_plan(step))


def _measure(step: Step) -> int:
    import torch

    from ufseg import losses

    torch.manual_seed(0)
    loss = losses.create("asymmetric-unified-focal")
    # What the libraries take for themselves at their first step is not the patch's.
    _take(Step(step.architecture, (64, 64) if len(step.patch) == 2 else (32, 32, 32), 1), loss)
    # Linux restarts the high-water mark at the present size.
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before = _status("VmRSS")
    _take(step, losses.DeepSupervisionLoss(loss) if step.deep_supervision else loss)
    return _status("VmHWM") - before


def _take(step: Step, loss: torch.nn.Module) -> None:
    import torch

    from ufseg.networks.build import build_network

    network = build_network(_plan(step), step.channels, step.deep_supervision).train()
    optimizer = torch.optim.AdamW(network.parameters())
    image = torch.randn(step.batch, step.channels, *step.patch)
    label = torch.randint(0, step.classes, (step.batch, 1, *step.patch), dtype=torch.uint8)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=step.bfloat16):
        logits = network(image)
    loss([o.float() for o in logits] if step.deep_supervision else logits.float(), label).backward()
    optimizer.step()


def _status(key: str) -> int:
    """Bytes of an entry of the kernel's account of this process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"This system does not report {key}; run the benchmark on Linux.")


if __name__ == "__main__":
    main()

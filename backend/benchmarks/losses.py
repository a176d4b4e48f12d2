"""Time and memory of the losses, forward and backward, beside those of MONAI, nnU-Net and PyTorch.

All are run in turn in one process, and the medians are compared. The limit is the time that the processor needs to
move the least possible bytes, at the bandwidth of a measured copy: logits and target in each direction, gradient once.

    python benchmarks/losses.py                                        # [2, 3, 96³] on the CPU
    python benchmarks/losses.py --device cuda --size 128 --classes 14  # timed with CUDA events
    python benchmarks/losses.py --markdown results/losses-cpu.md       # also written to a file

nnU-Net is compared if `nnunetv2` can be imported, and the compiled losses are measured if `numba` can.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import monai.losses
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from ufseg.losses import create
from ufseg.losses.fused import voxel_sums
from ufseg.losses.fused.choice import has_numba

PEER = "MONAI DiceCE"


@dataclass(frozen=True)
class Problem:
    """A batch: logits [B, C, s, s, s] that want a gradient, labels [B, s, s, s] as uint8."""

    logits: Tensor
    labels: Tensor

    @property
    def least_bytes(self) -> int:
        """What has to be moved at least: logits and labels read twice, the gradient written."""
        logits = self.logits.numel() * self.logits.element_size()
        return 3 * logits + 2 * self.labels.numel() * self.labels.element_size()


def main() -> None:
    arguments = _arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    problem = _problem(arguments.classes, arguments.size, getattr(torch, arguments.dtype), device)
    losses = _losses(problem)
    repeats = arguments.repeats or (100 if device.type == "cuda" else 20)
    times = _times(problem, losses, warm_up=20 if device.type == "cuda" else 3, repeats=repeats)
    memory = {name: _extra_memory(problem, loss) for name, loss in losses.items()}
    limit = problem.least_bytes / _copy_bandwidth(device)
    report = _report(problem, times, memory, limit, repeats)
    print(report)
    if arguments.markdown:
        arguments.markdown.parent.mkdir(parents=True, exist_ok=True)
        arguments.markdown.write_text(report + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--size", type=int, default=96, help="voxels along each of three axes")
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32", help="of the logits")
    parser.add_argument("--threads", type=int, help="threads of the CPU (default: PyTorch's choice)")
    parser.add_argument("--repeats", type=int, help="default: 20, or 100 on a GPU")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    return parser.parse_args()


def _problem(classes: int, size: int, dtype: torch.dtype, device: torch.device) -> Problem:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(2, classes, size, size, size, generator=generator)
    labels = torch.randint(classes, (2, size, size, size), generator=generator).to(torch.uint8)
    return Problem(logits.to(device, dtype).requires_grad_(), labels.to(device))


def _losses(problem: Problem) -> dict[str, Callable[[], Tensor]]:
    """Each loss with the form of the target that it takes."""
    logits, labels = problem.logits, problem.labels
    channel, indices = labels.unsqueeze(1), labels.long()
    calls: dict[str, Callable[[], Tensor]] = {}
    for name in ("asymmetric-unified-focal", "symmetric-unified-focal", "dice-cross-entropy"):
        fused, reference = (create(name, implementation=kind) for kind in ("fused", "reference"))
        if logits.is_cuda:
            calls[f"ufseg {name}, fused"] = lambda loss=fused: loss(logits, labels)
        else:
            calls[f"ufseg {name}, fused in PyTorch"] = lambda loss=fused: _without_numba(loss, logits, labels)
            if has_numba():
                calls[f"ufseg {name}, fused and compiled"] = lambda loss=fused: _with_numba(loss, logits, labels)
        calls[f"ufseg {name}, reference"] = lambda loss=reference: loss(logits, labels)
    softmax = {"to_onehot_y": True, "softmax": True}
    monais = {
        PEER: monai.losses.DiceCELoss(**softmax),
        "MONAI DiceFocal": monai.losses.DiceFocalLoss(**softmax),
        "MONAI Tversky": monai.losses.TverskyLoss(**softmax),
    }
    unified = monai.losses.AsymmetricUnifiedFocalLoss(num_classes=problem.logits.shape[1], to_onehot_y=True)
    calls |= {name: (lambda loss=loss: loss(logits, channel)) for name, loss in monais.items()}
    calls["MONAI AsymmetricUnifiedFocal (two classes only)"] = lambda: unified(logits.softmax(1), channel)
    if find_spec("nnunetv2") is not None:
        nnunet = _nnunet_loss()
        calls["nnU-Net DC_and_CE"] = lambda: nnunet(logits, indices.unsqueeze(1))
    calls["F.cross_entropy"] = lambda: F.cross_entropy(logits, indices)
    return calls


def _without_numba(loss: torch.nn.Module, *batch: Tensor) -> Tensor:
    """The loss by the passes in PyTorch, also in its backward pass, which comes before the next call."""
    voxel_sums.has_numba = lambda: False
    return loss(*batch)


def _with_numba(loss: torch.nn.Module, *batch: Tensor) -> Tensor:
    voxel_sums.has_numba = has_numba
    return loss(*batch)


def _nnunet_loss() -> torch.nn.Module:
    """As nnU-Net's trainer makes it for 3D."""
    from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
    from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

    dice = {"batch_dice": False, "smooth": 1e-5, "do_bg": False, "ddp": False}
    return DC_and_CE_loss(dice, {}, dice_class=MemoryEfficientSoftDiceLoss)


def _step(problem: Problem, loss: Callable[[], Tensor]) -> None:
    problem.logits.grad = None
    loss().backward()


def _times(
    problem: Problem, losses: dict[str, Callable[[], Tensor]], warm_up: int, repeats: int
) -> dict[str, list[float]]:
    """Seconds of every step, the losses in turn."""
    times: dict[str, list[float]] = {name: [] for name in losses}
    for repeat in range(warm_up + repeats):
        for name, loss in losses.items():
            seconds = _seconds(problem, loss)
            if repeat >= warm_up:
                times[name].append(seconds)
    return times


def _seconds(problem: Problem, loss: Callable[[], Tensor]) -> float:
    if problem.logits.is_cuda:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        _step(problem, loss)
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / 1e3
    began = time.perf_counter()
    _step(problem, loss)
    return time.perf_counter() - began


def _extra_memory(problem: Problem, loss: Callable[[], Tensor]) -> int:
    """Bytes that PyTorch's allocator holds at most during a step, beyond logits and target."""
    problem.logits.grad = None
    if problem.logits.is_cuda:
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        _step(problem, loss)
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        _step(problem, loss)
    held = most = 0
    events = [event for event in recorded.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def _copy_bandwidth(device: torch.device) -> float:
    """Bytes per second that a copy of 256 MiB reads and writes; median of 20."""
    source = torch.ones(64 << 20, device=device)
    target = torch.empty_like(source)
    seconds = []
    for _ in range(23):
        if device.type == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            target.copy_(source)
            end.record()
            torch.cuda.synchronize()
            seconds.append(start.elapsed_time(end) / 1e3)
        else:
            began = time.perf_counter()
            target.copy_(source)
            seconds.append(time.perf_counter() - began)
    return 2 * source.numel() * source.element_size() / statistics.median(seconds[3:])


def _report(problem: Problem, times: dict[str, list[float]], memory: dict[str, int], limit: float, repeats: int) -> str:
    median = {name: statistics.median(values) for name, values in times.items()}
    gradient = problem.logits.numel() * problem.logits.element_size()
    shape = "×".join(str(n) for n in problem.logits.shape)
    device = "cuda" if problem.logits.is_cuda else f"{torch.get_num_threads()} threads"
    lines = [
        f"# Losses: forward and backward of [{shape}], {str(problem.logits.dtype).removeprefix('torch.')}",
        "",
        f"{_device_name(problem)} ({device}), {datetime.now(timezone.utc):%Y-%m-%d}; "
        f"medians of {repeats} interleaved repeats, fastest in brackets. {_versions()}. {_load(problem)}",
        "",
        "Memory is what PyTorch's allocator holds at most beyond logits and target; "
        f"{gradient / 1e6:.1f} MB of it are the gradient itself, which every loss needs.",
        "",
        "| loss | time / ms | × MONAI DiceCE | × limit | extra memory / MB | × MONAI DiceCE |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, seconds in sorted(median.items(), key=lambda item: item[1]):
        lines.append(
            f"| {name} | {seconds * 1e3:.1f} ({min(times[name]) * 1e3:.1f}) | {seconds / median[PEER]:.2f} | "
            f"{seconds / limit:.1f} | {memory[name] / 1e6:.1f} | {memory[name] / memory[PEER]:.2f} |"
        )
    lines.append(
        f"| memory-bandwidth limit | {limit * 1e3:.1f} | {limit / median[PEER]:.2f} | 1.0 | {gradient / 1e6:.1f} | "
        f"{gradient / memory[PEER]:.2f} |"
    )
    if "nnU-Net DC_and_CE" not in times:
        lines += ["", "nnU-Net is not compared: the package nnunetv2 is not installed."]
    return "\n".join(lines)


def _device_name(problem: Problem) -> str:
    if problem.logits.is_cuda:
        return torch.cuda.get_device_name()
    for line in (
        Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    ):
        if line.startswith("model name"):
            return line.partition(":")[2].strip() + f", {torch.backends.cpu.get_cpu_capability()}"
    return platform.processor() or platform.machine()


def _versions() -> str:
    found = []
    for package in ("torch", "monai", "nnunetv2", "triton", "numba"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _load(problem: Problem) -> str:
    if problem.logits.is_cuda or not hasattr(os, "getloadavg"):
        return ""
    return f"Load average of the machine at the end: {os.getloadavg()[0]:.1f}."


if __name__ == "__main__":
    main()

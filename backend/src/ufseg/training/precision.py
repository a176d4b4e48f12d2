"""Reduced precision where it is right."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from ufseg.networks.device import Device, autocast, autocast_dtype
from ufseg.plans.plan import Plan


def training_autocast(plan: Plan, device: Device) -> AbstractContextManager[object]:
    """`ufseg.networks.device.autocast`, or float32 where the reduced precision computes wrong gradients."""
    return nullcontext() if precision_problem(plan, device) else autocast(device)


def precision_problem(plan: Plan, device: Device) -> str | None:
    """Why a network of this plan is trained in float32 on a device that is faster in bfloat16, as a sentence.

    With torch 2.13 on CPUs with AVX-512 BF16, the weight gradient of a 3D convolution of width 3 along a first axis of
    two positions reads memory that was never written (measured against float32: wrong each time, sometimes NaN; the
    output and the other gradients are right, other sizes too).
    """
    if device.kind != "cpu" or plan.dimension != 3 or autocast_dtype(device) is None:
        return None
    size = plan.patch_size[0]
    for kernel, stride in zip(plan.kernel_sizes, plan.strides, strict=True):
        size //= stride[0]
        if size == 2 and kernel[0] > 1:
            return (
                f"The network is trained in float32, which is slower: its patch of {plan.patch_size[0]} slices leaves "
                "2 on a coarser level, for which the CPU computes wrong gradients in bfloat16."
            )
    return None

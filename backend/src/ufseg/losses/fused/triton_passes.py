"""The two fused passes as Triton kernels for a GPU.

Each program holds a tile of all classes times `BLOCK` voxels in registers: the logits are read once forward and once
backward, the gradient is written once. Sums are kept per program and added up afterwards in float64, so that results do
not depend on the order in which programs end.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ufseg.losses.classes import class_vector
from ufseg.losses.fused.batch import Batch

TILE = 2048
"""Entries of a tile, classes (rounded up to a power of two) times voxels."""

PROGRAMS = 1024
"""At most so many programs per sample in the forward pass; each adds up several tiles."""


@triton.jit
def _log1p(x):
    """log(1 + x) for x ≥ 0 with its relative precision (Kahan)."""
    u = 1 + x
    return tl.where(u == 1, x, tl.log(u) * (x / tl.where(u == 1, 1, u - 1)))


@triton.jit
def _softmax(z, y):
    """Of a tile [C, n]: p of the other classes, 1 − p and −log p of the annotated class."""
    top = tl.max(z, axis=0)
    below = tl.sum(tl.where(y, z, 0.0), axis=0) - top
    below = tl.where(tl.sum(y.to(tl.int32), axis=0) > 0, below, 0.0)
    wrong = tl.where(y, 0.0, tl.exp(z - top[None, :]))
    rest = tl.sum(wrong, axis=0)
    right = tl.exp(below)
    scale = 1 / (rest + right)
    entropy = _log1p(rest + (right - 1)) - below
    return wrong * scale[None, :], rest * scale, entropy


@triton.jit
def _read(
    logits, target, weight, b, c, v, inside, logits_b, logits_c, logits_v, target_b, target_v, weight_b, weight_v,
    ignored,
    CLASSES: tl.constexpr, SIGMOID: tl.constexpr, WEIGHT: tl.constexpr, IGNORE: tl.constexpr, DOUBLE: tl.constexpr,  # noqa: N803
):  # fmt: skip
    """A tile of logits [C, n] (−inf outside), which entries are annotated [C, n], voxel weights [n] (0 outside).

    The weight of a voxel whose class index has no channel is NaN: looking for it would synchronise the GPU, but it must
    not pass unseen.
    """
    number = tl.float64 if DOUBLE else tl.float32
    labels = tl.load(target + b * target_b + v * target_v, mask=inside, other=0).to(tl.int64)
    w = tl.where(inside, 1.0, 0.0).to(number)
    if WEIGHT:
        w *= tl.load(weight + b * weight_b + v * weight_v, mask=inside, other=0).to(number)
    if IGNORE:
        w = tl.where(labels == ignored, 0.0, w)
        labels = tl.where(labels == ignored, 0, labels)
    w = tl.where((labels < 0) | (labels >= CLASSES), float("nan"), w)
    if SIGMOID:  # one row of zeros, one of logits
        row = tl.load(logits + b * logits_b + v * logits_v, mask=inside, other=0).to(number)
        z = tl.where(c[:, None] == 1, row[None, :], 0.0)
    else:
        here = (c[:, None] < CLASSES) & inside[None, :]
        at = logits + b * logits_b + c[:, None] * logits_c + v[None, :] * logits_v
        z = tl.load(at, mask=here, other=0).to(number)
    z = tl.where(c[:, None] < CLASSES, z, float("-inf"))
    y = c[:, None].to(tl.int64) == labels[None, :]
    return z, y, w


@triton.jit
def _power(q, exponent):
    """q^e for q > 0; exactly 1 for e = 0."""
    return tl.where(exponent == 0, 1.0, tl.exp2(exponent * tl.log2(q)))


@triton.jit
def _forward(
    logits, target, weight, exponents, partial, voxels, logits_b, logits_c, logits_v, target_b, target_v, weight_b,
    weight_v, ignored,
    CLASSES: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, SIGMOID: tl.constexpr, WEIGHT: tl.constexpr,  # noqa: N803
    IGNORE: tl.constexpr, DOUBLE: tl.constexpr, TINY: tl.constexpr, FOCAL: tl.constexpr,  # noqa: N803
):  # fmt: skip
    """partial [B, programs, 4, ROWS]: each program's share of count, fn, fp and focal sum."""
    number = tl.float64 if DOUBLE else tl.float32
    b = tl.program_id(1).to(tl.int64)
    c = tl.arange(0, ROWS)
    count = tl.zeros((ROWS,), number)
    fn = tl.zeros((ROWS,), number)
    fp = tl.zeros((ROWS,), number)
    focal = tl.zeros((ROWS,), number)
    if FOCAL:
        e = tl.load(exponents + c, mask=c < CLASSES, other=0)
    for start in range(tl.program_id(0) * BLOCK, voxels, tl.num_programs(0) * BLOCK):
        v = (start + tl.arange(0, BLOCK)).to(tl.int64)
        z, y, w = _read(
            logits, target, weight, b, c, v, v < voxels, logits_b, logits_c, logits_v, target_b, target_v, weight_b,
            weight_v, ignored, CLASSES, SIGMOID, WEIGHT, IGNORE, DOUBLE,
        )  # fmt: skip
        wrong, miss, entropy = _softmax(z, y)
        yw = tl.where(y, w[None, :], 0.0 * w[None, :])
        count += tl.sum(yw, axis=1)
        fn += tl.sum(yw * miss[None, :], axis=1)
        fp += tl.sum(wrong * w[None, :], axis=1)
        if FOCAL:
            exponent = tl.sum(tl.where(y, e[:, None], 0.0), axis=0)
            value = _power(tl.maximum(miss, TINY), exponent) * entropy
            focal += tl.sum(yw * value[None, :], axis=1)
    at = partial + (b * tl.num_programs(0) + tl.program_id(0)) * 4 * ROWS + c
    tl.store(at, count)
    tl.store(at + ROWS, fn)
    tl.store(at + 2 * ROWS, fp)
    tl.store(at + 3 * ROWS, focal)


@triton.jit
def _backward(
    logits, target, weight, exponents, slopes, gradient, voxels, logits_b, logits_c, logits_v, target_b, target_v,
    weight_b, weight_v, gradient_b, gradient_c, gradient_v, ignored,
    CLASSES: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, SIGMOID: tl.constexpr, WEIGHT: tl.constexpr,  # noqa: N803
    IGNORE: tl.constexpr, DOUBLE: tl.constexpr, TINY: tl.constexpr, FOCAL: tl.constexpr, REGION: tl.constexpr,  # noqa: N803
):  # fmt: skip
    """The gradient of one tile; slopes [B, 4, CLASSES] of count (not used), fn, fp and focal sum."""
    number = tl.float64 if DOUBLE else tl.float32
    b = tl.program_id(1).to(tl.int64)
    c = tl.arange(0, ROWS)
    v = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = v < voxels
    z, y, w = _read(
        logits, target, weight, b, c, v, inside, logits_b, logits_c, logits_v, target_b, target_v, weight_b, weight_v,
        ignored, CLASSES, SIGMOID, WEIGHT, IGNORE, DOUBLE,
    )  # fmt: skip
    wrong, miss, entropy = _softmax(z, y)
    slope = slopes + b * 4 * CLASSES + c
    shift = tl.zeros((BLOCK,), number)
    push = tl.zeros((ROWS,), number)
    if REGION:
        fn = tl.load(slope + CLASSES, mask=c < CLASSES, other=0)
        push += tl.load(slope + 2 * CLASSES, mask=c < CLASSES, other=0)
        shift += tl.sum(tl.where(y, fn[:, None], 0.0), axis=0) * (1 - miss) - tl.sum(wrong * push[:, None], axis=0)
    if FOCAL:
        focal = tl.load(slope + 3 * CLASSES, mask=c < CLASSES, other=0)
        e = tl.load(exponents + c, mask=c < CLASSES, other=0)
        exponent = tl.sum(tl.where(y, e[:, None], 0.0), axis=0)
        q = tl.maximum(miss, TINY)
        factor = _power(q, exponent) * (1 + exponent * (1 - miss) * (entropy / q))
        shift += tl.sum(tl.where(y, focal[:, None], 0.0), axis=0) * factor
    entries = wrong * (push[:, None] + shift[None, :]) * w[None, :]
    entries = tl.where(y, -tl.sum(entries, axis=0)[None, :], entries)
    if SIGMOID:
        c -= 1  # the logit belongs to the second class
    at = gradient + b * gradient_b + c[:, None] * gradient_c + v[None, :] * gradient_v
    kept = (c[:, None] >= 0) & (c[:, None] < (1 if SIGMOID else CLASSES)) & inside[None, :]
    tl.store(at, entries.to(gradient.dtype.element_ty), mask=kept)


def _arguments(batch: Batch) -> tuple[list[Any], list[int], dict[str, Any]]:
    """Tensors, strides and constants that both kernels take."""
    rows = max(2, triton.next_power_of_2(batch.classes))
    target = batch.target.view(torch.uint8) if batch.target.dtype == torch.bool else batch.target
    weight = target if batch.weight is None else batch.weight
    if weight.dtype == torch.bool:
        weight = weight.view(torch.uint8)
    constants = {
        "CLASSES": batch.classes,
        "ROWS": rows,
        "BLOCK": max(16, TILE // rows),
        "SIGMOID": batch.logits.shape[1] == 1,
        "WEIGHT": batch.weight is not None,
        "IGNORE": batch.ignore_index is not None,
        "DOUBLE": batch.dtype == torch.float64,
        "TINY": torch.finfo(batch.dtype).tiny,  # a constant, because float arguments of kernels are float32
    }
    return [batch.logits, target, weight], [*batch.logits.stride(), *target.stride(), *weight.stride()], constants


def _vector(batch: Batch, exponents: tuple[float, ...] | None) -> Tensor:
    """Exponents [C]; any tensor if there are none."""
    return batch.logits if exponents is None else class_vector(exponents, batch.logits.device, batch.dtype)


def on_device(device: torch.device) -> AbstractContextManager[object]:
    """Triton launches on the current GPU, which need not be the tensors'."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def sum_voxels(batch: Batch, exponents: tuple[float, ...] | None, *, region: bool) -> Tensor:
    """See `torch_passes.sum_voxels`; always computes fn and fp, and is NaN if a class index has no channel."""
    tensors, strides, constants = _arguments(batch)
    values, ignored = _vector(batch, exponents), batch.ignore_index or 0
    samples, voxels = batch.target.shape
    programs = max(1, min(PROGRAMS, triton.cdiv(voxels, constants["BLOCK"])))
    partial = batch.logits.new_empty(samples, programs, 4, constants["ROWS"], dtype=batch.dtype)
    with on_device(batch.logits.device):
        _forward[(programs, samples)](
            *tensors, values, partial, voxels, *strides, ignored, **constants, FOCAL=exponents is not None
        )
    return partial.sum(dim=1, dtype=torch.float64)[..., : batch.classes].transpose(0, 1)


def logit_gradient(batch: Batch, exponents: tuple[float, ...] | None, slopes: Tensor, *, region: bool) -> Tensor:
    """See `torch_passes.logit_gradient`."""
    tensors, strides, constants = _arguments(batch)
    values, ignored = _vector(batch, exponents), batch.ignore_index or 0
    samples, voxels = batch.target.shape
    gradient = torch.empty_like(batch.logits)
    per_sample = slopes.to(batch.dtype).transpose(0, 1).contiguous()
    with on_device(batch.logits.device):
        _backward[(triton.cdiv(voxels, constants["BLOCK"]), samples)](
            *tensors, values, per_sample, gradient, voxels, *strides, *gradient.stride(), ignored, **constants,
            FOCAL=exponents is not None, REGION=region,
        )  # fmt: skip
    return gradient

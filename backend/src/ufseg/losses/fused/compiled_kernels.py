"""The two fused passes over voxels of one sample, compiled by Numba.

Voxels are taken `ROW` at a time, so that all intermediate rows stay in the processor's first two caches.
Arrays: logits and gradient [C, V], target and weight [V], p [C, ROW]; float32, target uint8 or int64.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ufseg.losses.fused.compiled_math import OPTIONS
from ufseg.losses.fused.compiled_rows import (
    add_multiple,
    add_product,
    copy,
    copy_labels,
    exponentials,
    extremes,
    focal_slope,
    leave_out,
    maximum,
    multiply,
    normalise,
    power,
    pull,
    put,
    total_of_product,
    total_where_labelled,
    where_labelled,
)

ROW = 1024
_F = np.float32


@njit(**OPTIONS)
def _read(logits, target, weight, weighted, ignored, ignores, start, label, w, p):
    """Fill label, w and the logits p; returns the smallest and the largest label that counts."""
    n = label.shape[0]
    copy_labels(target[start : start + n], label)
    if weighted:
        copy(weight[start : start + n], w)
    else:
        w[:] = _F(1)
    if ignores:
        leave_out(label, w, ignored)
    if logits.shape[0] == 1:
        p[0][:n] = _F(0)
        copy(logits[0][start : start + n], p[1][:n])
    else:
        for c in range(p.shape[0]):
            copy(logits[c][start : start + n], p[c][:n])
    return extremes(label)


@njit(**OPTIONS)
def _softmax(label, p, top, below, miss, entropy):
    """p: logits → p / scale of the other classes, 0 at the annotated class; `top` becomes that scale."""
    n = label.shape[0]
    top[:] = p[0][:n]
    for c in range(1, p.shape[0]):
        maximum(top, p[c][:n])
    below[:] = _F(0)
    miss[:] = _F(0)
    for c in range(p.shape[0]):
        exponentials(p[c][:n], top, label, c, below, miss)
    normalise(below, miss, entropy, top)


@njit(**OPTIONS)
def sum_voxels(logits, target, weight, weighted, ignored, ignores, exponents, focal, region, start, stop, sums):
    """Add this part's count, fn, fp and focal sum to `sums` [4, C] float64; returns the extreme labels."""
    classes = sums.shape[1]
    p = np.empty((classes, ROW), _F)
    rows = np.empty((7, ROW), _F)
    labels = np.empty(ROW, np.int32)
    low, high = np.int32(0), np.int32(0)
    for at in range(start, stop, ROW):
        n = min(ROW, stop - at)
        label, w, scale, below = labels[:n], rows[0][:n], rows[1][:n], rows[2][:n]
        miss, entropy, exponent, factor = rows[3][:n], rows[4][:n], rows[5][:n], rows[6][:n]
        lowest, highest = _read(logits, target, weight, weighted, ignored, ignores, at, label, w, p)
        low, high = min(low, lowest), max(high, highest)
        _softmax(label, p, scale, below, miss, entropy)
        for c in range(classes):
            sums[0, c] += total_where_labelled(w, label, c)
        if focal:
            exponent[:] = _F(0)
            for c in range(classes):
                where_labelled(exponent, label, c, exponents[c])
            power(miss, exponent, factor)
            multiply(factor, entropy)
            multiply(factor, w)
            for c in range(classes):
                sums[3, c] += total_where_labelled(factor, label, c)
        if region:
            multiply(miss, w)
            multiply(scale, w)
            for c in range(classes):
                sums[1, c] += total_where_labelled(miss, label, c)
                sums[2, c] += total_of_product(p[c][:n], scale)
    return low, high


@njit(**OPTIONS)
def logit_gradient(
    logits, target, weight, weighted, ignored, ignores, exponents, focal, region, slopes, start, stop, gradient
):
    """Write this part of the gradient; `slopes` [4, C] belongs to the sums. Formulas: `torch_passes.logit_gradient`."""
    classes = slopes.shape[1]
    p = np.empty((classes, ROW), _F)
    rows = np.empty((8, ROW), _F)
    labels = np.empty(ROW, np.int32)
    first = classes - logits.shape[0]
    for at in range(start, stop, ROW):
        n = min(ROW, stop - at)
        label, w, scale, spare = labels[:n], rows[0][:n], rows[1][:n], rows[2][:n]
        miss, entropy, exponent, shift = rows[3][:n], rows[4][:n], rows[5][:n], rows[6][:n]
        _read(logits, target, weight, weighted, ignored, ignores, at, label, w, p)
        _softmax(label, p, scale, spare, miss, entropy)
        shift[:] = _F(0)
        if focal:
            exponent[:] = _F(0)
            for c in range(classes):
                where_labelled(exponent, label, c, exponents[c])
                where_labelled(shift, label, c, slopes[3, c])
            power(miss, exponent, spare)
            focal_slope(miss, entropy, exponent, spare, shift)
        if region:
            spare[:] = _F(0)
            for c in range(classes):
                where_labelled(spare, label, c, slopes[1, c])
            add_multiple(shift, spare, _F(1))
            add_product(shift, spare, miss, _F(-1))
            spare[:] = _F(0)
            for c in range(classes):
                add_multiple(spare, p[c][:n], slopes[2, c])
            add_product(shift, spare, scale, _F(-1))
        multiply(scale, w)
        total = rows[7][:n]
        total[:] = _F(0)
        for c in range(classes):
            pull(p[c][:n], shift, scale, slopes[2, c] if region else _F(0), total)
        for c in range(first, classes):
            put(p[c][:n], label, c, total, gradient[c - first][at : at + n])

"""Steps of the compiled passes on rows of voxels: one loop each, which the compiler vectorises.

All rows are contiguous float32 [n] (labels int32). Loops over several rows of one array at a time are not vectorised,
since the compiler cannot rule out that they overlap.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ufseg.losses.fused.compiled_math import OPTIONS, SMALLEST, exp, log, log1p

_F = np.float32
_I = np.int32
_LEAST, _MOST = np.int64(-(2**31)), np.int64(2**31 - 1)
# Only in sums: everywhere else the order of operations is chosen for its precision.
_ANY_ORDER = OPTIONS | {"fastmath": {"reassoc"}}


@njit(**OPTIONS)
def copy(source, row):
    for i in range(row.shape[0]):
        row[i] = _F(source[i])


@njit(**OPTIONS)
def copy_labels(source, row):
    for i in range(row.shape[0]):
        row[i] = _I(min(max(np.int64(source[i]), _LEAST), _MOST))


@njit(**OPTIONS)
def extremes(label):
    low = label[0]
    high = low
    for i in range(label.shape[0]):
        low = min(low, label[i])
        high = max(high, label[i])
    return low, high


@njit(**OPTIONS)
def leave_out(label, weight, ignored):
    """Voxels labelled `ignored` get weight 0, and class 0 since any will do."""
    for i in range(label.shape[0]):
        keep = label[i] != ignored
        weight[i] = weight[i] if keep else _F(0)
        label[i] = label[i] if keep else _I(0)


@njit(**OPTIONS)
def maximum(row, other):
    for i in range(row.shape[0]):
        row[i] = max(row[i], other[i])


@njit(**OPTIONS)
def exponentials(row, top, label, number, below, rest):
    """Logits of class `number` → e^(logit − top), 0 where annotated; there `below` takes logit − top."""
    for i in range(row.shape[0]):
        difference = row[i] - top[i]
        here = label[i] == number
        below[i] = difference if here else below[i]
        value = _F(0) if here else exp(difference)
        rest[i] += value
        row[i] = value


@njit(**OPTIONS)
def normalise(below, rest, entropy, scale):
    """`rest` becomes 1 − p of the annotated class; see `blocks._block` for the formulas."""
    for i in range(rest.shape[0]):
        right = exp(below[i])
        entropy[i] = log1p((right - _F(1)) + rest[i]) - below[i]
        scale[i] = _F(1) / (rest[i] + right)
        rest[i] = rest[i] * scale[i]


@njit(**OPTIONS)
def where_labelled(row, label, number, value):
    for i in range(row.shape[0]):
        row[i] = value if label[i] == number else row[i]


@njit(**OPTIONS)
def power(miss, exponent, row):
    """`miss` to the power of `exponent`."""
    for i in range(row.shape[0]):
        row[i] = exp(exponent[i] * log(max(miss[i], SMALLEST)))


@njit(**OPTIONS)
def focal_slope(miss, entropy, exponent, factor, row):
    """`row` times the slope of the focal term, see `modulation.Modulation.slope`."""
    for i in range(row.shape[0]):
        growth = entropy[i] / max(miss[i], SMALLEST) * (_F(1) - miss[i])
        row[i] *= factor[i] * (_F(1) + exponent[i] * growth)


@njit(**OPTIONS)
def multiply(row, other):
    for i in range(row.shape[0]):
        row[i] *= other[i]


@njit(**OPTIONS)
def add_product(row, a, b, sign):
    for i in range(row.shape[0]):
        row[i] += sign * a[i] * b[i]


@njit(**OPTIONS)
def add_multiple(row, other, factor):
    for i in range(row.shape[0]):
        row[i] += factor * other[i]


@njit(**OPTIONS)
def pull(row, shift, scale, slope, total):
    """`row` becomes the gradient of a class that is not annotated; `total` adds it up."""
    for i in range(row.shape[0]):
        value = row[i] * scale[i] * (slope + shift[i])
        row[i] = value
        total[i] += value


@njit(**OPTIONS)
def put(row, label, number, total, gradient):
    for i in range(row.shape[0]):
        gradient[i] = -total[i] if label[i] == number else row[i]


@njit(**_ANY_ORDER)
def total_of_product(a, b):
    total = _F(0)
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return np.float64(total)


@njit(**_ANY_ORDER)
def total_where_labelled(row, label, number):
    total = _F(0)
    for i in range(row.shape[0]):
        total += row[i] if label[i] == number else _F(0)
    return np.float64(total)

"""Exponential and logarithm of float32 numbers in plain arithmetic, which a compiler turns into vector instructions.

A loop that calls the C library's functions is not vectorised. Range reduction as usual, x = n ln 2 + r or
x = 2ⁿ (1 + f); minimax polynomials of S. Moshier's Cephes library (https://www.netlib.org/cephes, single precision).
Errors were measured below 1.5 units in the last place over the whole range (tests/losses/test_fused_compiled.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

_F = np.float32
_I = np.int32
_LOG2_E = _F(1.44269504088896341)
# ln 2 in two parts, so that n ln 2 is exact to more than float32's digits
_LN2_HIGH, _LN2_LOW = _F(0.693359375), _F(-2.12194440e-4)
_ROOT_HALF_BITS = _I(0x3F3504F3)
SMALLEST = _F(1.1754944e-38)
"""The smallest normal float32."""
_LOWEST = _F(-87.33654)
"""Its logarithm."""


def _cache_works() -> bool:
    """Whether compiled code can be kept on disk: Numba refuses if no folder is writable."""
    try:
        njit(cache=True)(_cache_works)
    except RuntimeError:
        return False
    return True


OPTIONS = {"nogil": True, "error_model": "numpy", "cache": _cache_works()}
"""Of every compiled function: no interpreter lock, no checks for division by 0.

Numba's cache notices changes of a function's own file, not of those that it calls: who edits one of the `compiled_*`
files removes `__pycache__` beside them.
"""


@njit(inline="always")
def exp(x):
    """e^x for x ≤ 0; 0 where that lies below `SMALLEST`."""
    n = np.floor(x * _LOG2_E + _F(0.5))
    r = x - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    p = _F(1.9875691500e-4)
    p = p * r + _F(1.3981999507e-3)
    p = p * r + _F(8.3334519073e-3)
    p = p * r + _F(4.1665795894e-2)
    p = p * r + _F(1.6666665459e-1)
    p = p * r + _F(5.0000001201e-1)
    y = p * (r * r) + r + _F(1)
    exponent = _I(max(n, _F(-126)))
    power = _I((exponent + _I(127)) << _I(23)).view(np.float32)
    return _F(0) if x <= _LOWEST else y * power  # NaN stays NaN


@njit(inline="always")
def log(x):
    """ln x for a normal x > 0."""
    bits = _F(x).view(np.int32)
    n = (bits - _ROOT_HALF_BITS) >> _I(23)
    f = _I(bits - (n << _I(23))).view(np.float32) - _F(1)
    z = f * f
    p = _F(7.0376836292e-2)
    p = p * f - _F(1.1514610310e-1)
    p = p * f + _F(1.1676998740e-1)
    p = p * f - _F(1.2420140846e-1)
    p = p * f + _F(1.4249322787e-1)
    p = p * f - _F(1.6668057665e-1)
    p = p * f + _F(2.0000714765e-1)
    p = p * f - _F(2.4999993993e-1)
    p = p * f + _F(3.3333331174e-1)
    k = _F(n)
    y = f * z * p + k * _LN2_LOW - _F(0.5) * z
    return (f + y) + k * _LN2_HIGH


@njit(inline="always")
def log1p(x):
    """ln(1 + x) for x ≥ 0 with its relative precision: ln u for u = 1 + x as rounded, plus what rounding lost."""
    u = _F(1) + x
    return log(u) + (x - (u - _F(1))) / u

"""Random grids: oblique, flipped, permuted, anisotropic, 2D and 3D."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from ufseg.images.geometry import Geometry

AXIS_ORDERS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


def rotation(angles: tuple[float, float, float]) -> NDArray[np.float64]:
    """Rotation by Euler angles in radians."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        a, b = [n for n in range(3) if n != axis]
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix


def turned(order: tuple[int, ...], signs: tuple[int, ...]) -> NDArray[np.float64]:
    """Signed permutation matrix: image axis n runs along patient axis order[n], with the given sense."""
    matrix = np.zeros((3, 3))
    for axis, (target, sign) in enumerate(zip(order, signs, strict=True)):
        matrix[target, axis] = sign
    return matrix


@st.composite
def geometries(draw: st.DrawFn, dimensions: tuple[int, ...] = (2, 3), largest: int = 7) -> Geometry:
    n = draw(st.sampled_from(dimensions))
    size = tuple(draw(st.lists(st.integers(1, largest), min_size=n, max_size=n)))
    spacing = tuple(draw(st.lists(st.floats(0.05, 20), min_size=n, max_size=n)))
    origin = tuple(draw(st.lists(st.floats(-2000, 2000), min_size=n, max_size=n)))
    if n == 3:
        order, signs = draw(st.sampled_from(AXIS_ORDERS))
        tilt = draw(st.tuples(*[st.floats(-0.7, 0.7)] * 3))
        matrix = rotation(tilt) @ turned(order, signs)
    else:
        angle = draw(st.floats(-3.1, 3.1))
        flip = draw(st.sampled_from((1, -1)))
        matrix = np.array([[np.cos(angle), -flip * np.sin(angle)], [np.sin(angle), flip * np.cos(angle)]])
    return Geometry(size=size, spacing=spacing, origin=origin, direction=tuple(matrix.reshape(-1).tolist()))

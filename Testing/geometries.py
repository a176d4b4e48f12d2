"""Grids on which labels must keep their place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from UnifiedFocalSegLib.geometry import Geometry


def _rotation(degrees: tuple[float, float, float]) -> np.ndarray:
    """Rotation matrix about x, then y, then z."""
    result = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        one, two = [i for i in range(3) if i != axis]
        turn = np.eye(3)
        turn[[one, two], [one, two]] = np.cos(angle)
        turn[one, two], turn[two, one] = -np.sin(angle), np.sin(angle)
        result = turn @ result
    return result


def grid(
    direction: np.ndarray,
    spacing: tuple[float, ...] = (1.0, 1.0, 1.0),
    origin: tuple[float, ...] = (-31.5, 12.25, 104.0),
    size: tuple[int, ...] = (14, 11, 9),
) -> Geometry:
    """A geometry with the columns of `direction` as axes."""
    return Geometry(size, spacing, origin, tuple(float(d) for d in direction.reshape(-1)))


SYNTHETIC = {
    "LPS axes": grid(np.eye(3)),
    "RAS axes": grid(np.diag([-1.0, -1.0, 1.0])),
    "flipped, left-handed": grid(np.diag([1.0, 1.0, -1.0])),
    "left-handed, one axis flipped": grid(np.diag([-1.0, 1.0, 1.0]), (0.7, 0.9, 3.0)),
    "anisotropic": grid(np.eye(3), (0.35, 0.8, 17.0)),
    "axes permuted (sagittal)": grid(np.array([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]]), (0.5, 0.5, 4.0)),
    "oblique": grid(_rotation((12.0, -23.0, 34.0))),
    "oblique, anisotropic, left-handed": grid(_rotation((-71.0, 5.0, 141.0)) @ np.diag([1.0, -1, 1]), (0.41, 0.6, 7.7)),
    "single slice": grid(_rotation((8.0, 0.0, 15.0)), (0.6, 0.6, 5.0), size=(19, 13, 1)),
}

# Volumes with three axes, and one time point of those with four; example_nifti2 is of a kind ITK cannot read.
FILES = (
    "BaselineVolume.nrrd",
    "CT_AVM.nii.gz",
    "CT_pitch.nii.gz",
    "ax_asc_35sl_6.nii",
    "cor_asc_35sl_16.nii",
    "example4d.nii.gz",
    "pcasl.nii.gz",
    "sag_asc_35sl_22.nii",
    "sct_t1.nii.gz",
    "sct_t2.nii.gz",
    "sct_t2s.nii.gz",
)


def read_file(path: Path) -> tuple[np.ndarray, Geometry]:
    """First volume of a file with SimpleITK: ``[k, j, i]`` and its grid."""
    image = sitk.ReadImage(str(path))
    if image.GetDimension() == 4:
        image = image[..., 0]
    return sitk.GetArrayFromImage(image), of_image(image)


def of_image(image: sitk.Image) -> Geometry:
    """Grid of a three-dimensional SimpleITK image."""
    return Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def scribble(shape: tuple[int, ...], classes: int, seed: int = 0) -> np.ndarray:
    """A label map without any symmetry: a ball for each class, and single voxels in corners."""
    random = np.random.default_rng(seed)
    label = np.zeros(shape, dtype=np.uint8)
    where = np.ogrid[tuple(slice(n) for n in shape)]
    for value in range(1, classes + 1):
        centre = [random.uniform(0.15, 0.85) * n for n in shape]
        ball = sum(((w - c) / max(1.0, n / 6)) ** 2 for w, c, n in zip(where, centre, shape, strict=True)) < 1
        label[ball] = value
    label[0, 0, 0], label[-1, 0, -1] = 1, classes
    return label

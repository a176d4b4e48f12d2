"""A synthetic, CT-like dataset for demonstrations and tests without patient data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ufseg.errors import StorageError
from ufseg.images.class_table import ClassTable
from ufseg.images.datasets import Dataset, read_dataset
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.images.writing import write_image, write_label_map

NAME = "Synthetic abdominal CT phantom"
CLASSES = {"liver": 1, "spleen": 2, "lesion": 3}
# Hounsfield units of what is drawn; noise has a deviation of NOISE.
AIR, FAT, MUSCLE, BONE, LIVER, SPLEEN, LESION = -1000, -90, 45, 450, 110, 150, 30
NOISE = 18.0
# Share of the volume's voxels that the lesions of a case take together.
LESION_SHARE = (0.0012, 0.0028)
SPACING = (3.0, 3.0, 4.5)
TILT_DEGREES = 8.0


def write_phantom_dataset(folder: Path, cases: int, seed: int = 0) -> Dataset:
    """Write `cases` synthetic CT volumes with label maps, in the ``images/`` and ``labels/`` layout.

    Volumes have about 46 × 46 × 30 voxels of 3 × 3 × 4.5 mm and slightly oblique axes, so that two CPU cores do
    several training steps a second. Organs differ in place and size from case to case; one to three lesions,
    together about 0.2 % of the voxels, lie within the liver. Case number n of a seed is always the same, however many
    are written.

    Returns:
        The dataset as `read_dataset` finds it; its name says that it is synthetic.

    Raises:
        ValueError: `cases` is below 1.
        StorageError: the folder cannot be written.
    """
    if cases < 1:
        raise ValueError(f"a phantom dataset needs at least 1 case, not {cases}")
    folder = Path(folder)
    table = ClassTable.of(CLASSES)
    for number in range(1, cases + 1):
        image, label = phantom_case(seed, number)
        write_image(folder / "images" / f"phantom_{number:03d}.nrrd", image)
        write_label_map(folder / "labels" / f"phantom_{number:03d}.nrrd", label, table)
    description = {
        "name": NAME,
        "description": "Synthetic: drawn from ellipsoids and noise, no patient's data.",
        "modality": {"0": "CT"},
        "labels": {"background": 0, **CLASSES},
    }
    try:
        (folder / "dataset.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"{folder / 'dataset.json'} could not be written: {error.strerror}. Free some space."
        ) from error
    return read_dataset(folder)


def phantom_case(seed: int, number: int) -> tuple[Image, LabelMap]:
    """One case: image ``[1, k, j, i]`` int16 in HU, and its label map with the values of `CLASSES`."""
    random = np.random.default_rng([seed, number])
    geometry = _geometry(random)
    position = _positions(geometry.array_shape)
    body = _inside(position, (0, 0, 0), (0.86, 0.72, 1.6))
    muscle = _inside(position, (0, 0, 0), (0.78, 0.64, 1.5))
    spine = _inside(position, (0, 0.42, 0), (0.13, 0.13, 3))
    liver_centre = _jitter(random, (-0.34, -0.08, 0.1), 0.07)
    liver_radii = _scale(random, (0.36, 0.42, 0.55))
    liver = _inside(position, liver_centre, liver_radii) & muscle & ~spine
    spleen = _inside(position, _jitter(random, (0.45, 0.12, 0.15), 0.06), _scale(random, (0.2, 0.26, 0.36)))
    spleen &= muscle & ~spine & ~liver
    lesion = _lesions(random, position, liver, liver_centre, liver_radii)

    hu = np.full(geometry.array_shape, AIR, dtype=np.float32)
    label = np.zeros(geometry.array_shape, dtype=np.uint8)
    for mask, intensity in ((body, FAT), (muscle, MUSCLE), (spine & body, BONE), (liver, LIVER), (spleen, SPLEEN)):
        hu[mask] = intensity
    hu[lesion] = LESION
    for name, mask in (("liver", liver), ("spleen", spleen), ("lesion", lesion)):
        label[mask] = CLASSES[name]
    # Partial volume at the borders, then noise with the grain of a reconstruction kernel.
    grain = gaussian_filter(random.normal(size=hu.shape), 0.5)
    hu = gaussian_filter(hu, 0.6) + NOISE * (grain / grain.std()).astype(np.float32)
    array = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    return Image(array[np.newaxis], geometry), LabelMap(label, geometry)


def _geometry(random: np.random.Generator) -> Geometry:
    """A grid tilted by a few degrees about each patient axis."""
    size = (int(random.integers(44, 49)), int(random.integers(44, 49)), int(random.integers(28, 33)))
    matrix = np.eye(3)
    for axis in range(3):
        angle = np.radians(random.uniform(-TILT_DEGREES, TILT_DEGREES))
        a, b = [n for n in range(3) if n != axis]
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    centre = matrix @ ((np.asarray(size) - 1) / 2 * np.asarray(SPACING))
    return Geometry(
        size=size,
        spacing=SPACING,
        origin=tuple((random.uniform(-30, 30, 3) - centre).tolist()),
        direction=tuple(matrix.reshape(-1).tolist()),
    )


def _positions(shape: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """Coordinates along i, j, k from -1 at one face of the volume to 1 at the other, broadcastable."""
    k, j, i = np.meshgrid(*[(2 * np.arange(n) + 1) / n - 1 for n in shape], indexing="ij", sparse=True)
    return [i, j, k]


def _inside(
    position: list[NDArray[np.float64]], centre: tuple[float, ...], radii: tuple[float, ...]
) -> NDArray[np.bool_]:
    terms = [((p - c) / r) ** 2 for p, c, r in zip(position, centre, radii, strict=True)]
    result: NDArray[np.bool_] = terms[0] + terms[1] + terms[2] <= 1
    return result


def _jitter(random: np.random.Generator, centre: tuple[float, ...], by: float) -> tuple[float, ...]:
    return tuple(c + float(random.uniform(-by, by)) for c in centre)


def _scale(random: np.random.Generator, radii: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(r * float(random.uniform(0.85, 1.15)) for r in radii)


def _lesions(
    random: np.random.Generator,
    position: list[NDArray[np.float64]],
    liver: NDArray[np.bool_],
    centre: tuple[float, ...],
    radii: tuple[float, ...],
) -> NDArray[np.bool_]:
    """One to three balls within the liver."""
    count = int(random.integers(1, 4))
    share = float(random.uniform(*LESION_SHARE)) / count
    # The volume's box is 2 × 2 × 2 in these coordinates.
    radius = (share * 8 * 3 / (4 * np.pi)) ** (1 / 3)
    lesion = np.zeros_like(liver)
    for _ in range(count):
        direction = random.normal(size=3)
        direction *= random.uniform(0.1, 0.6) / np.linalg.norm(direction)
        middle = tuple(c + float(d) * r for c, d, r in zip(centre, direction, radii, strict=True))
        lesion |= _inside(position, middle, _scale(random, (radius, radius, radius)))
    return lesion & liver

"""Writes the sample data that the module registers: two synthetic CT volumes, one with its reference segmentation.

    python Testing/pictures/make_sample_data.py

Drawn by the backend's phantom (`ufseg.images.phantom`), so that they may be passed on and nothing is downloaded.
Segment ids are drawn by lot: the checksums that this prints belong into ``UnifiedFocalSegLib/sample_data.py``.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "UnifiedFocalSeg"), str(REPOSITORY / "Testing")]

import numpy as np  # noqa: E402
from matplotlib import image as png  # noqa: E402

from slicer_shell.boot import boot  # noqa: E402
from ufseg.images.phantom import CLASSES, phantom_case  # noqa: E402

FOLDER = REPOSITORY / "UnifiedFocalSeg" / "Resources" / "SampleData"
SEED = 2022
LABELLED, UNLABELLED = "SyntheticCT1", "SyntheticCT2"
COLOURS = {"liver": (221, 130, 101), "spleen": (157, 108, 162), "lesion": (240, 220, 70)}
THUMBNAIL = 128  # pixels, as Slicer's own
WINDOW, LEVEL = 400, 60  # HU, of soft tissue


def add_case(scene, number: int, name: str):
    """Volume node and label values of a phantom."""
    from nodes import add_volume
    from UnifiedFocalSegLib.geometry import Geometry

    image, label = phantom_case(SEED, number)
    grid = image.geometry
    geometry = Geometry(grid.size, grid.spacing, grid.origin, grid.direction)
    volume = add_volume(scene, image.array[0], geometry, name)
    volume.CreateDefaultDisplayNodes()
    display = volume.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(WINDOW, LEVEL)
    return volume, label.array


def thumbnail(volume) -> np.ndarray:
    """The axial slice through the middle."""
    from pictures.views import SliceView

    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    view = SliceView(volume, "Axial", (THUMBNAIL, THUMBNAIL))
    view.zoom(1.2, tuple((bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)))
    picture = view.picture()
    view.close()
    return picture


def main() -> None:
    """Write volumes, segmentation and thumbnails, and print the checksums."""
    import slicer.util

    scene = boot()
    from UnifiedFocalSegLib.classes import read_classes
    from UnifiedFocalSegLib.scene import label_to_segmentation

    FOLDER.mkdir(parents=True, exist_ok=True)
    written = []
    for number, name in enumerate((LABELLED, UNLABELLED), start=1):
        scene.Clear(0)
        volume, label = add_case(scene, number, name)
        written.append(FOLDER / f"{name}.nrrd")
        slicer.util.saveNode(volume, str(written[-1]))
        if name == LABELLED:
            entries = [{"name": n, "value": v, "color": COLOURS[n]} for n, v in CLASSES.items()]
            node = label_to_segmentation(label, read_classes(entries), volume)
            written.append(FOLDER / f"{name}-reference.seg.nrrd")
            slicer.util.saveNode(node, str(written[-1]))
        png.imsave(FOLDER / f"{name}.png", thumbnail(volume))
    for path in written:
        print(f"{path.name}: SHA256:{hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()

"""The README's picture of a real segmentation: three slices and the surfaces, from the scene the module fills.

    python Testing/pictures/make_slices_and_3d.py HIPPOCAMPUS_FOLDER [--case NAME] [--output FILE]

The folder is the hippocampus data with its ``split.json``; a case of its test part is segmented by the bundled model
through the module's logic and a real service, as in Slicer. Slicer's own displayable managers draw it, without the
application (see ``views.py``). Images: Medical Segmentation Decathlon, Task04 Hippocampus, CC-BY-SA 4.0.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "UnifiedFocalSeg"), str(REPOSITORY / "Testing")]

import numpy as np  # noqa: E402
import SimpleITK as sitk  # noqa: E402
from matplotlib import image as png  # noqa: E402

from slicer_shell.boot import boot  # noqa: E402

TILE = 320  # pixels
WIDTH = 46.0  # mm, of a slice tile
MODEL = "hippocampus-mri"


def load(path: Path, name: str):
    """A volume node of an image file."""
    import slicer
    import slicer.util
    import vtk

    image = sitk.ReadImage(str(path))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, sitk.GetArrayFromImage(image))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    matrix[:2] *= -1  # LPS to RAS
    vtk_matrix = vtk.vtkMatrix4x4()
    vtk_matrix.DeepCopy(matrix.ravel())
    node.SetIJKToRASMatrix(vtk_matrix)
    node.CreateDefaultDisplayNodes()
    return node


def segment(volume):
    """The bundled model's segmentation, by the module's logic and a service of its own."""
    from UnifiedFocalSegLib.logic import FocalSegLogic

    with tempfile.TemporaryDirectory() as folder:
        logic = FocalSegLogic()
        try:
            logic.start_backend(Path(folder) / "workspace", sys.executable, device="cpu", wait=True)
            task = logic.install_model(MODEL, wait=True).result["task"]
            return logic.segment(volume, task, wait=True).result
        finally:
            logic.close(wait=True)


def tiles(volume, segmentation) -> np.ndarray:
    """Axial, coronal, sagittal and 3D beside each other."""
    import slicer.util
    import vtk

    from pictures.views import SliceView, ThreeDView

    display = segmentation.GetDisplayNode()
    display.SetOpacity2DFill(0.35)
    display.SetOpacity2DOutline(1.0)
    display.SetSliceIntersectionThickness(2)
    mask = sum(
        slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, name, volume) > 0
        for name in segmentation.GetSegmentation().GetSegmentIDs()
    )
    k, j, i = np.argwhere(mask).mean(axis=0)
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    ras = matrix.MultiplyPoint((i, j, k, 1.0))[:3]
    pictures = []
    for orientation in ("Axial", "Coronal", "Sagittal"):
        view = SliceView(volume, orientation, (TILE, TILE))
        view.zoom(max(view.node.GetFieldOfView()[:2]) / WIDTH, ras)
        pictures.append(view.picture())
        view.close()
    segmentation.CreateClosedSurfaceRepresentation()
    view = ThreeDView(volume.GetScene(), (TILE, TILE))
    view.look_from((-1.0, 0.6, 0.5))
    pictures.append(view.picture())
    view.close()
    gap = np.zeros((TILE, 4, 3), np.uint8)
    return np.hstack([part for picture in pictures for part in (picture, gap)][:-1])


def main() -> None:
    """Segment, render, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--case", default="")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "Resources" / "Screenshots" / "slices-3d.png")
    arguments = parser.parse_args()
    boot()
    from ufseg.images.datasets import read_dataset

    unseen = json.loads((arguments.dataset / "split.json").read_text(encoding="utf-8"))["val"]
    cases = [case for case in read_dataset(arguments.dataset).cases if case.id in unseen]
    wanted = [case for case in cases if arguments.case in case.id]
    volume = load(wanted[0].images[0], wanted[0].id)
    png.imsave(arguments.output, tiles(volume, segment(volume)))
    print(f"{wanted[0].id}: {arguments.output}")


if __name__ == "__main__":
    main()

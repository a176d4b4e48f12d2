"""Pictures show segments where they are. Needs VTK's rendering without a screen: EGL of Debian's libegl1 and Mesa."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import slicer

import phantom
from nodes import add_volume
from UnifiedFocalSegLib.classes import read_classes
from UnifiedFocalSegLib.scene import label_to_segmentation

# In a process of its own, for a driver that is missing may end it.
_TRY = (
    "import vtk; w = vtk.vtkRenderWindow(); w.SetOffScreenRendering(1); w.SetSize(8, 8);"
    "w.AddRenderer(vtk.vtkRenderer()); w.Render(); assert w.SupportsOpenGL()"
)


@pytest.fixture(scope="module", autouse=True)
def rendering():
    """Skips where nothing can be rendered."""
    done = subprocess.run([sys.executable, "-c", _TRY], capture_output=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip("VTK cannot render without a screen here: install libegl1 and libgl1-mesa-dri")


@pytest.fixture
def study(scene):
    """Volume, segmentation, true label and grid of a phantom."""
    image, label, geometry = phantom.study(3)
    volume = add_volume(scene, image, geometry, "study")
    classes = read_classes([{"color": [90, 200, 250], **entry} for entry in phantom.CLASSES])
    return volume, label_to_segmentation(label, classes, volume), label, geometry


def centre(label, value, geometry) -> tuple[float, float, float]:
    k, j, i = np.argwhere(label == value).mean(axis=0)
    return tuple((geometry.ijk_to_ras @ np.array([i, j, k, 1.0]))[:3])


def is_coloured(pixel) -> bool:
    return int(pixel.max()) - int(pixel.min()) > 15


@pytest.mark.parametrize("orientation", ["Axial", "Coronal", "Sagittal"])
def test_segments_are_in_the_slice_where_they_are(study, orientation):
    from pictures.views import SliceView

    volume, _, label, geometry = study
    view = SliceView(volume, orientation, (300, 300))
    for value in (1, 4):
        ras = centre(label, value, geometry)
        view.go_to(ras)
        picture = view.picture()
        assert is_coloured(picture[view.pixel(ras)]), (orientation, value)
        assert not is_coloured(picture[2, 2])
    view.close()


def test_a_hidden_segment_is_not_in_the_picture(study):
    from pictures.views import SliceView

    volume, node, label, geometry = study
    node.GetDisplayNode().SetSegmentVisibility(node.GetSegmentation().GetNthSegmentID(0), False)
    view = SliceView(volume, "Axial", (300, 300))
    ras = centre(label, 1, geometry)
    view.go_to(ras)
    assert not is_coloured(view.picture()[view.pixel(ras)])
    view.close()


def test_surfaces_are_in_the_3d_view_in_their_colours(study, scene):
    from pictures.views import ThreeDView

    _, node, _, _ = study
    node.CreateClosedSurfaceRepresentation()
    view = ThreeDView(scene, (300, 300))
    view.look_from((0.0, 1.0, 0.3))
    picture = view.picture().reshape(-1, 3).astype(int)
    view.close()
    background = picture[0]
    shown = picture[np.abs(picture - background).sum(axis=1) > 60]
    assert len(shown) > 1000
    red = shown[:, 0] > shown[:, 2] + 40
    assert red.any()
    assert (~red).any()


def test_views_leave_nothing_in_the_scene(study, scene):
    from pictures.views import SliceView

    before = {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}
    view = SliceView(study[0])
    view.picture()
    view.close()
    after = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    left = [n.GetClassName() for n in after if n.GetID() not in before and not n.IsA("vtkMRMLDisplayNode")]
    assert left == [], left
    assert slicer.app.applicationLogic().GetSliceLogics().GetNumberOfItems() == 0

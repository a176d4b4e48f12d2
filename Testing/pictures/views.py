"""Views of the scene without widgets, as far as a picture needs them.

In the application qMRMLSliceView and qMRMLThreeDView join these parts: a slice or view logic, which owns the view's
node, and a group of displayable managers, which draw what the scene holds. Both are in slicer-core.
"""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

_SLICE_MANAGERS = ("vtkMRMLModelSliceDisplayableManager", "vtkMRMLSegmentationsDisplayableManager2D")
_THREED_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
)


class View:
    """A render window in memory with a group of displayable managers.

    Args:
        size: pixels, width and height.
        factory: of the managers.
        managers: names of their classes.
    """

    def __init__(self, size: tuple[int, int], factory, managers) -> None:
        self.renderer = vtk.vtkRenderer()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(8)
        self.window.SetSize(*size)
        self.window.AddRenderer(self.renderer)
        self._interactor = vtk.vtkRenderWindowInteractor()  # managers look for one
        self._interactor.SetRenderWindow(self.window)
        self._interactor.Initialize()
        factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self._managers = slicer.vtkMRMLDisplayableManagerGroup()
        self._managers.SetRenderer(self.renderer)
        self._managers.Initialize(factory, self.renderer)

    def follow(self, node) -> None:
        """Draw for this slice or view node."""
        self._managers.SetMRMLDisplayableNode(node)

    def picture(self) -> np.ndarray:
        """RGB ``[row, column, 3]`` uint8, the first row at the top."""
        self.window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.ReadFrontBufferOff()
        grab.Update()
        image = grab.GetOutput()
        width, height, _ = image.GetDimensions()
        pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)
        return pixels[::-1, :, :3].copy()

    def close(self) -> None:
        """Let go of the scene and the window."""
        self._managers.SetMRMLDisplayableNode(None)
        self.window.Finalize()


class SliceView(View):
    """A slice through a volume with what lies in it.

    Args:
        volume: shown in grey.
        orientation: "Axial", "Coronal" or "Sagittal".
        size: pixels, width and height.
    """

    def __init__(self, volume, orientation: str = "Axial", size: tuple[int, int] = (400, 400)) -> None:
        super().__init__(size, slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance(), _SLICE_MANAGERS)
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        scene = volume.GetScene()
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        slicer.app.applicationLogic().GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(scene)
        self.node = self.logic.AddSliceNode(scene.GenerateUniqueName("Picture"))
        self.node.SetOrientation(orientation)
        self.follow(self.node)
        self.logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
        self.logic.ResizeSliceNode(*size)
        self.logic.FitSliceToBackground()
        # The logic gives the slice as a finished RGBA image.
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        mapper.SetInputConnection(self.logic.GetImageDataConnection())
        actor = vtk.vtkActor2D()
        actor.SetMapper(mapper)
        # In a layer of its own: segments that are half transparent are blended with what is drawn already.
        behind = vtk.vtkRenderer()
        behind.AddViewProp(actor)
        self.window.SetNumberOfLayers(2)
        self.renderer.SetLayer(1)
        self.window.AddRenderer(behind)

    def go_to(self, ras: tuple[float, float, float]) -> None:
        """Show the slice through a point."""
        self.node.JumpSliceByOffsetting(*ras)

    def zoom(self, factor: float, ras: tuple[float, float, float]) -> None:
        """Show a part `factor` times as small, centred on a point."""
        width, height, depth = self.node.GetFieldOfView()
        self.node.SetFieldOfView(width / factor, height / factor, depth)
        self.node.JumpSliceByCentering(*ras)

    def pixel(self, ras: tuple[float, float, float]) -> tuple[int, int]:
        """Row and column of a point in `picture`."""
        inverse = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.node.GetXYToRAS(), inverse)
        column, row, _, _ = inverse.MultiplyPoint((*ras, 1.0))
        return self.window.GetSize()[1] - 1 - round(row), round(column)

    def close(self) -> None:
        super().close()
        slicer.app.applicationLogic().GetSliceLogics().RemoveItem(self.logic)
        scene = self.node.GetScene()
        model = self.logic.GetSliceModelNode()
        own = [model, model and model.GetParentTransformNode(), self.logic.GetSliceCompositeNode(), self.node]
        self.logic.SetMRMLScene(None)  # it would make them anew
        for node in own:
            if scene is not None and node is not None and scene.IsNodePresent(node):
                scene.RemoveNode(node)


class ThreeDView(View):
    """The surfaces of all segmentations that show themselves in 3D.

    Args:
        scene: the MRML scene.
        size: pixels, width and height.
    """

    def __init__(self, scene, size: tuple[int, int] = (400, 400)) -> None:
        super().__init__(size, slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(), _THREED_MANAGERS)
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        slicer.app.applicationLogic().GetViewLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(scene)
        self.node = self.logic.AddViewNode(scene.GenerateUniqueName("Picture"))
        self.node.SetBoxVisible(False)
        self.node.SetAxisLabelsVisible(False)
        self.follow(self.node)

    def look_from(self, direction: tuple[float, float, float], up: tuple[float, float, float] = (0, 0, 1)) -> None:
        """Look at everything from a direction (RAS)."""
        camera = self.renderer.GetActiveCamera()
        bounds = self.renderer.ComputeVisiblePropBounds()
        centre = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
        camera.SetFocalPoint(*centre)
        camera.SetPosition(*(c + 100 * d for c, d in zip(centre, direction, strict=True)))
        camera.SetViewUp(*up)
        self.renderer.ResetCamera()

    def close(self) -> None:
        super().close()
        slicer.app.applicationLogic().GetViewLogics().RemoveItem(self.logic)
        if self.node.GetScene() is not None:
            self.node.GetScene().RemoveNode(self.node)

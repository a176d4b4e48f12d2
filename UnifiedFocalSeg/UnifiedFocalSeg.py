"""UnifiedFocalSeg: segment, correct, and let the model learn from the correction, without leaving 3D Slicer."""

from typing import Annotated, Union

import slicer
import vtk
from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLVectorVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Default, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from UnifiedFocalSegLib import sample_data
from UnifiedFocalSegLib.logic import FocalSegLogic
from UnifiedFocalSegLib.scripting import offer_to_scripts


class UnifiedFocalSeg(ScriptedLoadableModule):
    """What Slicer shows about the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        offer_to_scripts(self.parent.logic(), "UnifiedFocalSeg")
        self.parent.title = _("Unified Focal Segmentation")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.contributors = [_("The UnifiedFocalSeg developers")]
        self.parent.helpText = _(
            "Segments images with a U-Net trained with the Unified Focal loss, and retrains it on your corrections. "
            "A new model is used only if it is better on validation cases. Everything is computed on this computer, "
            "unless you choose another. <a href='https://github.com/UnifiedFocalSeg/UnifiedFocalSeg'>Tutorial</a>"
        )
        self.parent.acknowledgementText = _(
            "The loss is that of Yeung et al., Unified Focal loss, Comput Med Imaging Graph 95 (2022) 102026."
        )
        slicer.app.connect("startupCompleted()", sample_data.register)


@parameterNodeWrapper
class UnifiedFocalSegParameterNode:
    """What the panel keeps in the scene."""

    # The type, not the .ui file, decides which nodes the selector offers. Slicer knows this way of writing it only.
    inputVolume: Union[vtkMRMLScalarVolumeNode, vtkMRMLVectorVolumeNode, None]  # noqa: UP007
    segmentation: vtkMRMLSegmentationNode
    regionOfInterest: vtkMRMLMarkupsROINode
    task: str
    note: str
    show3D: bool
    budgetMinutes: Annotated[float, WithinRange(0.02, 10000.0), Default(5.0)]


class UnifiedFocalSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel's life cycle; its parts are in `UnifiedFocalSegLib.widget`."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None
        self._parameterNode = None
        self._guiTag = None

    def setup(self):
        """Build the panel; called once."""
        from UnifiedFocalSegLib.widget.panel import Panel  # needs qt, which the logic can do without
        from UnifiedFocalSegLib.widget.panels import load_panels

        ScriptedLoadableModuleWidget.setup(self)
        self._uiWidget = load_panels(self.resourcePath)
        self.layout.addWidget(self._uiWidget)
        self.logic = UnifiedFocalSegLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui = slicer.util.childWidgetVariables(self._uiWidget)
        self.panel = Panel(self.ui, self.logic, UnifiedFocalSegParameterNode(self.logic.getParameterNode()))
        self.initializeParameterNode()

    def cleanup(self):
        """The panel goes away: leave the scene and stop the backend."""
        self._useParameterNode(None)
        self.removeObservers()
        self.panel.close()

    def enter(self):
        """The user opened the module."""
        self.initializeParameterNode()
        with slicer.util.tryWithErrorDisplay(_("The backend could not be started.")):
            self.panel.enter()

    def exit(self):
        """The user opened another module: stop following the scene; work under way goes on."""
        self.panel.exit()
        self._useParameterNode(None)

    def onSceneStartClose(self, _caller, _event):
        """Nothing may be put into a scene that closes."""
        self._useParameterNode(None)
        self.panel.scene_closing()

    def onSceneEndClose(self, _caller, _event):
        """Start anew with the empty scene."""
        self.initializeParameterNode()

    def initializeParameterNode(self):
        """Follow the parameter node and choose the first volume if none is chosen."""
        self._useParameterNode(UnifiedFocalSegParameterNode(self.logic.getParameterNode()))
        if self._parameterNode.inputVolume is None:
            self._parameterNode.inputVolume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")

    def _useParameterNode(self, parameterNode):
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onModified)
        self._parameterNode = parameterNode
        if parameterNode is not None:
            self._guiTag = parameterNode.connectGui(self._uiWidget)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self._onModified)
            self.panel.use_parameters(parameterNode)

    def _onModified(self, _caller=None, _event=None):
        self.panel.update()


class UnifiedFocalSegLogic(ScriptedLoadableModuleLogic, FocalSegLogic):
    """The module's logic for scripts: see `UnifiedFocalSegLib.logic`."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleLogic.__init__(self, parent)
        FocalSegLogic.__init__(self)


class UnifiedFocalSegTest(ScriptedLoadableModuleTest):
    """The module's test in the real application; the headless tests are in the folder Testing."""

    def runTest(self):
        """Run every check of `UnifiedFocalSegLib.self_test`."""
        from UnifiedFocalSegLib import self_test

        self_test.run_all(self.delayDisplay)

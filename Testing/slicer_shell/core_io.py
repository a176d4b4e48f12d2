"""Stand-in for qSlicerCoreIOManager: what `slicer.util.load…` and `save…` need, on Slicer's real storage nodes."""

from __future__ import annotations

from pathlib import Path

import slicer

_BY_SUFFIX = (
    ((".seg.nrrd", ".seg.vtm"), "SegmentationFile"),
    ((".mrb", ".mrml"), "SceneFile"),
    ((".tsv", ".csv"), "TableFile"),
    ((".h5", ".tfm"), "TransformFile"),
)
_NODES = {
    "SegmentationFile": ("vtkMRMLSegmentationNode", "vtkMRMLSegmentationStorageNode"),
    "TableFile": ("vtkMRMLTableNode", "vtkMRMLTableStorageNode"),
    "TransformFile": ("vtkMRMLTransformNode", "vtkMRMLTransformStorageNode"),
    "VolumeFile": ("vtkMRMLScalarVolumeNode", "vtkMRMLVolumeArchetypeStorageNode"),
}


class CoreIOManager:
    """Reads and writes single nodes."""

    def __init__(self, scene) -> None:
        self._scene = scene

    def fileType(self, file) -> str:
        """Which kind of file this is, by its name."""
        name = str(file).lower()
        return next((kind for suffixes, kind in _BY_SUFFIX if name.endswith(suffixes)), "VolumeFile")

    def fileWriterFileType(self, node) -> str:
        """Which kind of file a node is written to."""
        return next((kind for kind, (name, _) in _NODES.items() if node.IsA(name)), "VolumeFile")

    def loadNodes(self, kind: str, properties: dict, nodes, _messages=None) -> bool:
        """Read `properties["fileName"]` into a new node and add it to the collection `nodes`."""
        path = Path(str(properties["fileName"]))
        if not path.exists():
            return False
        class_name, _ = _NODES[kind]
        if properties.get("labelmap"):
            class_name = "vtkMRMLLabelMapVolumeNode"
        name = properties.get("name") or path.name.split(".")[0]
        node = self._scene.AddNewNodeByClass(class_name, self._scene.GenerateUniqueName(name))
        if not self._storage(kind, path).ReadData(node):
            self._scene.RemoveNode(node)
            return False
        node.CreateDefaultDisplayNodes()
        nodes.AddItem(node)
        return True

    def saveNodes(self, kind: str, properties: dict, _messages=None) -> bool:
        """Write the node `properties["nodeID"]` to `properties["fileName"]`."""
        node = self._scene.GetNodeByID(properties["nodeID"])
        return bool(self._storage(kind, Path(str(properties["fileName"]))).WriteData(node))

    def _storage(self, kind: str, path: Path):
        storage = getattr(slicer, _NODES[kind][1])()
        storage.SetScene(self._scene)
        storage.SetFileName(str(path))
        return storage

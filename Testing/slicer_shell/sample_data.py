"""Stand-in for Slicer's Sample Data module: what modules register, and loading it as that module does."""

from __future__ import annotations

import hashlib
import types
import urllib.request
from pathlib import Path

import slicer
import vtk


class SampleDataLogic:
    """Named and called as in Slicer.

    Args:
        cache: folder into which files are fetched.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    @staticmethod
    def registerCustomSampleDataSource(
        category="Custom",
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileType="VolumeFile",
        loadFiles=None,
        loadFileProperties=None,
        checksums=None,
    ) -> None:
        """Remember a sample in `slicer.modules.sampleDataSources`, once."""
        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        source = types.SimpleNamespace(
            sampleName=sampleName,
            uris=uris,
            fileNames=fileNames,
            nodeNames=nodeNames,
            thumbnailFileName=thumbnailFileName,
            loadFileType=loadFileType,
            checksums=checksums,
        )
        known = slicer.modules.sampleDataSources.setdefault(category, [])
        if source not in known:
            known.append(source)

    def downloadSamples(self, name: str) -> list:
        """Fetch a sample's files, check them and load them into the scene."""
        sources = [s for group in slicer.modules.sampleDataSources.values() for s in group if s.sampleName == name]
        nodes = vtk.vtkCollection()
        columns = ("uris", "fileNames", "nodeNames", "loadFileType", "checksums")
        for uri, file, node, kind, checksum in zip(*(getattr(sources[0], c) for c in columns), strict=True):
            path = self._cache / file
            urllib.request.urlretrieve(uri, path)
            algorithm, digest = checksum.split(":")
            assert hashlib.new(algorithm, path.read_bytes()).hexdigest() == digest, f"{path.name} is damaged"
            assert slicer.app.coreIOManager().loadNodes(kind, {"fileName": str(path), "name": node}, nodes)
        return list(nodes)

"""The module offers its sample data when Slicer has started; the data come with it and are what they say."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import slicer

import nodes
from slicer_shell.application import LoadedModule, install
from slicer_shell.sample_data import SampleDataLogic
from UnifiedFocalSegLib import sample_data
from UnifiedFocalSegLib.classes import read_classes
from UnifiedFocalSegLib.scene import volume_image
from UnifiedFocalSegLib.segmentation_export import segmentation_to_label

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def samples(scene, tmp_path, monkeypatch):
    """The Sample Data module after the application has started with the module file."""
    install()
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=SampleDataLogic))
    monkeypatch.setattr(slicer.modules, "sampleDataSources", {}, raising=False)
    LoadedModule(REPOSITORY / "UnifiedFocalSeg" / "UnifiedFocalSeg.py")
    slicer.app.emit("startupCompleted()")
    return SampleDataLogic(tmp_path)


def test_each_sample_is_offered_once_with_a_thumbnail_and_without_a_download(samples):
    sample_data.register()
    offered = slicer.modules.sampleDataSources[sample_data.category()]
    assert [s.sampleName for s in offered] == list(sample_data.SAMPLES)
    for source in offered:
        assert all(uri.startswith("file:///") for uri in source.uris)
        with open(source.thumbnailFileName, "rb") as file:
            assert file.read(8) == b"\x89PNG\r\n\x1a\n"


def test_a_sample_is_loaded_with_its_reference_in_place(samples):
    volume, reference = samples.downloadSamples("SyntheticCT1")
    assert (volume.GetName(), reference.GetName()) == ("SyntheticCT1", "SyntheticCT1 reference")
    assert nodes.segment_names(reference) == ["liver", "spleen", "lesion"]
    image, geometry = volume_image(volume)
    assert geometry.spacing == pytest.approx((3.0, 3.0, 4.5))
    classes = read_classes([{"name": n, "value": v} for v, n in enumerate(("liver", "spleen", "lesion"), start=1)])
    label, _ = segmentation_to_label(reference, volume, classes)
    means = [np.median(image[label == value]) for value in (1, 2, 3)]  # HU of what was drawn
    assert means == pytest.approx([110, 150, 60], abs=40)


def test_every_sample_can_be_loaded(samples):
    for name, files in sample_data.SAMPLES.items():
        loaded = samples.downloadSamples(name)
        assert [n.GetName() for n in loaded] == [f.node for f in files]

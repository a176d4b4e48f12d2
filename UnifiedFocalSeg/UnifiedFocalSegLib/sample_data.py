"""Sample data of the module, registered with Slicer's Sample Data module.

The files are part of the extension and synthetic (drawn by the backend's phantom): nothing is downloaded, and they hold
no patient's data. Slicer copies them into its cache like downloaded ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .translation import tr as _

FOLDER = Path(__file__).resolve().parents[1] / "Resources" / "SampleData"


@dataclass(frozen=True)
class SampleFile:
    """A file that comes with the extension.

    Args:
        name: in `FOLDER`.
        node: name of the node that it is loaded into.
        kind: Slicer's name of the file type.
        sha256: of the file, in hexadecimal digits.
    """

    name: str
    node: str
    kind: str
    sha256: str


SAMPLES = {
    "SyntheticCT1": (
        SampleFile(
            "SyntheticCT1.nrrd",
            "SyntheticCT1",
            "VolumeFile",
            "0155fa41f030c2125f108d2d33fd7e1f1d0c4903b80a4e509df9cd7f41a2e38a",
        ),
        SampleFile(
            "SyntheticCT1-reference.seg.nrrd",
            "SyntheticCT1 reference",
            "SegmentationFile",
            "ce5fa3cbddef92df0c8f6c3f0b7a08e47b57fa36e53c4b15798ed56cf9801012",
        ),
    ),
    "SyntheticCT2": (
        SampleFile(
            "SyntheticCT2.nrrd",
            "SyntheticCT2",
            "VolumeFile",
            "a0d72c1f4f1a3d47833ba68f1c576e45068947822a2eff4199953eb7ed6e0a99",
        ),
    ),
}


def category() -> str:
    """Heading under which Sample Data shows them: the module's title."""
    return _("Unified Focal Segmentation")


def register() -> None:
    """Offer the samples; called when Slicer has started, for its modules are loaded in any order."""
    from SampleData import SampleDataLogic

    for name, files in SAMPLES.items():
        SampleDataLogic.registerCustomSampleDataSource(
            category=category(),
            sampleName=name,
            thumbnailFileName=str(FOLDER / f"{name}.png"),
            uris=[(FOLDER / file.name).as_uri() for file in files],
            fileNames=[f"UnifiedFocalSeg-{file.name}" for file in files],
            nodeNames=[file.node for file in files],
            loadFileType=[file.kind for file in files],  # the name that Slicer 5.10 and 5.12 both know
            checksums=[f"SHA256:{file.sha256}" for file in files],
        )

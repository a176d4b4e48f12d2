"""Dataset folders of phantoms, as another program would have left them."""

from __future__ import annotations

import json
from pathlib import Path

import SimpleITK as sitk

import phantom


def write_dataset(folder: Path, cases: int, damaged: int = 0) -> Path:
    """``images/`` and ``labels/`` with some cases; the label maps of the last `damaged` ones are too small."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for seed in range(cases):
        image, label, _geometry = phantom.study(seed)
        cut = label[1:] if seed >= cases - damaged else label
        for name, array in (("images", image), ("labels", cut)):
            sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / name / f"case{seed}.nrrd"))
    (folder / "classes.json").write_text(json.dumps(phantom.VALUES), encoding="utf-8")
    return folder

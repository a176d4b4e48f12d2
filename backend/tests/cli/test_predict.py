"""``ufseg predict``: many images, several formats, mistakes said at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from ufseg import __version__
from ufseg.images.class_table import ClassEntry, ClassTable
from ufseg.images.reading import read_image, read_label_map
from ufseg.networks.build import build_network, network_state
from ufseg.networks.model_folder import LossChoice, ModelDescription, write_model
from ufseg.plans.plan import Plan, ZScore

from .conftest import Run

CLASSES = ClassTable(entries=(ClassEntry(value=3, name="organ", color=(1, 2, 3)), ClassEntry(value=8, name="lesion")))


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder for MRI with random weights."""
    plan = Plan(
        dimension=3,
        modality="MRI",
        spacing=(3.0, 2.0, 2.0),
        patch_size=(8, 16, 16),
        batch_size=1,
        features=(4, 8, 8),
        kernel_sizes=((3, 3, 3),) * 3,
        strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)),
        normalisation=(ZScore(),),
        classes=3,
    )
    description = ModelDescription(
        name="knees",
        task="test",
        plan=plan,
        classes=CLASSES,
        channel_names=["image"],
        loss=LossChoice(name="asymmetric-unified-focal"),
        trained_on=[],
        seconds=0.0,
        device="CPU",
        created=datetime(2025, 1, 1, tzinfo=timezone.utc),
        ufseg_version=__version__,
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("untrained")
    write_model(folder, description, network_state(build_network(plan, 1)))
    return folder


def write_volume(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(np.random.default_rng(seed).integers(0, 900, (9, 20, 24)).astype(np.int16))
    image.SetSpacing((1.5, 1.5, 4.0))
    sitk.WriteImage(image, str(path))
    return path


def write_ct_series(folder: Path) -> Path:
    folder.mkdir(parents=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in range(4):
        image = sitk.GetImageFromArray(np.full((1, 16, 16), 40 * k, np.int16))
        uid = "1.2.826.0.1.3680043.2.1125"
        tags = {
            "0008|0060": "CT", "0010|0010": "Doe^Jane", "0020|000d": f"{uid}.1", "0020|000e": f"{uid}.2",
            "0008|0018": f"{uid}.3.{k}", "0020|0032": f"0\\0\\{2 * k}", "0020|0037": "1\\0\\0\\0\\1\\0",
        }  # fmt: skip
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"IM{k}.dcm"))
        writer.Execute(image)
    return folder


def test_a_folder_is_predicted_and_what_is_corrupt_is_named(ufseg: Run, untrained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    good = [write_volume(folder / "one.nii.gz", 1), write_volume(folder / "two.nrrd", 2)]
    series = write_ct_series(folder / "series A")
    (folder / "broken.nii.gz").write_bytes(good[0].read_bytes()[:-300])
    done = ufseg("predict", folder, "--model", untrained, "--output", tmp_path / "out", "--device", "cpu")
    assert done.returncode == 1
    assert "1 of 4 images were not segmented" in done.stderr
    assert "broken.nii.gz" in done.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "one.nii.gz",
        "two.nii.gz",
        "series A.nii.gz",
        "classes.json",
    }
    for image in (*good, series):
        name = "series A" if image == series else image.name.split(".")[0]
        read_label_map(tmp_path / "out" / f"{name}.nii.gz", CLASSES, read_image(image).geometry)
    written = json.loads((tmp_path / "out" / "classes.json").read_text(encoding="utf-8"))
    assert [(e["value"], e["name"]) for e in written["entries"]] == [(3, "organ"), (8, "lesion")]
    assert written["entries"][0]["color"] == [1, 2, 3]
    assert len(written["entries"][1]["color"]) == 3
    # The model is for MRI, and only the series says what it is.
    assert done.stderr.count("Warning") == 1
    assert "is CT by its DICOM header, but the model knees was trained on MRI" in done.stderr
    assert "Doe" not in done.stdout + done.stderr


def test_slicers_format_holds_names_itself(ufseg: Run, untrained: Path, tmp_path: Path) -> None:
    series = write_ct_series(tmp_path / "knee")
    options = ("--format", "seg.nrrd", "--overlap", 0.25, "--device", "cpu")
    done = ufseg("predict", series, "--model", untrained, "--output", tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["knee.seg.nrrd"]
    fields = sitk.ReadImage(str(tmp_path / "out" / "knee.seg.nrrd"))
    assert [fields.GetMetaData(f"Segment{n}_Name") for n in (0, 1)] == ["organ", "lesion"]
    assert [fields.GetMetaData(f"Segment{n}_LabelValue") for n in (0, 1)] == ["3", "8"]
    read_label_map(tmp_path / "out" / "knee.seg.nrrd", CLASSES, read_image(series).geometry)


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        ("missing image", "There is no file"),
        ("missing model", "model"),
        ("output there", "1 of 1 label maps would replace a file"),
        ("other classes", "describes other classes"),
        ("overlap", "choose 0 to 0.9"),
        ("empty folder", "holds no image"),
    ],
)
def test_mistakes_are_said_before_torch_is_loaded(untrained: Path, tmp_path: Path, mistake: str, sentence: str) -> None:
    image, out = write_volume(tmp_path / "in" / "scan.nii.gz"), tmp_path / "out"
    out.mkdir()
    arguments = [str(image), "--model", str(untrained), "--output", str(out)]
    if mistake == "missing image":
        arguments.append(str(tmp_path / "absent.nii.gz"))
    elif mistake == "missing model":
        arguments[2] = str(tmp_path / "no model")
    elif mistake == "output there":
        (out / "scan.nii.gz").write_text("corrected by hand", encoding="utf-8")
    elif mistake == "other classes":
        (out / "classes.json").write_text('{"kidney": 1}', encoding="utf-8")
    elif mistake == "overlap":
        arguments += ["--overlap", "1.5"]
    else:
        (tmp_path / "empty").mkdir()
        arguments[0] = str(tmp_path / "empty")
    code = (
        "import sys\nfrom ufseg.cli.main import main\n"
        "try:\n    main()\nfinally:\n    assert 'torch' not in sys.modules and 'monai' not in sys.modules\n"
    )
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": "200"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "AssertionError" not in done.stderr
    assert before.items() <= {p.name: p.read_bytes() for p in out.iterdir()}.items()
    assert not [p for p in out.iterdir() if p.name.startswith("scan") and p.name not in before]

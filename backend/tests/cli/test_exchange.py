"""``ufseg export``, ``ufseg import`` and DICOM SEG, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_squares_model
from workspace_samples import fill

from ufseg.images.reading import read_label_map
from ufseg.workspace.workspace import Workspace

from .conftest import Run

PATIENT = "Planted^Patient"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exchange") / "squares"
    write_squares_model(folder)
    return folder


def test_a_dicom_series_is_segmented_as_dicom_seg(ufseg: Run, model: Path, shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    import pydicom

    series = tmp_path / "series"
    series.mkdir()
    for source in (shared_data / "dicom" / "ct_3slice_with_seg" / "23x38x3" / "image").iterdir():
        slice_ = pydicom.dcmread(source)
        slice_.PatientName = PATIENT
        slice_.save_as(series / source.name)
    done = ufseg(
        "predict", series, "--model", model, "-o", tmp_path / "out", "--format", "dicom-seg", "--device", "cpu"
    )
    assert done.returncode == 0, done.stderr
    assert PATIENT not in done.stdout + done.stderr
    assert "Planted" not in done.stdout + done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["series.dcm"]
    assert pydicom.dcmread(tmp_path / "out" / "series.dcm").PatientName == PATIENT
    plain = ufseg("predict", series, "--model", model, "-o", tmp_path / "plain", "--format", "nrrd", "--device", "cpu")
    assert plain.returncode == 0, plain.stderr
    taken = ufseg("import", "dicom-seg", tmp_path / "out" / "series.dcm", "--image", series, "-o", tmp_path / "a.nrrd")
    assert taken.returncode == 0, taken.stderr
    # Segments are numbered 1, 2; the classes' values are 1 and 3.
    expected = read_label_map(tmp_path / "plain" / "series.nrrd").array
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.nrrd").array, np.where(expected == 3, 2, expected))


def test_an_image_that_is_no_series_gets_no_dicom_seg(ufseg: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "image.nrrd").write_bytes(b"")
    done = ufseg("predict", tmp_path / "image.nrrd", "--model", model, "-o", tmp_path / "out", "--format", "dicom-seg")
    assert done.returncode == 1
    assert "no folder of one DICOM series" in done.stderr
    assert not (tmp_path / "out").exists()


def test_cases_and_models_are_exported(ufseg: Run, model: Path, tmp_path: Path) -> None:
    with Workspace(tmp_path / "workspace") as workspace:
        fill(workspace, "Squares", training=1, validation=1)
    folder = tmp_path / "dataset"
    done = ufseg("export", "cases", "Squares", "-o", folder, "--workspace", tmp_path / "workspace")
    assert done.returncode == 0, done.stderr
    assert "2 cases with and 0 without" in done.stdout
    written = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    assert written["labels"] == {"background": 0, "organ": 1, "lesion": 2}
    refused = ufseg("export", "model", "--model", model, "-o", tmp_path / "bundle")
    assert refused.returncode == 1
    assert "only 3D models are written as MONAI bundles" in refused.stderr

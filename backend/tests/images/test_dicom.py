from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ufseg.errors import GeometryError, ImageError
from ufseg.images.dicom import modality_of
from ufseg.images.reading import read_image
from ufseg.images.writing import write_image

PATIENT = "Doe^Jane"
SLICES = np.random.default_rng(0).integers(-1000, 1000, (6, 12, 10)).astype(np.int16)


def write_series(
    folder: Path,
    uid: str = "1.2.826.0.1.3680043.2.1125.1",
    positions: list[tuple[float, float, float]] | None = None,
    prefix: str = "s",
) -> None:
    """DICOM slices; their file names run against their positions."""
    folder.mkdir(exist_ok=True)
    positions = positions or [(-20.0, -30.0, 100 + 2.5 * k) for k in range(len(SLICES))]
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k, position in enumerate(positions):
        image = sitk.GetImageFromArray(SLICES[k : k + 1])
        image.SetSpacing((0.8, 0.9, 2.5))
        tags = {
            "0008|0060": "CT", "0010|0010": PATIENT, "0010|0020": "4711", "0020|000d": "1.2.826.0.1.3680043.2.1125.9",
            "0020|000e": uid, "0008|0018": f"{uid}.{k}", "0020|0013": str(k), "0028|1052": "0", "0028|1053": "1",
            "0020|0032": "\\".join(map(str, position)), "0020|0037": "1\\0\\0\\0\\1\\0", "0008|0008": "ORIGINAL",
        }  # fmt: skip
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{prefix}{99 - k}.dcm"))
        writer.Execute(image)


def test_a_series_is_ordered_by_position_with_its_geometry(tmp_path: Path) -> None:
    write_series(tmp_path / "ct")
    image = read_image(tmp_path / "ct")
    np.testing.assert_array_equal(image.array, SLICES[np.newaxis])
    np.testing.assert_allclose(image.geometry.spacing, (0.8, 0.9, 2.5))
    np.testing.assert_allclose(image.geometry.origin, (-20, -30, 100))
    np.testing.assert_allclose(image.geometry.matrix, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".mha"])
def test_no_tag_but_geometry_survives_writing(tmp_path: Path, ending: str) -> None:
    write_series(tmp_path / "ct")
    write_image(tmp_path / f"x{ending}", read_image(tmp_path / "ct"))
    assert b"Doe" not in (tmp_path / f"x{ending}").read_bytes()
    again = sitk.ReadImage(str(tmp_path / f"x{ending}"))
    values = " ".join(again.GetMetaData(k) for k in again.GetMetaDataKeys())
    assert PATIENT not in values
    assert "4711" not in values


def test_a_single_slice_is_a_volume_of_one(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", positions=[(0, 0, 5)])
    assert read_image(tmp_path / "ct").array.shape == (1, 1, 12, 10)
    assert read_image(tmp_path / "ct" / "s99.dcm").array.shape == (1, 1, 12, 10)


def test_a_folder_without_dicom(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letter.txt").write_text("no image", encoding="utf-8")
    with pytest.raises(ImageError, match="holds no DICOM series"):
        read_image(tmp_path)
    assert capfd.readouterr().err == ""


def test_several_series_are_listed_with_their_counts(tmp_path: Path) -> None:
    write_series(tmp_path / "ct")
    write_series(tmp_path / "ct", "1.2.826.0.1.3680043.2.1125.2", [(0, 0, 0), (0, 0, 2)], prefix="t")
    with pytest.raises(ImageError, match=r"2 DICOM series \(.*: [62] files, .*: [62] files\)"):
        read_image(tmp_path / "ct")


def test_a_missing_slice_is_noticed(tmp_path: Path) -> None:
    write_series(tmp_path / "ct")
    (tmp_path / "ct" / "s97.dcm").unlink()
    with pytest.raises(ImageError, match=r"mostly 2\.5 mm apart, but 5 mm between slices"):
        read_image(tmp_path / "ct")


@pytest.mark.parametrize("slice_name", ["s99.dcm", "s97.dcm", "s94.dcm"])
def test_a_truncated_slice_is_noticed_wherever_it_lies(tmp_path: Path, slice_name: str) -> None:
    write_series(tmp_path / "ct")
    path = tmp_path / "ct" / slice_name
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ImageError, match=slice_name):
        read_image(tmp_path / "ct")


def test_a_doubled_slice_is_noticed(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", positions=[(0, 0, z) for z in (0, 2, 2, 4, 6, 8)])
    with pytest.raises(ImageError, match="0 mm between slices"):
        read_image(tmp_path / "ct")


def test_gantry_tilt_is_refused_with_its_angle(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", positions=[(0, 2.5 * k * np.tan(np.radians(15)), 2.5 * k) for k in range(6)])
    with pytest.raises(GeometryError, match="15 degrees"):
        read_image(tmp_path / "ct")


def test_real_series(shared_data: Path) -> None:
    image = read_image(shared_data / "dicom" / "ct_jpeg2000")
    assert image.array.shape == (1, 20, 512, 512)
    assert image.array.min() >= -8192
    small = read_image(shared_data / "dicom" / "ct_3slice_with_seg" / "ct-3slice")
    label = read_image(shared_data / "dicom" / "ct_3slice_with_seg" / "liver_seg.nrrd")
    assert small.geometry.difference(label.geometry) is None


def test_the_modality_is_read_from_slices_only(tmp_path: Path) -> None:
    write_series(tmp_path / "ct")
    (tmp_path / "ct" / "a note.txt").write_text("no slice", encoding="utf-8")
    write_image(tmp_path / "volume.nii.gz", read_image(tmp_path / "ct"))
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM and then nothing")
    assert modality_of(tmp_path / "ct") == "CT"
    assert modality_of(tmp_path / "ct" / "s99.dcm") == "CT"
    assert modality_of(tmp_path / "volume.nii.gz") is None
    assert modality_of(tmp_path / "broken.dcm") is None

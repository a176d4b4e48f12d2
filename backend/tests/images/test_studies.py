"""Which images are meant by files and folders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ufseg.errors import ImageError, InputError
from ufseg.images.studies import Study, find_studies, require_present


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0" * 128 + b"DICM" if path.suffix == "" else b"x")


def names(studies: list[Study]) -> list[str]:
    return [s.name for s in studies]


def test_files_are_named_without_their_ending(tmp_path: Path) -> None:
    files = [tmp_path / n for n in ("b.nii.gz", "a.v2.nrrd", "c.PNG")]
    touch(*files)
    studies = find_studies(files, 1)
    assert names(studies) == ["b", "a.v2", "c"]
    assert [s.files for s in studies] == [(f,) for f in files]


def test_channels_are_joined_by_commas_unless_a_file_is_called_so(tmp_path: Path) -> None:
    files = [tmp_path / n for n in ("t1.nii", "t2.nii", "one, two.nii")]
    touch(*files)
    studies = find_studies([Path(f"{files[0]},{files[1]}"), files[2]], 2)
    assert [s.files for s in studies] == [(files[0], files[1]), (files[2],)]


def test_a_folder_stands_for_its_images_and_series(tmp_path: Path) -> None:
    touch(
        tmp_path / "b.nii.gz",
        tmp_path / "a.nrrd",
        tmp_path / ".hidden.nrrd",
        tmp_path / "a.seg.nrrd",
        tmp_path / "notes.txt",
        tmp_path / "series" / "IM1",
        tmp_path / "series" / "preview.jpg",
        tmp_path / "other" / "readme.txt",
    )
    studies = find_studies([tmp_path], 1)
    assert [(s.name, s.files) for s in studies] == [
        ("a", (tmp_path / "a.nrrd",)),
        ("b", (tmp_path / "b.nii.gz",)),
        ("series", (tmp_path / "series",)),
    ]


@pytest.mark.parametrize("name", ["IM1", "1.dcm"])
def test_a_folder_of_slices_is_one_image(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "ct" / name, tmp_path / "ct" / ("x" + name))
    assert find_studies([tmp_path / "ct"], 1) == [Study("ct", (tmp_path / "ct",))]
    monkeypatch.chdir(tmp_path / "ct")
    assert names(find_studies([Path()], 1)) == ["ct"]


def test_numbered_files_are_channels_of_a_case(tmp_path: Path) -> None:
    files = [tmp_path / f"{case}_{c:04d}.nii.gz" for case in ("a", "b") for c in (0, 1)]
    touch(*files)
    assert [(s.name, s.files) for s in find_studies([tmp_path], 2)] == [
        ("a", (files[0], files[1])),
        ("b", (files[2], files[3])),
    ]
    files[3].unlink()
    with pytest.raises(InputError, match=r"The case b .* has 1 numbered file, but the model takes 2 channels.*b_0001"):
        find_studies([tmp_path], 2)


def test_numbers_of_a_single_channel_are_no_part_of_the_name(tmp_path: Path) -> None:
    touch(tmp_path / "a_0000.nii.gz", tmp_path / "b_0000.nii.gz")
    assert names(find_studies([tmp_path], 1)) == ["a", "b"]
    touch(tmp_path / "scan_0012.nii.gz")
    assert names(find_studies([tmp_path], 1)) == ["a_0000", "b_0000", "scan_0012"]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "here.nii")
    gone = [tmp_path / "gone.nii", tmp_path / "away.nii"]
    with pytest.raises(ImageError, match=r"no file .*gone\.nii\. .* 2 of the files"):
        require_present([tmp_path / "here.nii", *gone])
    with pytest.raises(ImageError, match=r"no file .*away\.nii"):
        find_studies([Path(f"{tmp_path / 'here.nii'},{gone[1]}")], 2)


def test_folders_without_an_answer_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "empty" / "notes.txt", tmp_path / "mixed" / "IM1", tmp_path / "mixed" / "label.nii.gz")
    with pytest.raises(InputError, match="holds no image"):
        find_studies([tmp_path / "empty"], 1)
    with pytest.raises(InputError, match=r"DICOM slices and 1 other image file, such as label\.nii\.gz"):
        find_studies([tmp_path / "mixed"], 1)


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "x.nii", tmp_path / "y" / "x.nrrd")
    with pytest.raises(InputError, match="have the same name"):
        find_studies([tmp_path / "x.nii", tmp_path / "y" / "x.nrrd"], 1)


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, ufseg.images.studies; sys.exit(any(m in sys.modules for m in ('torch', 'SimpleITK', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

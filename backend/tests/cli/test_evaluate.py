"""``ufseg evaluate``: its files, comparison and refusals."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner, Result

from ufseg.cli.main import app
from ufseg.errors import DatasetError, GeometryError, InputError, LabelError, StorageError
from ufseg.images.class_table import ClassTable
from ufseg.images.reading import read_label_map
from ufseg.images.segmentation_file import write_segmentation

from .conftest import Run


def write(path: Path, array: np.ndarray, spacing: tuple[float, ...] = (0.8, 0.8, 2.5)) -> None:
    path.parent.mkdir(exist_ok=True)
    image = sitk.GetImageFromArray(array.astype(np.uint8))
    image.SetSpacing(spacing[: array.ndim])
    sitk.WriteImage(image, str(path))


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six cases in ``reference``, predictions off by a voxel in ``near`` and by three in ``far``; ``far`` lacks the
    lesion of the first."""
    folder = tmp_path_factory.mktemp("evaluate")
    rng = np.random.default_rng(0)
    for number in range(6):
        truth = np.zeros((8, 24, 24))
        low = rng.integers(3, 6)
        truth[2:6, low : low + 10, 4:16] = 1
        truth[3:5, low + 3 : low + 6, 7:10] = 2
        name = f"case{number}.nii.gz"
        write(folder / "reference" / name, truth)
        write(folder / "near" / name, np.roll(truth, 1, 2))
        far = np.roll(truth, 3, 2)
        if number == 0:
            far[far == 2] = 1
        write(folder / "far" / name, far)
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_slicers_segmentations_are_matched_by_name(folders: Path, tmp_path: Path) -> None:
    classes = ClassTable.of({"organ": 1, "lesion": 2})
    for path in (folders / "near").iterdir():
        label = read_label_map(path)
        write_segmentation(tmp_path / path.name.replace(".nii.gz", ".seg.nrrd"), label, classes)
    scores = []
    for number, folder in enumerate((folders / "near", tmp_path)):
        found = tmp_path / f"{number}.json"
        done = run(folder, folders / "reference", "--class", "organ=1", "--class", "lesion=2", "--json", found)
        assert done.exit_code == 0, done.exception
        scores.append(json.loads(found.read_text(encoding="utf-8"))["per_case"])
    assert scores[0] == scores[1]
    assert len(scores[0]) == 6


def test_every_file_and_the_comparison(ufseg: Run, folders: Path, tmp_path: Path) -> None:
    files = {kind: tmp_path / f"scores.{kind}" for kind in ("csv", "json", "md", "png")}
    done = ufseg(
        "evaluate",
        folders / "near",
        folders / "reference",
        *("--compare", folders / "far", "--class", "organ=1", "--class", "lesion=2"),
        *("--tolerance", 1, "--tolerance", "lesion=0.5"),
        *("--csv", files["csv"], "--json", files["json"], "--markdown", files["md"], "--figure", files["png"]),
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "case\torgan\tlesion"
    assert sum(line.startswith("case") for line in lines) == 7
    assert any(line.startswith("mean Dice over 6 cases: 0.") for line in lines)
    assert "far, lesion: not found in case0" in lines
    told = json.loads(files["json"].read_text(encoding="utf-8"), parse_constant=lambda name: pytest.fail(name))
    assert told["tolerances_mm"] == {"organ": 1.0, "lesion": 0.5}
    assert told["predictions"] == ["near", "far"]
    (hd95,) = [
        r for r in told["summary"] if (r["predictions"], r["class_name"], r["metric"]) == ("near", "organ", "hd95")
    ]
    assert hd95["over_cases"]["mean"] == pytest.approx(0.8)
    (dice,) = [r for r in told["comparison"] if (r["class_name"], r["metric"]) == ("organ", "dice")]
    # Six gains of six: 2 / 2⁶, three times for the two classes and their mean.
    assert dice["signed_rank_p"] == pytest.approx(2 / 64)
    assert dice["signed_rank_holm"] == pytest.approx(6 / 64)
    with files["csv"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {r["predictions"] for r in rows} == {"near", "far"}
    (missed,) = [r for r in rows if r["empty"] and r["metric"] == "hd95"]
    assert (missed["case"], missed["empty"]) == ("case0", "prediction")
    assert float(missed["value"]) == pytest.approx(np.linalg.norm([24 * 0.8, 24 * 0.8, 8 * 2.5]))
    assert "Difference: near − far" in files["md"].read_text(encoding="utf-8")
    assert files["png"].read_bytes().startswith(b"\x89PNG")


def test_pictures(tmp_path: Path) -> None:
    truth = np.zeros((20, 30))
    truth[5:15, 5:15] = 255
    write(tmp_path / "a" / "x.png", truth)
    write(tmp_path / "b" / "x.png", np.roll(truth, 2, 0))
    done = run(tmp_path / "b", tmp_path / "a", "--json", tmp_path / "s.json")
    assert done.exit_code == 0
    told = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    hd95 = next(s["value"] for s in told["scores"] if s["metric"] == "hd95")
    assert hd95 == pytest.approx(2 * 0.8)  # PNG files carry their spacing
    assert told["comparison"] is None
    assert told["summary"][0]["over_cases"]["low"] is None


def test_folders_of_the_same_name_are_told_apart(folders: Path, tmp_path: Path) -> None:
    others = tmp_path / "near"
    shutil.copytree(folders / "far", others)
    done = run(folders / "near", folders / "reference", "--compare", others, "--json", tmp_path / "s.json")
    assert done.exit_code == 0
    told = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert told["predictions"] == [str(folders / "near"), str(others)]


def test_a_prediction_is_not_compared_with_itself(folders: Path) -> None:
    done = run(folders / "near", folders / "reference", "--compare", folders / "near")
    assert isinstance(done.exception, DatasetError)
    assert "with itself" in str(done.exception)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (["--figure", "scores.bmp"], InputError, ".png"),
        (["--json", "absent/scores.json"], StorageError, "no folder"),
        (["--csv", "."], StorageError, "folder"),
        (["--class", "organ=1"], LabelError, "2"),
        (["--compare", "absent"], DatasetError, "absent"),
    ],
)
def test_refused_before_the_work(
    folders: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], error: type[Exception], message: str
) -> None:
    monkeypatch.chdir(folders)
    done = run("near", "reference", *options)
    assert isinstance(done.exception, error)
    assert message in str(done.exception)


@pytest.mark.parametrize("tolerance", ["-1", "nan", "inf", "soon", "liver=1", "class 1=x"])
def test_a_tolerance_that_is_none(folders: Path, tolerance: str) -> None:
    done = run(folders / "near", folders / "reference", f"--tolerance={tolerance}")
    assert done.exit_code == 2


def test_another_grid_is_refused(folders: Path, tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path / "p" / f"case{number}.nii.gz", np.ones((8, 24, 24)), (0.8, 0.8, 2.0))
    done = run(tmp_path / "p", folders / "reference")
    assert isinstance(done.exception, GeometryError)
    assert "spacing" in str(done.exception)

"""From a dataset folder to label maps and their scores."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ufseg.cli.train_folder import HELD_OUT_FRACTION, split
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.datasets import Dataset
from ufseg.images.reading import read_image, read_label_map
from ufseg.networks.model_folder import read_description
from ufseg.workspace.membership import place_of

from .conftest import Run


def test_training_writes_a_readable_model(model: Path) -> None:
    description = read_description(model)
    assert description.loss.name == "asymmetric-unified-focal"
    assert description.trained_on
    assert description.classes.names
    assert {p.name for p in model.iterdir()} >= {"model.json", "weights.safetensors"}


def test_held_out_cases_are_not_trained_on(model: Path, phantom: Path) -> None:
    trained_on = set(read_description(model).trained_on)
    cases = {p.name.split(".")[0] for p in (phantom / "images").iterdir()}
    assert trained_on < cases


def test_predictions_lie_on_the_images_grid(ufseg: Run, model: Path, phantom: Path, tmp_path: Path) -> None:
    images = sorted((phantom / "images").iterdir())[:2]
    done = ufseg("predict", *images, "--model", model, "--output", tmp_path / "out", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    classes = read_description(model).classes
    for image in images:
        name = image.name.split(".")[0]
        assert f"{name}.nii.gz" in done.stdout
        read_label_map(tmp_path / "out" / f"{name}.nii.gz", classes, read_image(image).geometry)


def test_a_label_map_never_replaces_a_file_such_as_its_image(
    ufseg: Run, model: Path, phantom: Path, tmp_path: Path
) -> None:
    image = tmp_path / "scan.nii.gz"
    sitk.WriteImage(sitk.ReadImage(str(sorted((phantom / "images").iterdir())[0])), str(image))
    before = image.read_bytes()
    done = ufseg("predict", image, "--model", model, "--output", tmp_path, "--device", "cpu")
    assert done.returncode == 1
    assert "1 of 1 label maps would replace a file" in done.stderr
    assert image.read_bytes() == before


def test_evaluating_references_against_themselves_is_perfect(ufseg: Run, phantom: Path, tmp_path: Path) -> None:
    report = tmp_path / "scores.json"
    done = ufseg("evaluate", phantom / "labels", phantom / "labels", "--json", report)
    assert done.returncode == 0, done.stderr
    assert "1.0000" in done.stdout
    assert json.loads(report.read_text(encoding="utf-8"))["mean"] == pytest.approx(1.0)


def test_epochs_and_budget_exclude_each_other(ufseg: Run, phantom: Path, tmp_path: Path) -> None:
    done = ufseg("train", phantom, "--output", tmp_path / "m", "--budget", "5s", "--epochs", 1)
    assert done.returncode == 2


@pytest.mark.parametrize("budget", ["0s", "-3", "soon", "nan"])
def test_a_budget_that_is_no_time_is_refused(ufseg: Run, phantom: Path, tmp_path: Path, budget: str) -> None:
    done = ufseg("train", phantom, "--output", tmp_path / "m", f"--budget={budget}")
    assert done.returncode == 2
    assert not (tmp_path / "m").exists()


def test_an_empty_dataset_is_refused_in_words(ufseg: Run, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    done = ufseg("train", tmp_path, "--output", tmp_path / "model")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "empty" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_label_of_another_size_is_refused_with_both_sizes(ufseg: Run, phantom: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(phantom, folder)
    label = sorted((folder / "labels").iterdir())[0]
    image = sitk.ReadImage(str(label))
    sitk.WriteImage(image[1:, :, :], str(label))
    done = ufseg("train", folder, "--output", tmp_path / "model", "--epochs", 1)
    assert done.returncode == 1
    assert f"{image.GetSize()[0]}" in done.stderr
    assert f"{image.GetSize()[0] - 1}" in done.stderr


def test_an_image_with_nan_is_refused(ufseg: Run, phantom: Path, model: Path, tmp_path: Path) -> None:
    image = sitk.Cast(sitk.ReadImage(str(sorted((phantom / "images").iterdir())[0])), sitk.sitkFloat32)
    array = sitk.GetArrayFromImage(image)
    array[3, 4, 5] = np.nan
    broken = sitk.GetImageFromArray(array)
    broken.CopyInformation(image)
    sitk.WriteImage(broken, str(tmp_path / "nan.nii.gz"))
    done = ufseg("predict", tmp_path / "nan.nii.gz", "--model", model, "--output", tmp_path / "out")
    assert done.returncode == 1
    assert "NaN" in done.stderr


def test_a_stopped_training_is_resumed(phantom: Path, ufseg: Run, tmp_path: Path) -> None:
    data = shutil.copytree(phantom, tmp_path / "data")
    for image in sorted((data / "images").iterdir())[:2]:
        sitk.WriteImage(sitk.ReadImage(image) * 0, image)
    command = ["train", str(data), "--output", str(tmp_path / "model"), "--epochs", "4", "--device", "cpu"]
    running = subprocess.Popen(
        [sys.executable, "-m", "ufseg.cli.main", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert running.stdout is not None
    while "loss" not in (line := running.stdout.readline()):
        assert line, running.communicate()[1]
    running.send_signal(signal.SIGINT)
    errors = running.communicate(timeout=100)[1]
    assert running.returncode == 1
    assert "--resume" in errors
    assert "constant (" in errors, "what should be known of the data is said before it is trained on"
    assert not (tmp_path / "model" / "model.json").exists()
    resumed = ufseg(*command, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert read_description(tmp_path / "model").trained_on
    assert {p.name for p in (tmp_path / "model").iterdir()} == {"curve.png", "model.json", "weights.safetensors"}


def test_a_model_is_never_overwritten(ufseg: Run, phantom: Path, model: Path) -> None:
    again = ufseg("train", phantom, "--output", model, "--epochs", 1)
    assert again.returncode == 1
    assert "holds a model already" in again.stderr


def test_nothing_to_resume_is_said(ufseg: Run, phantom: Path, tmp_path: Path) -> None:
    done = ufseg("train", phantom, "--output", tmp_path / "model", "--epochs", 1, "--resume")
    assert done.returncode == 1
    assert "no checkpoint" in done.stderr


def test_a_model_of_colour_images_segments_them(ufseg: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("images", "labels"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for number in range(2):
        disc = np.hypot(*(np.indices((32, 32)) - 16)) < 8 + number
        colours = random.normal(60, 9, (32, 32, 3)) + 90 * disc[..., None]
        image = sitk.GetImageFromArray(colours.astype(np.uint8), isVector=True)
        sitk.WriteImage(image, str(tmp_path / "data" / "images" / f"{number}.png"))
        sitk.WriteImage(
            sitk.GetImageFromArray(disc.astype(np.uint8)), str(tmp_path / "data" / "labels" / f"{number}.png")
        )
    trained = ufseg("train", tmp_path / "data", "--output", tmp_path / "model", "--epochs", 1, "--device", "cpu")
    assert trained.returncode == 0, trained.stderr
    assert len(read_description(tmp_path / "model").channel_names) == 3
    image = tmp_path / "data" / "images" / "0.png"
    done = ufseg("predict", image, "--model", tmp_path / "model", "--output", tmp_path / "out", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "0.nii.gz").is_file()


def test_one_image_that_cannot_be_used_is_answered_with_its_sentence_alone(
    ufseg: Run, model: Path, tmp_path: Path
) -> None:
    done = ufseg("predict", tmp_path / "absent.nii.gz", "--model", model, "--output", tmp_path / "out")
    assert done.returncode == 1
    assert f"Error: There is no file {tmp_path / 'absent.nii.gz'}." in done.stderr


def test_an_output_that_is_a_file_is_refused_before_the_work(
    ufseg: Run, phantom: Path, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    trained = ufseg("train", phantom, "--output", tmp_path / "file", "--epochs", 1)
    image = sorted((phantom / "images").iterdir())[0]
    predicted = ufseg("predict", image, "--model", model, "--output", tmp_path / "file")
    for done in (trained, predicted):
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert f"{tmp_path / 'file'}" in done.stderr
    assert "training" not in trained.stdout
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_a_prediction_on_another_grid_is_refused_with_both_files(ufseg: Run, phantom: Path, tmp_path: Path) -> None:
    shutil.copytree(phantom / "labels", tmp_path / "predicted")
    path = sorted((tmp_path / "predicted").iterdir())[0]
    image = sitk.ReadImage(str(path))
    sitk.WriteImage(image[:-1, :, :], str(path))
    done = ufseg("evaluate", tmp_path / "predicted", phantom / "labels")
    assert done.returncode == 1
    assert f"The prediction {path} and its reference {phantom / 'labels' / path.name}" in done.stderr
    assert f"{image.GetSize()[0]}, " in done.stderr


def test_of_five_subjects_one_at_least_is_held_out(tmp_path: Path) -> None:
    def dataset(count: int) -> Dataset:
        cases = [CaseFiles(id=f"c{n}", subject=f"c{n}", images=(tmp_path,), label=tmp_path) for n in range(count)]
        return Dataset("d", ClassTable.of({"a": 1}), None, ["image"], cases)

    chosen_by_hash = {f"c{n}" for n in range(5) if place_of(f"c{n}") < HELD_OUT_FRACTION}
    assert not chosen_by_hash
    training, held_out = split(dataset(5), tmp_path)
    assert len(held_out) == 1
    assert len(training) == 4
    assert split(dataset(4), tmp_path)[1] == []

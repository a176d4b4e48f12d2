"""MONAI runs an exported model, in a process that cannot import ufseg."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from ufseg.errors import InputError, PlanError
from ufseg.exchange.bundle import normalisation_transform, write_bundle
from ufseg.exchange.monai_import import read_bundle
from ufseg.images.image import Image
from ufseg.images.reading import read_image, read_label_map
from ufseg.inference.predictor import Predictor
from ufseg.networks.device import choose_device
from ufseg.networks.model_folder import read_description, read_model, read_weights
from ufseg.plans.plan import HuWindow, ZScore

MODEL = Path(__file__).parents[3] / "Resources" / "Models" / "hippocampus-mri"
_RUN = """
import runpy, sys
sys.modules["ufseg"] = None
sys.argv = ["monai.bundle", "run", "--config_file", "configs/inference.json", "--meta_file", "configs/metadata.json"]
runpy.run_module("monai.bundle", run_name="__main__")
"""


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exchange") / "bundle"
    write_bundle(MODEL, folder)
    return folder


def test_monai_gives_the_same_label_map_without_ufseg(bundle: Path, shared_data: Path, tmp_path: Path) -> None:
    for needed in ("ignite", "fire", "nibabel"):
        pytest.importorskip(needed)
    case = sorted((shared_data / "hippocampus_mri" / "images").iterdir())[0]
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    (copy / "images").mkdir()
    shutil.copyfile(case, copy / "images" / "case.nii.gz")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _RUN],
        cwd=copy,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (written,) = (copy / "eval").iterdir()
    image: Image = read_image(case)
    theirs = read_label_map(written, grid=image.geometry)
    device = choose_device("cpu")
    description, network = read_model(MODEL, device)
    ours = Predictor(description, network, device).predict(image)
    for value in description.classes.values:
        one, other = ours.array == value, theirs.array == value
        assert one.any()
        assert 2 * (one & other).sum() / (one.sum() + other.sum()) >= 0.99


def test_the_weights_are_no_program(bundle: Path) -> None:
    state = torch.load(bundle / "models" / "model.pt", weights_only=True)
    weights = read_weights(MODEL)
    assert all(torch.equal(state[name], tensor) for name, tensor in weights.items())


def test_the_configuration_is_monais(bundle: Path) -> None:
    parser = ConfigParser()
    parser.read_config(bundle / "configs" / "inference.json")
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True))
    assert type(network).__module__.startswith("monai.")


def test_a_bundle_comes_back_as_the_same_model(bundle: Path, tmp_path: Path) -> None:
    read_bundle(bundle, tmp_path / "model")
    before, after = read_description(MODEL), read_description(tmp_path / "model")
    assert after.plan == before.plan.model_copy(update={"batch_size": 1})
    assert after.classes.names == before.classes.names
    assert after.classes.values == before.classes.values
    assert after.channel_names == before.channel_names
    first, second = read_weights(MODEL), read_weights(tmp_path / "model")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("network_def", "_target_"), "SwinUNETR", "SwinUNETR"),
        (("network_def", "filters"), "$__import__('os').system('true')", "an expression"),
        (("preprocessing", "transforms", 1, "axcodes"), "RAS", "RAS"),
        (("preprocessing", "transforms", 2, "_target_"), "ScaleIntensityd", "ScaleIntensityd"),
        (("network_def", "filters"), [8, 16, 32, 64], "The weights"),
    ],
)
def test_another_bundle_is_refused_in_words(
    bundle: Path, tmp_path: Path, path: tuple[str | int, ...], value: object, words: str
) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    file = copy / "configs" / "inference.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(Exception, match=words) as refused:
        read_bundle(copy, tmp_path / "model")
    assert type(refused.value).__module__ == "ufseg.errors"
    assert not (tmp_path / "model").exists()


def test_a_pickle_is_never_run(bundle: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.mkdir, (str(tmp_path / "harmed"),))

    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    torch.save({"weight": Evil()}, copy / "models" / "model.pt")
    with pytest.raises(InputError, match="weights"):
        read_bundle(copy, tmp_path / "model")
    assert not (tmp_path / "harmed").exists()


def test_weights_that_would_unfold_are_not_loaded(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    plain, folded = tmp_path / "plain.pt", copy / "models" / "model.pt"
    torch.save({"weight": torch.zeros(1 << 20)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(folded, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    assert "weight" in torch.load(folded, weights_only=True)  # which PyTorch itself would do
    with pytest.raises(InputError, match="would unfold to 41"):
        read_bundle(copy, tmp_path / "model")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exists already"):
        write_bundle(MODEL, tmp_path)


def test_hounsfield_windows_are_scaled_as_we_do() -> None:
    window = HuWindow(low=-100, high=300, mean=50, std=80)
    transform = normalisation_transform((window,))
    low, high = (transform[k] for k in ("b_min", "b_max"))
    given = np.array([-500.0, 0.0, 1000.0])
    scaled = (np.clip(given, -100, 300) + 100) / 400 * (high - low) + low
    np.testing.assert_allclose(scaled, (np.clip(given, -100, 300) - 50) / 80)
    with pytest.raises(PlanError, match="different ways"):
        normalisation_transform((window, ZScore()))

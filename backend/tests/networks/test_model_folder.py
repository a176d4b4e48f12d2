"""Models as folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ufseg.errors import StorageError
from ufseg.networks.build import build_network, network_state
from ufseg.networks.device import choose_device
from ufseg.networks.model_folder import (
    DESCRIPTION_FILE,
    WEIGHTS_FILE,
    ModelDescription,
    read_description,
    read_model,
    read_weights,
    write_model,
)
from ufseg.plans.plan import Plan


def test_round_trip(tmp_path: Path, description: ModelDescription) -> None:
    network = build_network(description.plan, 1).eval()
    write_model(tmp_path / "a" / "model", description, network.state_dict())
    read, again = read_model(tmp_path / "a" / "model", choose_device("cpu"))
    assert read.model_copy(update={"weights_sha256": None}) == description
    x = torch.randn(1, 1, *description.plan.patch_size)
    assert torch.equal(network(x), again(x))
    assert sorted(p.name for p in (tmp_path / "a" / "model").iterdir()) == [DESCRIPTION_FILE, WEIGHTS_FILE]


def test_the_papers_network_comes_back(tmp_path: Path, description: ModelDescription, paper_plan: Plan) -> None:
    content = description.model_dump(exclude={"architecture"}) | {"plan": paper_plan}
    paper = ModelDescription.model_validate(content)
    assert paper.architecture == "paper"
    network = build_network(paper_plan, 2).eval()
    write_model(tmp_path, paper, network_state(network))
    read, again = read_model(tmp_path, choose_device("cpu"))
    assert read.architecture == read.plan.architecture == "paper"
    x = torch.randn(1, 2, *paper_plan.patch_size)
    assert torch.equal(network(x), again(x))


def test_supervision_heads_stay_out_of_the_folder(tmp_path: Path, description: ModelDescription) -> None:
    network = build_network(description.plan, 1, deep_supervision=True).eval()
    for number, state in enumerate((network_state(network), network.state_dict())):
        write_model(tmp_path / str(number), description, state)
        _, again = read_model(tmp_path / str(number), choose_device("cpu"))
        assert network_state(again).keys() == read_weights(tmp_path / str(number)).keys()
        x = torch.randn(1, 1, *description.plan.patch_size)
        assert torch.equal(network(x), again(x))


def test_folders_of_before_the_choice_of_architecture_are_read(tmp_path: Path, description: ModelDescription) -> None:
    write_model(tmp_path, description, network_state(build_network(description.plan, 1)))
    path = tmp_path / DESCRIPTION_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["plan"]["architecture"]
    path.write_text(json.dumps(content), encoding="utf-8")
    assert read_description(tmp_path).plan == description.plan


def test_an_architecture_that_contradicts_the_plan_is_refused(tmp_path: Path, description: ModelDescription) -> None:
    write_model(tmp_path, description, network_state(build_network(description.plan, 1)))
    path = tmp_path / DESCRIPTION_FILE
    content = json.loads(path.read_text(encoding="utf-8")) | {"architecture": "paper"}
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(StorageError, match="architecture is 'paper', but the plan's is 'dynunet'"):
        read_description(tmp_path)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "gone"])
def test_damaged_weights_are_refused(tmp_path: Path, description: ModelDescription, damage: str) -> None:
    write_model(tmp_path, description, network_state(build_network(description.plan, 1)))
    path = tmp_path / WEIGHTS_FILE
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[-3] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    with pytest.raises(StorageError, match=r"weights\.safetensors"):
        read_model(tmp_path, choose_device("cpu"))


def test_damaged_description_is_refused(tmp_path: Path, description: ModelDescription) -> None:
    with pytest.raises(StorageError, match="no readable model folder"):
        read_description(tmp_path)
    write_model(tmp_path, description, network_state(build_network(description.plan, 1)))
    path = tmp_path / DESCRIPTION_FILE
    path.write_text(
        path.read_text(encoding="utf-8").replace('"format_version": 1', '"format_version": 9'), encoding="utf-8"
    )
    with pytest.raises(StorageError, match="format_version"):
        read_description(tmp_path)


def test_an_unwritable_folder_is_said(tmp_path: Path, description: ModelDescription) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(StorageError, match="could not be written"):
        write_model(tmp_path / "file" / "model", description, network_state(build_network(description.plan, 1)))

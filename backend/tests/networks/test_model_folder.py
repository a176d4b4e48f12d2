"""Models as folders."""

from __future__ import annotations

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
    write_model,
)


def test_round_trip(tmp_path: Path, description: ModelDescription) -> None:
    network = build_network(description.plan, 1).eval()
    write_model(tmp_path / "a" / "model", description, network.state_dict())
    read, again = read_model(tmp_path / "a" / "model", choose_device("cpu"))
    assert read.model_copy(update={"weights_sha256": None}) == description
    x = torch.randn(1, 1, *description.plan.patch_size)
    assert torch.equal(network(x), again(x))
    assert sorted(p.name for p in (tmp_path / "a" / "model").iterdir()) == [DESCRIPTION_FILE, WEIGHTS_FILE]


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
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 9'))
    with pytest.raises(StorageError, match="format_version"):
        read_description(tmp_path)


def test_an_unwritable_folder_is_said(tmp_path: Path, description: ModelDescription) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="could not be written"):
        write_model(tmp_path / "file" / "model", description, network_state(build_network(description.plan, 1)))

"""Weights stored as float16."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ufseg.errors import InputError
from ufseg.networks.build import build_network, network_state
from ufseg.networks.device import choose_device
from ufseg.networks.model_folder import WEIGHTS_FILE, ModelDescription, read_model, read_weights, write_model


def test_half_weights_take_half_the_room_and_predict_the_same(tmp_path: Path, description: ModelDescription) -> None:
    torch.manual_seed(0)
    network = build_network(description.plan, 1).eval()
    state = network_state(network)
    write_model(tmp_path / "whole", description, state)
    write_model(tmp_path / "half", description, state, half=True)
    sizes = [(tmp_path / name / WEIGHTS_FILE).stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.6 * sizes[0]  # of so few weights the header is a good part
    read, halved = read_model(tmp_path / "half", choose_device("cpu"))
    assert read.weights_dtype == "float16"
    assert {p.dtype for p in halved.parameters()} == {torch.float32}
    assert {t.dtype for t in read_weights(tmp_path / "half").values()} == {torch.float32}
    x = torch.randn(4, 1, *description.plan.patch_size)
    with torch.inference_mode():
        whole, same = network(x), halved(x)
    # 11 significant bits: each weight is off by at most 1/2048 of itself.
    torch.testing.assert_close(same, whole, atol=5e-3 * float(whole.abs().max()), rtol=0)
    assert (same.argmax(1) == whole.argmax(1)).float().mean() > 0.995


def test_a_weight_beyond_float16_is_not_halved(tmp_path: Path, description: ModelDescription) -> None:
    state = network_state(build_network(description.plan, 1))
    next(iter(state.values()))[0] = 1e5
    with pytest.raises(InputError, match="65504"):
        write_model(tmp_path / "model", description, state, half=True)
    assert not (tmp_path / "model").exists()

"""The network as a program of its own gives what it gives within ufseg."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import write_squares_model

from ufseg.errors import InputError
from ufseg.exchange.program import write_onnx, write_program
from ufseg.networks.device import choose_device
from ufseg.networks.model_folder import read_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program") / "model"
    write_squares_model(folder)
    return folder


def windows(model: Path) -> list[torch.Tensor]:
    """Of other sizes than the one that the program was made with, and other numbers of them."""
    plan = read_model(model, choose_device("cpu"))[0].plan
    random = torch.Generator().manual_seed(0)
    shapes = [(1, *plan.patch_size), (3, *(2 * n for n in plan.patch_size))]
    return [torch.randn(s[0], len(plan.normalisation), *s[1:], generator=random) for s in shapes]


def test_an_exported_program_gives_the_same(model: Path, tmp_path: Path) -> None:
    write_program(model, tmp_path / "network.pt2")
    program = torch.export.load(tmp_path / "network.pt2").module()
    _, network = read_model(model, choose_device("cpu"))
    given = windows(model)
    with torch.inference_mode():
        for window in given:
            torch.testing.assert_close(program(window), network(window), rtol=1e-4, atol=1e-3)
    with pytest.raises(InputError, match="exists already"):
        write_program(model, tmp_path / "network.pt2")
    with pytest.raises(InputError, match=r"\.pt2"):
        write_program(model, tmp_path / "network.pt")


def test_onnx_gives_the_same(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    write_onnx(model, tmp_path / "network.onnx")
    session = runtime.InferenceSession(str(tmp_path / "network.onnx"), providers=["CPUExecutionProvider"])
    _, network = read_model(model, choose_device("cpu"))
    for window in windows(model):
        (logits,) = session.run(None, {"image": window.numpy()})
        with torch.inference_mode():
            np.testing.assert_allclose(logits, network(window).numpy(), rtol=1e-3, atol=1e-3)

"""The build of PyTorch follows the GPU and its driver, and a GPU is never left unused silently."""

from __future__ import annotations

import sys

import pytest

from UnifiedFocalSegLib.environment.gpu import Found, find_gpus, parse
from UnifiedFocalSegLib.environment.torch_builds import choose
from UnifiedFocalSegLib.errors import SetupError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the drivers' numbers are those of Linux")


@pytest.mark.parametrize(
    ("line", "build"),
    [
        ("NVIDIA H100 80GB HBM3, 580.95.05, 9.0", "cu130"),
        ("NVIDIA H100 80GB HBM3, 535.183.01, 9.0", "cu126"),
        ("NVIDIA GeForce RTX 5090, 580.95.05, 12.0", "cu130"),
        ("Tesla V100-SXM2-16GB, 580.95.05, 7.0", "cu126"),
        ("NVIDIA GeForce GTX 1080, 535.183.01, 6.1", "cu126"),
    ],
)
def test_build(line, build):
    choice = choose(Found((parse(line),)))
    assert choice.build.name == build
    assert line.split(",")[0] in choice.why


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("NVIDIA GeForce RTX 2080, 470.256.02, 7.5", "cu126 needs driver 525.60.13"),
        ("NVIDIA GeForce RTX 5090, 570.86.10, 12.0", "cu130 needs driver 580.65.6"),
        ("Tesla K80, 470.256.02, 3.7", "cu126 has no kernels for the Tesla K80 (compute capability 3.7)"),
        ("GRID, [N/A], [N/A]", "is of unknown version"),
    ],
)
def test_the_cpu_although_there_is_a_gpu(line, reason):
    choice = choose(Found((parse(line),)))
    assert choice.build.name == "cpu"
    assert reason in choice.why
    assert "Update the NVIDIA driver" in choice.why


def test_the_first_gpu_that_works_decides():
    gpus = (parse("Tesla K80, 580.95.05, 3.7"), parse("NVIDIA A100, 580.95.05, 8.0"))
    assert choose(Found(gpus)).build.name == "cu130"


def test_no_gpu():
    assert choose(Found()).why == "PyTorch for the CPU: no NVIDIA GPU was found."


def test_asked_for():
    assert choose(Found(), "cu126").build.name == "cu126"
    with pytest.raises(SetupError, match="Choose one of auto, cpu, cu130, cu126"):
        choose(Found(), "cu999")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('echo "NVIDIA L4, 550.54.15, 8.9"', "NVIDIA L4"),
        ('case "$1" in *compute_cap*) exit 2;; esac; echo "Tesla P4, 418.67"', "Tesla P4"),
        ('echo "NVIDIA-SMI has failed because it could not communicate with the driver."; exit 9', "ended with 9"),
    ],
)
def test_nvidia_smi(tmp_path, monkeypatch, script, expected):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = find_gpus()
    assert expected in (found.gpus[0].name if found.gpus else found.problem)
    if found.problem:
        assert "Repair the driver" in choose(found).why

"""Several processes that train together, over loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ufseg.errors import DeviceError
from ufseg.networks.device import choose_device
from ufseg.training.ranks import Ranks, joined, requested_device

PROGRAM = Path(__file__).with_name("distributed.py")


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", PROGRAM, tmp_path]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2))
    assert first["count"] == second["count"] == 2
    assert first["averaged"]
    assert second["averaged"]
    assert first["text"] == second["text"] == "from 0: Ä"
    # Eight cases of one patch each, two patches in each of two processes: two steps an epoch.
    assert first["steps"] == second["steps"] == 16
    assert (first["asked"], second["asked"]) == (6, 0)
    assert first["stopped"]
    assert second["stopped"]
    assert first["reports"] > 0
    assert second["reports"] == 0
    weights = [load_file(tmp_path / f"{name}{rank}.safetensors") for name in ("whole", "resumed") for rank in range(2)]
    for other in weights[1:]:
        assert all(torch.equal(weights[0][name], other[name]) for name in weights[0])


def test_alone_nothing_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    device = choose_device("cpu")
    with joined(device) as ranks:
        assert ranks == Ranks(0, 1)
        assert ranks.from_first([1.0, 2.0]) == [1.0, 2.0]
        assert ranks.text_from_first("text") == "text"
        network = torch.nn.Linear(1, 1)
        assert ranks.wrap(network, device) is network


def test_one_gpu_for_all_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert requested_device("cpu") == "cpu"
    with pytest.raises(DeviceError, match="GPU of its own"):
        requested_device("cuda:0")
    monkeypatch.delenv("LOCAL_RANK")
    assert requested_device("cuda:0") == "cuda:0"

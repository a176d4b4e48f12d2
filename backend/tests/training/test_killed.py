"""A training that is killed without warning."""

from __future__ import annotations

import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

KILLABLE = Path(__file__).with_name("killable.py")


def test_resuming_after_kill_9_gives_the_same_weights(tmp_path: Path) -> None:
    killable = runpy.run_path(str(KILLABLE))
    checkpoint = tmp_path / "checkpoint.safetensors"
    victim = subprocess.Popen([sys.executable, KILLABLE, checkpoint], stdout=subprocess.PIPE, encoding="utf-8")
    try:
        deadline = time.monotonic() + 120
        while not checkpoint.exists() and victim.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.05)
    finally:
        victim.send_signal(signal.SIGKILL)
        output, _ = victim.communicate()
    assert victim.returncode == -signal.SIGKILL
    assert "finished" not in output  # it was still at work

    resumed = killable["run"](checkpoint, resume=True)
    whole = killable["run"](None, resume=False)
    assert resumed.steps == whole.steps == killable["STEPS"]
    assert resumed.state_dict.keys() == whole.state_dict.keys()
    assert all(torch.equal(resumed.state_dict[name], whole.state_dict[name]) for name in whole.state_dict)

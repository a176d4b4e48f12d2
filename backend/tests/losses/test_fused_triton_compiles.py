"""The Triton kernels are compiled to a GPU's machine code, which the interpreter of the other tests does not do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    pytest.importorskip("triton", minversion="3.3", reason="Triton exists only on Linux, its compiler's form since 3.3")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("compiling.py"))],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    sizes = [int(line) for line in done.stdout.splitlines()]
    assert len(sizes) == 2
    assert min(sizes) > 0

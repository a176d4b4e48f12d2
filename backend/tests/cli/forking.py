"""Commands forked from a process that has loaded the slow libraries: processes of their own, but seconds sooner.

Where a test is about starting, ending or killing a program, it starts Python itself.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

import torch

from ufseg.networks.process_environment import computing_environment

# None of the command line's own: its consoles look at the environment when they are made.
_LOADED = ["torch._dynamo", "ufseg.engine.train_job", "ufseg.workspace.workspace", "matplotlib.figure", "scipy.stats"]


class Forking:
    """Runs ``ufseg`` in forked processes; the first one waits until the libraries are loaded."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_LOADED)
        # A command that lacked these would start Python again.
        self._environment = computing_environment()
        with mock.patch.dict(os.environ, self._environment):
            forkserver.ensure_running()

    def run(self, arguments: Sequence[str], environment: Mapping[str, str], seconds: float) -> tuple[int, str, str]:
        """Exit code, standard output and standard error; raises subprocess.TimeoutExpired."""
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / name for name in ("out", "err")]
            whole = {**environment, **self._environment}
            process = self._context.Process(
                target=_command, args=(list(arguments), whole, os.getcwd(), *map(str, files))
            )
            process.start()
            process.join(seconds)
            if process.exitcode is None:
                process.kill()
                process.join()
                raise subprocess.TimeoutExpired(["ufseg", *arguments], seconds)
            written, errors = (file.read_text(encoding="utf-8") for file in files)
            return process.exitcode, written, errors


def _command(arguments: list[str], environment: dict[str, str], folder: str, output: str, errors: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, path in ((1, output), (2, errors)):
        with open(path, "wb") as file:
            os.dup2(file.fileno(), number)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", encoding="utf-8", closefd=False) for n in (1, 2))
    sys.argv = ["ufseg", *arguments]
    if threads := environment.get("OMP_NUM_THREADS"):  # PyTorch has read it already
        torch.set_num_threads(int(threads))

    from ufseg.cli.main import main

    main()

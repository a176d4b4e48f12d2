"""Trying an environment out before it is used: real imports and a real computation."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from UnifiedFocalSegLib.errors import SetupError
from UnifiedFocalSegLib.translation import tr as _

from .children import run
from .places import python_of
from .torch_builds import TorchBuild

# The parts that pull in every compiled package, then a convolution forward and backward on the device.
_PROGRAM = """
import json, platform, sys
import ufseg, ufseg.cli.main, ufseg.service.run, ufseg.images.reading, ufseg.training.trainer
from ufseg.networks.device import choose_device
import torch
if sys.argv[1] == "cuda" and torch.version.cuda is None:
    sys.exit(f"PyTorch {torch.__version__} is a build for the CPU")
device = choose_device(sys.argv[1])
print(json.dumps({"python": platform.python_version(), "torch": torch.__version__, "device": device.name}))
"""


def probe(
    environment: Path, build: TorchBuild, variables: Mapping[str, str], cancelled: threading.Event | None = None
) -> dict[str, Any]:
    """Import the backend and compute with it.

    Returns:
        Versions of Python and PyTorch, and the device that computed.

    Raises:
        SetupError: it does not work.
        OperationCancelled: `cancelled` was set.
    """
    # In a folder without modules: Python 3.10 knows no PYTHONSAFEPATH.
    command = [python_of(environment), "-c", _PROGRAM, build.device]
    ended = run(command, variables, cancelled=cancelled, folder=environment)
    if ended.code:
        silent = _("exit code {code}").format(code=ended.code)
        last = ended.lines[-1].strip().rstrip(".") if ended.lines else silent
        step = (
            _("Install again; if it stays, report it with the log.")
            if build.device == "cpu"
            else _(
                "Update the NVIDIA driver and install again, or install the CPU build (--torch cpu). A folder of wheel "
                "files must hold PyTorch for {build}, from {index}."
            ).format(build=build.name, index=build.index)
        )
        raise SetupError(
            _("The new environment was made but does not work ({reason}), so it is not used. {step}").format(
                reason=last, step=step
            )
        )
    found: dict[str, Any] = json.loads(ended.output.splitlines()[-1])
    return found

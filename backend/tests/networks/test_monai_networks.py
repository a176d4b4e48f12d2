"""MONAI without its optional packages, and only where that was asked for; in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ufseg.networks.process_environment import MONAI_ALONE, computing_environment

CODE = (
    "import sys, ufseg.networks.build; print('ignite' in sys.modules); "
    "import ignite, matplotlib; from monai.engines.utils import IterationEvents; print(IterationEvents.__mro__)"
)


@pytest.mark.parametrize("alone", ["0", computing_environment()[MONAI_ALONE]])
def test_what_monai_loads_beside_its_networks(alone: str) -> None:
    environment = os.environ | {MONAI_ALONE: alone}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    loaded, events = done.stdout.splitlines()
    assert loaded == str(alone == "0")
    # Who imports MONAI beside us has its handlers; our own processes give them up, but not the packages themselves.
    assert ("ignite.engine" in events) == (alone == "0")

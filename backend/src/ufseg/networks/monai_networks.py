"""MONAI's networks, in processes of our own without the packages that MONAI loads beside them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from ufseg.networks.process_environment import MONAI_ALONE

_OPTIONAL = (
    "cucim",
    "cupy",
    "ignite",
    "itk",
    "matplotlib",
    "mlflow",
    "nibabel",
    "pandas",
    "scipy.signal",
    "scipy.stats",
    "skimage",
    "sklearn",
    "tensorboard",
    "tensorboardX",
    "torchvision",
    "transformers",
)


@contextmanager
def _hidden(packages: tuple[str, ...]) -> Iterator[None]:
    """Let imports of packages that are not loaded yet fail as if they were not installed."""
    hidden = [name for name in packages if name not in sys.modules]
    # https://docs.python.org/3/reference/import.html#the-module-cache: None makes an import fail.
    nothing: dict[str, ModuleType | None] = dict.fromkeys(hidden)
    sys.modules.update(nothing)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


# MONAI loads all of itself with every optional package that it finds, which can take longer than the rest of the start
# of a process. Elsewhere MONAI must stay whole: its handlers may be used by the program that has imported ufseg.
with _hidden(_OPTIONAL if os.environ.get(MONAI_ALONE) == "1" else ()):
    from monai.networks.nets import BasicUNet, DynUNet

__all__ = ["BasicUNet", "DynUNet"]

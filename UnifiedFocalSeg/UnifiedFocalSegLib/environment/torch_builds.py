"""Which build of PyTorch suits the GPU and its driver.

Source: NVIDIA's table of the lowest driver for each CUDA version,
https://docs.nvidia.com/cuda/cuda-toolkit-release-notes, and PyTorch's of the GPUs that each build has kernels for,
https://github.com/pytorch/pytorch/blob/main/RELEASE.md.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from UnifiedFocalSegLib.errors import SetupError
from UnifiedFocalSegLib.translation import tr as _

from .gpu import Found, Gpu

INDEX = "https://download.pytorch.org/whl"
_GB = 1_000_000_000


@dataclass(frozen=True)
class TorchBuild:
    """One build.

    Args:
        name: uv's and PyTorch's name for it, such as ``"cu130"``.
        linux_driver, windows_driver: the lowest driver it runs with; empty for the CPU.
        capabilities: lowest and highest compute capability that it has kernels for.
        download: bytes to fetch for the whole environment, about.
        installed: bytes on disk of the whole environment, about.
    """

    name: str
    linux_driver: tuple[int, ...] = ()
    windows_driver: tuple[int, ...] = ()
    capabilities: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (99, 0))
    download: int = 0
    installed: int = 0

    @property
    def index(self) -> str:
        """Address of the package index that has it."""
        return f"{INDEX}/{self.name}"

    @property
    def device(self) -> str:
        """What it must be able to compute on."""
        return "cpu" if self.name == "cpu" else "cuda"

    @property
    def driver(self) -> tuple[int, ...]:
        """The lowest driver on this operating system."""
        return self.windows_driver if sys.platform == "win32" else self.linux_driver


CPU = TorchBuild("cpu", download=int(0.5 * _GB), installed=int(1.7 * _GB))
CUDA = (  # the newest first
    TorchBuild("cu130", (580, 65, 6), (580, 65), ((7, 5), (12, 1)), int(2.9 * _GB), int(6.5 * _GB)),
    TorchBuild("cu126", (525, 60, 13), (528, 33), ((5, 0), (9, 0)), int(3.0 * _GB), int(6.5 * _GB)),
)
BUILDS = {build.name: build for build in (CPU, *CUDA)}


@dataclass(frozen=True)
class Choice:
    """The build to install.

    Args:
        build: it.
        why: in a sentence, with the next step where a GPU is left unused.
    """

    build: TorchBuild
    why: str


def choose(found: Found, asked: str = "auto") -> Choice:
    """The build for what was found.

    Args:
        found: GPUs and driver.
        asked: ``"auto"`` or the name of a build, which is then taken as it is.

    Raises:
        SetupError: there is no build of that name.
    """
    if asked != "auto":
        if asked not in BUILDS:
            raise SetupError(
                _("There is no PyTorch build {asked!r}. Choose one of auto, {builds}.").format(
                    asked=asked, builds=", ".join(BUILDS)
                )
            )
        return Choice(BUILDS[asked], _("PyTorch {build}, as asked for.").format(build=asked))
    if sys.platform == "darwin":
        return Choice(CPU, _("PyTorch for macOS. The backend computes on the CPU; Apple's GPU (MPS) is not used."))
    if found.problem:
        return Choice(
            CPU,
            _(
                "PyTorch for the CPU, although an NVIDIA driver seems to be installed: {problem} Repair the driver "
                "(a restart may do), then install again."
            ).format(problem=found.problem),
        )
    if not found.gpus:
        return Choice(CPU, _("PyTorch for the CPU: no NVIDIA GPU was found."))
    reasons = []
    for gpu in found.gpus:
        for build in CUDA:
            if reason := _obstacle(gpu, build):
                reasons.append(reason)
            else:
                why = _("PyTorch {build} for the {gpu} with driver {driver}.").format(
                    build=build.name, gpu=gpu.name, driver=_dotted(gpu.driver)
                )
                return Choice(build, why)
    return Choice(
        CPU,
        _(
            "PyTorch for the CPU, although there is a GPU: {reasons}. Update the NVIDIA driver if it is too old, then "
            "install again."
        ).format(reasons="; ".join(dict.fromkeys(reasons))),
    )


def _obstacle(gpu: Gpu, build: TorchBuild) -> str:
    lowest, highest = build.capabilities
    if gpu.capability is not None and not lowest <= gpu.capability <= highest:
        return _("{build} has no kernels for the {gpu} (compute capability {capability})").format(
            build=build.name, gpu=gpu.name, capability=_dotted(gpu.capability)
        )
    if gpu.driver < build.driver:
        known = _dotted(gpu.driver) or _("of unknown version")
        return _("{build} needs driver {driver}, and that of the {gpu} is {known}").format(
            build=build.name, driver=_dotted(build.driver), gpu=gpu.name, known=known
        )
    return ""


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))

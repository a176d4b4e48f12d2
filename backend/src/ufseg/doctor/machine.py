"""The computer and what is installed on it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from ufseg._version import __version__
from ufseg.doctor.finding import Finding, ok, problem, warning

_OLDEST_PYTHON = (3, 10)
_LEAST_MEMORY, _ENOUGH_MEMORY = 4 << 30, 8 << 30
_SHOWN = ("torch", "monai", "numpy", "SimpleITK", "fastapi", "SQLAlchemy")


def installation() -> Iterator[Finding]:
    """Python and the libraries, by what this package says it needs."""
    python = platform.python_version()
    if sys.version_info[:2] < _OLDEST_PYTHON:
        yield problem("Python", f"This is Python {python}.", "Install ufseg with Python 3.10 or newer.")
    else:
        yield ok("Python", f"This is Python {python} ({platform.machine()}, {platform.system()}).")
    wrong = [sentence for text in metadata.requires("ufseg") or () if (sentence := _unmet(Requirement(text)))]
    if wrong:
        yield problem("libraries", " ".join(wrong), "Install ufseg again into an environment of its own.")
        return
    shown = ", ".join(f"{name} {metadata.version(name)}" for name in _SHOWN)
    yield ok("libraries", f"ufseg {__version__} has all the libraries it needs: {shown}.")


def device() -> Iterator[Finding]:
    """The GPU with its driver, or the CPU: a real convolution is run on it."""
    from ufseg.networks.device import autocast_dtype, choose_device  # torch is slow to import

    driver = _driver()
    found = choose_device("auto")
    if found.kind == "cuda":
        yield ok("GPU", f"A convolution ran on {found.name}{f' (driver {driver})' if driver else ''}.")
    elif driver:
        yield problem(
            "GPU",
            f"There is a GPU (driver {driver}), but nothing can be computed on it. {found.note}",
            "Install the torch build for this driver: see https://pytorch.org/get-started/locally.",
        )
    else:
        yield warning(
            "GPU",
            f"No NVIDIA GPU was found; {found.name} computes, and a convolution ran on it.",
            "Training takes many times as long as on a GPU. If there is one, install its driver.",
        )
    reduced = autocast_dtype(found)
    if reduced is not None:
        yield ok("precision", f"The device computes {str(reduced).removeprefix('torch.')} fast, so it is used.")
    else:
        yield ok("precision", "The CPU has no fast bfloat16 (AVX-512 BF16 or AMX), so float32 is used.")


def memory() -> Iterator[Finding]:
    """The computer's memory."""
    found = available_memory()
    if found is None:
        yield warning("memory", "The system does not tell how much memory there is.", "See that 8 GiB are free.")
        return
    free, total = found
    text = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB of memory are available."
    if free < _LEAST_MEMORY:
        yield problem("memory", text, "Close other programs; 3D networks need 4 GiB at the very least.")
    elif free < _ENOUGH_MEMORY:
        yield warning("memory", text, "Close other programs; large volumes need 8 GiB and more.")
    else:
        yield ok("memory", text)


def available_memory() -> tuple[int, int] | None:
    """Bytes that programs may still take, and all there are; None where the system does not tell."""
    path = Path("/proc/meminfo")
    if path.is_file():
        lines = (line.split() for line in path.read_text(encoding="ascii").splitlines())
        numbers = {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines}
        return numbers["MemAvailable"], numbers["MemTotal"]
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return None
    return total, total


def _unmet(needed: Requirement) -> str | None:
    """A sentence if a requirement that counts here is not met."""
    if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
        return None
    try:
        version = metadata.version(needed.name)
    except metadata.PackageNotFoundError:
        return f"The library {needed.name} is missing."
    if not needed.specifier.contains(version, prereleases=True):
        return f"The library {needed.name} has version {version}, and {needed.specifier} is needed."
    return None


def _driver() -> str | None:
    """Version of the NVIDIA driver; None if there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.split()
    return lines[0] if done.returncode == 0 and lines else None

"""Which GPU and driver this computer has, asked of NVIDIA's own tool."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from UnifiedFocalSegLib.translation import tr as _

_SECONDS = 20


@dataclass(frozen=True)
class Gpu:
    """A GPU with its driver.

    Args:
        name: as the driver calls it.
        driver: version of the driver, such as ``(580, 65, 6)``.
        capability: compute capability, such as ``(9, 0)``; None if the driver is too old to tell.
    """

    name: str
    driver: tuple[int, ...]
    capability: tuple[int, int] | None


@dataclass(frozen=True)
class Found:
    """What was found.

    Args:
        gpus: NVIDIA GPUs, in the driver's order.
        problem: why none could be asked for although a driver seems to be there; empty otherwise.
    """

    gpus: tuple[Gpu, ...] = ()
    problem: str = ""


def find_gpus() -> Found:
    """Ask ``nvidia-smi``; a computer without it has no NVIDIA driver."""
    program = _nvidia_smi()
    if program is None:
        return Found()
    for fields in ("name,driver_version,compute_cap", "name,driver_version"):  # the last field came with driver 470
        command = [program, f"--query-gpu={fields}", "--format=csv,noheader"]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=_SECONDS,
                check=False,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Found(problem=_("{program} does not answer: {error}.").format(program=program, error=error))
        if done.returncode == 0:
            return Found(tuple(parse(line) for line in done.stdout.splitlines() if line.strip()))
    said = (done.stdout + done.stderr).strip().splitlines()
    reason = said[0].rstrip(".") if said else _("no reason")
    return Found(problem=_("nvidia-smi ended with {code}: {reason}.").format(code=done.returncode, reason=reason))


def parse(line: str) -> Gpu:
    """One line of ``nvidia-smi --query-gpu=name,driver_version[,compute_cap] --format=csv,noheader``."""
    fields = [field.strip() for field in line.split(",")]
    driver = version(fields[1]) if len(fields) > 1 else ()
    capability = version(fields[2]) if len(fields) > 2 else ()
    return Gpu(fields[0], driver, (capability[0], capability[1]) if len(capability) > 1 else None)


def version(text: str) -> tuple[int, ...]:
    """Numbers of a version; empty if it has none, such as ``[N/A]``."""
    parts = text.split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()


def _nvidia_smi() -> str | None:
    found = shutil.which("nvidia-smi")
    if found is None and os.name == "nt":
        path = Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "nvidia-smi.exe"
        found = str(path) if path.is_file() else None
    return found

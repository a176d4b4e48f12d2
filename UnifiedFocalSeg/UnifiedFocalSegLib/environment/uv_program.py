"""The uv that installs: the one on this computer, or one fetched into a folder of our own."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import uuid
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from UnifiedFocalSegLib.errors import SetupError
from UnifiedFocalSegLib.translation import tr as _

from .children import run
from .gpu import version
from .places import Places

# Older ones do not know the PyTorch builds.
OLDEST = (0, 9)
_NAME = "uv.exe" if os.name == "nt" else "uv"


def find_uv(
    places: Places,
    variables: Mapping[str, str],
    wheels: Path | None = None,
    offline: bool = False,
    cancelled: threading.Event | None = None,
) -> Path:
    """The first that works of: fetched before, on the path, beside this Python, in the wheel folder, from pip.

    Raises:
        SetupError: there is none and none can be fetched.
        OperationCancelled: `cancelled` was set.
    """
    fetched = places.uv / _NAME
    candidates = [
        fetched,
        Path(shutil.which("uv", path=variables.get("PATH")) or ""),
        Path(sys.executable).parent / _NAME,
    ]
    for path in candidates:
        if path.is_file() and _version(path, variables) >= OLDEST:
            return path
    unpacked = places.root / f"uv.{uuid.uuid4().hex}"
    try:
        program = _from_wheel(wheels, unpacked, variables) or _from_pip(unpacked, wheels, offline, cancelled)
        program.chmod(0o755)
        if _version(program, variables) < OLDEST:
            raise SetupError(
                _(
                    "The uv that was fetched does not run or is older than {oldest}. Install uv yourself "
                    "(https://docs.astral.sh/uv), so that it is on the path, and try again."
                ).format(oldest=f"{OLDEST[0]}.{OLDEST[1]}")
            )
        places.uv.mkdir(exist_ok=True)
        program.replace(fetched)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    return fetched


def _version(program: Path, variables: Mapping[str, str]) -> tuple[int, ...]:
    """Version of a uv; empty if it does not run."""
    try:
        ended = run([program, "--version"], variables)
    except SetupError:  # not for this machine, or cut off
        return ()
    words = ended.output.split()
    return version(words[1]) if ended.code == 0 and len(words) > 1 else ()


def _from_wheel(wheels: Path | None, folder: Path, variables: Mapping[str, str]) -> Path | None:
    """The first that runs on this computer: the folder may hold those of other systems."""
    for wheel in sorted(wheels.glob("uv-*.whl"), reverse=True) if wheels is not None else []:
        target = folder / wheel.stem / _NAME
        try:
            with zipfile.ZipFile(wheel) as archive:
                for name in archive.namelist():
                    if name.endswith(f".data/scripts/{_NAME}"):
                        target.parent.mkdir(parents=True, exist_ok=True)
                        with archive.open(name) as source, target.open("wb") as stream:
                            shutil.copyfileobj(source, stream)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise SetupError(
                _("The file {wheel} is damaged ({reason}). Copy or download it again, and install again.").format(
                    wheel=wheel, reason=error
                )
            ) from error
        if target.is_file():
            target.chmod(0o755)
            if _version(target, variables) >= OLDEST:
                return target
    return None


def _from_pip(folder: Path, wheels: Path | None, offline: bool, cancelled: threading.Event | None) -> Path:
    """Let this Python's pip put uv into a folder; its own packages stay as they are."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--target", str(folder), f"uv>={OLDEST[0]}.{OLDEST[1]}"]
    if wheels is not None:
        command += ["--find-links", str(wheels)]
    if offline:
        command += ["--no-index"]
    ended = run(command, os.environ, cancelled=cancelled)
    program = folder / "bin" / _NAME
    if ended.code or not program.is_file():
        last = ended.lines[-1].strip() if ended.lines else _("pip said nothing")
        if offline:
            sentence = _(
                "uv, which installs the backend, could not be fetched ({reason}). Put a wheel of uv into {wheels}, and "
                "install again."
            )
        else:
            sentence = _(
                "uv, which installs the backend, could not be fetched ({reason}). Connect to the network or put uv on "
                "the path, and install again."
            )
        raise SetupError(sentence.format(reason=last, wheels=wheels))
    return program

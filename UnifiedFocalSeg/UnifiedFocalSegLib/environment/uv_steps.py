"""What uv is asked to do, and what its failures mean."""

from __future__ import annotations

import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from UnifiedFocalSegLib.errors import SetupError
from UnifiedFocalSegLib.translation import tr as _

from .children import Ended, run
from .places import Places, python_of
from .space import free_bytes, words
from .torch_builds import TorchBuild
from .wanted import PYTHONS, Wanted

_DAMAGED = re.compile(r"bad crc|failed to extract|invalid package format|failed to read from zip", re.I)
_NETWORK = re.compile(r"error sending request|dns error|failed to fetch|connect(ion)? (error|refused)|timed out", re.I)
_SPACE = re.compile(r"no space left|os error (28|112)|disk quota", re.I)
_RESOLUTION = re.compile(r"no solution found|not found in the (package registry|provided package locations)", re.I)
_HASH = re.compile(r"hash mismatch", re.I)
_PYTHON = re.compile(r"no interpreter found|no (managed|download)", re.I)


@dataclass(frozen=True)
class Uv:
    """uv with everything that all its calls share.

    Args:
        program: it.
        places: where its cache and interpreters go.
        variables: of the process.
        wheels: folder of wheel files; uv does not read pip's settings and must be told.
        offline: nothing but `wheels` and the cache.
        cancelled: kills it when set.
    """

    program: Path
    places: Places
    variables: Mapping[str, str]
    wheels: Path | None
    offline: bool
    cancelled: threading.Event | None

    def make(self, environment: Path, python: Path | None) -> None:
        """Make an empty virtual environment.

        Raises:
            SetupError: no suitable Python is here and none can be downloaded.
        """
        asked = PYTHONS if python is None else str(python)
        self._call(["venv", "--quiet", "--no-project", "--python", asked, str(environment)])

    def install_packages(
        self, environment: Path, wanted: Wanted, build: TorchBuild, on_line: Callable[[str], None]
    ) -> None:
        """Install all of the lock, PyTorch in the given build.

        Raises:
            SetupError: no network, a full disk, a package that is not there or is not the one that was locked.
        """
        command = ["pip", "install", "--python", str(python_of(environment)), "-r", str(wanted.lock)]
        has_torch = self.wheels is not None and any(self.wheels.glob("torch-*.whl"))
        if not has_torch and sys.platform != "darwin":
            command += ["--torch-backend", build.name]
        if self.wheels is not None:
            command += ["--find-links", str(self.wheels)]
        # Offline, the indices are asked too: uv answers for them from what was downloaded before.
        self._call(command, on_line)

    def install_backend(self, environment: Path, wanted: Wanted) -> None:
        """Install ufseg itself, from a copy of its sources: building writes into them, and they may be read-only.

        Raises:
            SetupError: a full disk, or damaged sources.
        """
        copy = environment / "sources"
        for path in wanted.files():
            target = copy / path.relative_to(wanted.sources)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        command = ["pip", "install", "--python", str(python_of(environment)), "--no-deps", "--no-build-isolation"]
        # The version stays the same while its content does not: never take it from the cache.
        self._call([*command, "--no-index", "--no-cache", str(copy)])
        shutil.rmtree(copy)

    def forget(self, packages: Iterable[str] | None) -> None:
        """Take packages out of the cache, all of them if None.

        Raises:
            SetupError: the cache cannot be changed.
        """
        names = None if packages is None else list(packages)
        if names != [] and self.places.cache.is_dir():  # without a name, uv would clean all
            self._call(["cache", "clean", *(names or [])])

    def _call(self, arguments: Sequence[str], on_line: Callable[[str], None] | None = None) -> None:
        command = [str(self.program), *arguments, "--cache-dir", str(self.places.cache), "--no-progress"]
        if self.offline:
            command += ["--offline"]
        variables = dict(self.variables) | {"UV_PYTHON_INSTALL_DIR": str(self.places.pythons)}
        # In a folder of its own with its own settings, so that those of no project in a folder above apply.
        self.places.settings.touch()
        ended = run(command, variables, cancelled=self.cancelled, on_line=on_line, folder=self.places.root)
        if ended.code:
            raise SetupError(explain(ended, self.places, self.wheels))


def explain(ended: Ended, places: Places, wheels: Path | None) -> str:
    """Why uv failed, in a sentence with the next step."""
    said = ended.words
    if _SPACE.search(said):
        return _(
            "The disk of {root} is full ({free} free). Free some space and install again; what was downloaded is kept."
        ).format(root=places.root, free=words(free_bytes(places.root)))
    if _HASH.search(said):
        return _(
            "A package is not the one that was locked: {reason} Install again, from another network or folder."
        ).format(reason=_last(said))
    if _NETWORK.search(said):
        return _(
            "A package index cannot be reached: {reason} Connect to the network or set its proxy (HTTPS_PROXY), "
            "then install again; or install offline from a folder of wheel files."
        ).format(reason=_last(said))
    if _DAMAGED.search(said):
        return _(
            "A package's file is damaged: {reason} Install again; if it comes from a folder of wheel files, copy it "
            "there again."
        ).format(reason=_last(said))
    if _PYTHON.search(said):
        return _(
            "No Python {versions} was found and none could be downloaded: {reason} Install one, and try again."
        ).format(versions=PYTHONS, reason=_last(said))
    if _RESOLUTION.search(said):
        if wheels is not None:
            sentence = _("A package is not available: {reason} Add it to {wheels}, and install again.")
        else:
            sentence = _("A package is not available: {reason} Check the package index, and install again.")
        return sentence.format(reason=_last(said), wheels=wheels)
    return _("uv ended with exit code {code}: {reason} Install again; if that fails, look at the log.").format(
        code=ended.code, reason=_last(said)
    )


def _last(said: str) -> str:
    """The causes in uv's words, on one line and as a sentence."""
    lines = [re.sub(r"^[\s×╰─▶├│]*((error|Caused by):)?\s*", "", line) for line in said.splitlines()]
    causes = " ".join(
        [line for line in lines if line and not line.startswith(("Using ", "Resolved ", "Creating "))][-4:]
    )
    return causes[-400:].rstrip(".") + "." if causes else _("no reason given.")

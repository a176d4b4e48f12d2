"""Real uv, real virtual environments, tiny packages."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).resolve().parents[3] / "backend" / "tests"))

import tiny_backend

from panel_driver import DATA_FOLDER
from UnifiedFocalSegLib.environment import Options, Places, Wanted, install


@dataclass(frozen=True)
class Site:
    """Where a test installs what from."""

    places: Places
    wanted: Wanted
    options: Options

    def install(self, **options) -> Path:
        """Install offline from the wheel folder."""
        return install(self.places, self.wanted, replace(self.options, **options))

    def command(self, *arguments: str) -> list[str]:
        """The module's command on this site."""
        start = [sys.executable, "-m", "UnifiedFocalSegLib.environment", "--root", str(self.places.root)]
        return [*start, "--sources", str(self.wanted.sources), *arguments]

    def install_command(self) -> list[str]:
        """The command that installs offline."""
        wheels = ["--wheels", str(self.options.wheels), "--offline", "--torch", "cpu"]
        return self.command("install", *wheels, "--python", sys.executable)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory) -> tuple[Path, str]:
    """A wheel folder and the lock of what is in it."""
    folder = tmp_path_factory.mktemp("packages") / "wheels"
    return folder, tiny_backend.write_wheels(folder)


@pytest.fixture
def site(tmp_path, wheels) -> Site:
    """Nothing is installed yet."""
    folder, lock = wheels
    wanted = tiny_backend.write_sources(tmp_path / "extension", lock)
    options = Options("cpu", folder, offline=True, python=Path(sys.executable), needed=0)
    return Site(Places(tmp_path / DATA_FOLDER / "environment"), wanted, options)

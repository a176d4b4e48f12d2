"""Puts the finished models of a checkout into the wheel; everything else is in pyproject.toml."""

from pathlib import Path
from shutil import copytree, ignore_patterns

from setuptools import setup
from setuptools.command.build_py import build_py

MODELS = Path(__file__).resolve().parents[1] / "Resources" / "Models"


class BuildWithModels(build_py):
    """Copies the models beside the modules; `ufseg.networks.available` looks there."""

    def run(self) -> None:
        """Build; an editable installation finds the checkout's models where they are."""
        super().run()
        if MODELS.is_dir() and not self.editable_mode:
            target = Path(self.build_lib) / "ufseg" / "bundled_models"
            copytree(MODELS, target, dirs_exist_ok=True, ignore=ignore_patterns("README.md"))


setup(cmdclass={"build_py": BuildWithModels})

"""An environment from which a backend runs stays, whatever another Slicer does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny_backend
from small_disk import small_disk_at

from UnifiedFocalSegLib.backend_process import BackendProcess
from UnifiedFocalSegLib.environment import remove
from UnifiedFocalSegLib.errors import SetupError

HOLDING = Path(__file__).resolve().parents[3] / "backend" / "src" / "ufseg" / "cli" / "holding.py"
_MAIN = """
from ufseg.cli.holding import environment_held

if __name__ == "__main__":
    with environment_held():
        import json, sys
        print(json.dumps({"url": "http://127.0.0.1:1", "token": "secret", "version": "0.1.0"}), flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def holding_site(site):
    """The tiny backend holds its environment as the real one does."""
    _write_main(site.wanted.sources)
    return replace(site, wanted=type(site.wanted)(site.wanted.sources))


def _write_main(sources: Path) -> None:
    folder = sources / "src" / "ufseg" / "cli"
    (folder / "holding.py").write_text(HOLDING.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "main.py").write_text(_MAIN, encoding="utf-8")


def test_updates_and_a_removal_beside_a_running_backend(holding_site):
    site = holding_site
    python = site.install()
    backend = BackendProcess.start(python, site.places.root / "workspace")
    try:
        for marker in ("second", "third", "fourth"):
            before = site.places.python()
            wanted = tiny_backend.write_sources(
                site.wanted.sources, site.wanted.lock.read_text(encoding="utf-8"), marker
            )
            _write_main(site.wanted.sources)
            newest = replace(site, wanted=wanted).install()
            assert python.exists(), marker
        left = {folder.name for folder in site.places.environments.iterdir()}
        assert left == {path.parents[1].name for path in (python, before, newest)}, "the second was nobody's"
        with pytest.raises(SetupError, match=r"backend still runs from .* nothing was removed"):
            remove(site.places)
        assert site.places.python() == newest
        assert python.exists()
    finally:
        backend.stop()
    assert remove(site.places) > 0
    assert [path.name for path in site.places.root.iterdir() if path.name != "workspace"] == ["install.lock"]


def test_a_removal_that_leaves_something_says_so(site):
    site.install()
    with small_disk_at(site.places.cache / "mounted", "1m"), pytest.raises(SetupError, match=r"but not all of .*cache"):
        remove(site.places)
    assert site.places.python() is None
    assert remove(site.places) == 0

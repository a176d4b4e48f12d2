"""What a broken-off installation and a repair remember, find and keep."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from UnifiedFocalSegLib.environment import check, install, repair
from UnifiedFocalSegLib.environment.installed import damaged
from UnifiedFocalSegLib.environment.options import remembered
from UnifiedFocalSegLib.environment.places import site_packages
from UnifiedFocalSegLib.errors import OperationCancelled, SetupError

# No index can be reached: what is not in the wheel folder or the cache does not come.
CUT_OFF = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}


@pytest.fixture
def own_wheels(site, tmp_path):
    """A wheel folder that the test may change."""
    return Path(shutil.copytree(site.options.wheels, tmp_path / "wheels"))


@contextmanager
def index_of(folder: Path):
    """A package index; its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()


def cut_off() -> dict[str, str]:
    return dict(os.environ) | CUT_OFF


def test_a_broken_off_installation_goes_on_with_its_options(site):
    cancelled = threading.Event()

    def stop(progress):
        if progress.stage.startswith("installing packages"):
            cancelled.set()

    with pytest.raises(OperationCancelled):
        install(site.places, site.wanted, site.options, listener=stop, cancelled=cancelled)
    options = remembered(site.places)
    assert (options.wheels, options.offline, options.torch) == (site.options.wheels, True, "cpu")
    assert repair(site.places, site.wanted, variables=cut_off()).usable


def test_a_lost_description_does_not_lose_the_options(site):
    site.install()
    (site.places.current() / "ufseg-environment.json").unlink()
    assert repair(site.places, site.wanted, variables=cut_off()).usable


def test_what_was_downloaded_serves_offline(site, own_wheels, tmp_path):
    helper = next(own_wheels.glob("helper*"))
    folder = tmp_path / "index" / "simple" / "helper"
    folder.mkdir(parents=True)
    helper.rename(folder / helper.name)
    with index_of(tmp_path / "index") as address:
        variables = dict(os.environ) | {"UV_DEFAULT_INDEX": address, "UV_HTTP_RETRIES": "0"}
        site.install(wheels=own_wheels, offline=False, variables=variables)
    site.install(wheels=own_wheels, offline=True, variables=variables)
    shutil.rmtree(site.places.environments)
    report = check(site.places, site.wanted)
    assert (report.state, report.packages) == ("damaged", ())
    assert repair(site.places, site.wanted, variables=variables).usable, "nothing is downloaded anew for a lost folder"


def test_an_interpreter_that_is_gone(site, tmp_path):
    """As after an update of the system: files whole, Python gone; another is found."""
    old = tmp_path / "old" / "python"
    old.parent.mkdir()
    old.symlink_to(sys.executable)
    site.install(python=old)
    old.unlink()
    settings = site.places.current() / "pyvenv.cfg"
    text = settings.read_text(encoding="utf-8")
    home = next(line for line in text.splitlines() if line.startswith("home"))
    settings.write_text(text.replace(home, f"home = {tmp_path / 'gone'}"), encoding="utf-8")
    report = check(site.places, site.wanted)
    assert (report.state, report.packages) == ("damaged", ())
    assert "its Python is gone" in report.sentence
    assert repair(site.places, site.wanted, variables=cut_off()).usable
    assert remembered(site.places).python is None


def test_a_file_that_does_not_belong_there(site):
    """Every recorded file is whole, and yet it does not work."""
    python = site.install()
    stray = site_packages(site.places.current()) / "ufseg" / "networks" / "device"
    stray.mkdir()
    (stray / "__init__.py").write_text("raise ImportError('stray')\n", encoding="utf-8")
    assert check(site.places, site.wanted, deep=True).usable
    assert repair(site.places, site.wanted, variables=cut_off()).usable
    assert site.places.python() != python


def test_a_whole_environment_is_not_built_anew(site):
    python = site.install()
    assert repair(site.places, site.wanted, variables=cut_off()).usable
    assert site.places.python() == python


def test_a_file_that_cannot_be_read(site):
    site.install()
    unreadable = site_packages(site.places.current()) / "helper" / "__init__.py"
    unreadable.unlink()
    unreadable.symlink_to("/proc/self/mem")  # no bytes by its size, and reading it is an input/output error
    report = check(site.places, site.wanted, deep=True)
    assert (report.state, "cannot be read (Input/output error)" in report.sentence) == ("damaged", True)


def test_a_damaged_cache_is_not_switched_to(site):
    """Installed files are hard links to the cache's; an installation takes the damage over."""
    site.install()
    os.truncate(site_packages(site.places.current()) / "helper" / "data.bin", 1000)
    site.install()
    assert check(site.places, site.wanted, deep=True).usable


def test_comparing_can_be_stopped(site):
    site.install()
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(OperationCancelled, match="Nothing was changed"):
        damaged(site.places.current(), deep=True, cancelled=cancelled)
    with pytest.raises(OperationCancelled):
        repair(site.places, site.wanted, cancelled=cancelled)
    assert check(site.places, site.wanted).usable


@pytest.mark.parametrize("name", ["helper", "torch"])
def test_a_damaged_wheel(site, own_wheels, name):
    wheel = next(own_wheels.glob(f"{name}-*"))
    wheel.write_bytes(wheel.read_bytes()[:-30])
    with pytest.raises(SetupError, match=rf"file is damaged: .*{name}.*copy it there again"):
        site.install(wheels=own_wheels)
    assert site.places.python() is None


def test_what_a_killed_installation_left_beside_the_environments(site):
    site.install()
    (site.places.root / "uv.0123").mkdir()
    (site.places.root / "state.json.99.part").write_text("{", encoding="utf-8")
    site.install()
    assert {path.name for path in site.places.root.iterdir()} == {
        "cache", "current.json", "environments", "install.lock", "uv.toml",
    }  # fmt: skip

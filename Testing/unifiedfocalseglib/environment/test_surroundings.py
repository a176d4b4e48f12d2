"""Where the environment is made: other people's folders, projects, settings, lost disks, Windows' paths."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from UnifiedFocalSegLib.environment import records, remove
from UnifiedFocalSegLib.environment.locking import installing
from UnifiedFocalSegLib.environment.places import long_path
from UnifiedFocalSegLib.environment.space import free_bytes
from UnifiedFocalSegLib.errors import SetupError


@pytest.mark.parametrize("name", ["environments", "cache", "pythons"])
def test_folders_of_somebody_else_are_left_alone(site, name):
    work = site.places.root / name / "years of work"
    work.mkdir(parents=True)
    for action in (site.install, lambda: remove(site.places)):
        with pytest.raises(SetupError, match=rf"{name} is there already and is not the backend's. Choose an empty"):
            action()
    assert [path.name for path in site.places.root.iterdir()] == [name]
    assert work.is_dir()


def test_settings_of_projects_and_shells_do_not_apply(site):
    site.places.root.parent.mkdir(parents=True)
    project = '[tool.uv]\nrequired-version = "==0.1"\noverride-dependencies = ["helper==2.0"]\n'
    (site.places.root.parent / "pyproject.toml").write_text(project, encoding="utf-8")
    shell = {"UV_REQUIRE_HASHES": "1", "UV_NO_BUILD": "1", "UV_PROJECT": "/nowhere", "UV_WORKING_DIR": "/nowhere"}
    assert site.install(variables=dict(os.environ) | shell).exists()


def test_a_relative_wheel_folder(site, monkeypatch):
    monkeypatch.chdir(site.options.wheels.parent)
    assert site.install(wheels=Path(site.options.wheels.name)).exists()


def test_a_wheel_folder_that_is_not_there(site, tmp_path):
    with pytest.raises(SetupError, match=r"folder of wheel files .*stick is not there. Connect its disk"):
        site.install(wheels=tmp_path / "stick")


def test_a_disk_that_is_not_there(monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda _path: False)  # as on Windows, where a drive has no parent
    with pytest.raises(SetupError, match=r"no such disk\). Connect its disk"):
        free_bytes(Path("/lost/drive"))


def test_a_disk_without_locks(site, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_arguments):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(SetupError, match=r"cannot be locked \(No locks available\)"), installing(site.places):
        pass


def test_a_file_that_somebody_reads_is_replaced_a_little_later(tmp_path, monkeypatch):
    replace, refusals = Path.replace, [PermissionError(13, "in use")] * 3

    def busy(path, target):
        if refusals:
            raise refusals.pop()
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", busy)
    records.write_json(tmp_path / "current.json", {"a": 1})
    assert records.read_json(tmp_path / "current.json") == {"a": 1}


@pytest.mark.parametrize(
    ("path", "long"),
    [
        ("C:/Users/Zoë K/Lib/../Scripts/uv.exe", "\\\\?\\C:\\Users\\Zoë K\\Scripts\\uv.exe"),
        ("\\\\server\\share\\a/b", "\\\\?\\UNC\\server\\share\\a\\b"),
        ("\\\\?\\C:\\a", "\\\\?\\C:\\a"),
    ],
)
def test_long_paths_of_windows(path, long):
    assert long_path(path, windows=True) == long
    assert long_path(Path("/a/b"), windows=False) == "/a/b"

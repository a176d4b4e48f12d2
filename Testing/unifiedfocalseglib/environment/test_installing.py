"""Installing, updating, stopping, killing and repairing the backend's environment."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_backend
from small_disk import read_only, small_disk_at

from UnifiedFocalSegLib.backend_process import BackendProcess
from UnifiedFocalSegLib.environment import check, install, remove, repair
from UnifiedFocalSegLib.environment.locking import installing
from UnifiedFocalSegLib.environment.places import site_packages
from UnifiedFocalSegLib.errors import OperationCancelled, SetupError

MODULE = Path(__file__).resolve().parents[3] / "UnifiedFocalSeg"
STAGES = (
    "looking at this computer",
    "getting uv",
    "making the environment",
    "installing packages",
    "installing ufseg",
    "trying it out",
    "switching to it",
)


def marker(python: Path) -> str:
    """What the installed backend says it is."""
    done = subprocess.run(
        [python, "-I", "-c", "import ufseg; print(ufseg.MARKER)"], capture_output=True, encoding="utf-8", check=True
    )
    return done.stdout.strip()


def kill_at(command: list[str], stage: str) -> None:
    """Run an installation and kill it the moment it begins a step."""
    environment = os.environ | {"PYTHONPATH": str(MODULE)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8", env=environment)
    for line in process.stderr:
        if stage in line:
            process.kill()
            break
    assert process.wait() == -9, f"the installation ended before {stage}"


def test_install_use_update_and_remove(site):
    assert check(site.places, site.wanted).state == "missing"
    stages = []
    python = install(site.places, site.wanted, site.options, listener=lambda p: stages.append(p))
    assert [s for s in STAGES if any(p.stage.startswith(s) for p in stages)] == list(STAGES)
    fractions = [p.fraction for p in stages]
    assert (fractions, fractions[-1]) == (sorted(fractions), 1.0)
    assert check(site.places, site.wanted, deep=True).usable
    assert site.places.python() == python
    backend = BackendProcess.start(python, site.places.root / "workspace")
    assert backend.token == "secret"
    backend.stop()

    newer = replace(
        site,
        wanted=tiny_backend.write_sources(site.wanted.sources, site.wanted.lock.read_text(encoding="utf-8"), "second"),
    )
    assert check(site.places, newer.wanted).state == "outdated"
    assert marker(newer.install()) == "second"
    assert marker(python) == "first", "a backend that still runs from the old environment keeps its files"
    assert remove(site.places) > 0
    assert check(site.places, newer.wanted).state == "missing"


def test_kill_at_every_step_leaves_the_environment_in_use(site):
    kill_at(site.install_command(), "installing packages")
    report = check(site.places, site.wanted)
    assert (report.state, "installing packages" in report.sentence) == ("interrupted", True)
    python = site.install()
    newer = replace(
        site,
        wanted=tiny_backend.write_sources(site.wanted.sources, site.wanted.lock.read_text(encoding="utf-8"), "second"),
    )
    for stage in STAGES:
        kill_at(newer.install_command(), stage)
        assert check(site.places, newer.wanted).state == "outdated"
        assert site.places.python() == python
        assert marker(python) == "first"
    assert marker(newer.install()) == "second"
    assert check(site.places, newer.wanted, deep=True).usable
    assert {p.name for p in site.places.environments.iterdir()} == {python.parents[1].name, site.places.current().name}


def test_damage_is_found_and_repaired(site):
    python = site.install()
    packages = site_packages(site.places.current())
    data = packages / "helper" / "data.bin"
    whole = data.read_bytes()
    data.write_bytes(b"\0" + whole[1:])
    assert check(site.places, site.wanted).usable, "the quick check looks at sizes"
    report = check(site.places, site.wanted, deep=True)
    assert (report.state, report.packages) == ("damaged", ("helper",))
    assert "data.bin has other bytes" in report.sentence
    assert repair(site.places, site.wanted).usable
    assert site.places.python() != python
    assert (site_packages(site.places.current()) / "helper" / "data.bin").read_bytes() == whole


def test_the_quick_check_sees_lost_and_shortened_files(site):
    site.install()
    folder = site.places.current()
    packages = site_packages(folder)
    lists = next(packages.glob("torch-*.dist-info/RECORD"))
    description = folder / "ufseg-environment.json"
    for path in (packages / "torch" / "__init__.py", lists, description, folder / "bin" / "python"):
        aside = path.rename(path.with_name("aside"))
        report = check(site.places, site.wanted)
        assert (report.state, report.sentence[-19:]) == ("damaged", " Repair the backend."[-19:]), path
        aside.rename(path)
        assert check(site.places, site.wanted).usable
    description.write_text("{", encoding="utf-8")
    assert check(site.places, site.wanted).state == "damaged"
    os.truncate(packages / "helper" / "data.bin", 1000)
    assert repair(site.places, site.wanted, site.options).usable


@pytest.mark.parametrize("stage", ["making the environment", "installing packages", "trying it out"])
def test_cancel(site, stage):
    cancelled = threading.Event()

    def listen(progress):
        if progress.stage.startswith(stage):
            cancelled.set()

    with pytest.raises(OperationCancelled):
        install(site.places, site.wanted, site.options, listener=listen, cancelled=cancelled)
    assert list(site.places.environments.iterdir()) == []
    assert check(site.places, site.wanted).state == "interrupted"


def test_only_one_at_a_time(site):
    with installing(site.places), pytest.raises(SetupError, match="Another process is installing"):
        site.install()
    site.install()


def test_too_little_space_is_said_before_the_start(site):
    with pytest.raises(SetupError, match=r"needs about 900000\.0 GB in .* and [\d.]+ GB are free"):
        site.install(needed=900_000 * 10**9)
    assert not site.places.environments.exists()


def test_a_disk_that_becomes_full(site, tmp_path):
    with small_disk_at(tmp_path / "disk", "4m") as disk:
        small = replace(site, places=type(site.places)(disk / "root"))
        with pytest.raises(SetupError, match=r"is full .* Free some space"):
            small.install()
        assert small.places.python() is None


def test_no_network(site):
    next(site.options.wheels.glob("helper*")).rename(site.wanted.sources.parent / "helper.whl")
    try:
        variables = dict(os.environ) | {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}
        with pytest.raises(SetupError, match=r"index cannot be reached: .*127\.0\.0\.1.* install offline"):
            site.install(offline=False, variables=variables)
        with pytest.raises(SetupError, match=r"package is not available: .*helper.* Add it to "):
            site.install()
    finally:
        (site.wanted.sources.parent / "helper.whl").rename(site.options.wheels / "helper-1.0-py3-none-any.whl")
    site.install()


def test_another_package_than_the_locked_one_is_refused(site):
    lock = site.wanted.lock.read_text(encoding="utf-8").replace("sha256:", "sha256:0000")[:-5] + "\n"
    other = replace(site, wanted=tiny_backend.write_sources(site.wanted.sources, lock))
    with pytest.raises(SetupError, match="not the one that was locked"):
        other.install()


def test_an_environment_that_does_not_work_is_not_used(site):
    python = site.install()
    broken = tiny_backend.write_sources(site.wanted.sources, site.wanted.lock.read_text(encoding="utf-8"), "second")
    (broken.sources / "src" / "ufseg" / "service" / "run.py").write_text("import missing_library\n", encoding="utf-8")
    with pytest.raises(SetupError, match=r"does not work \(.*missing_library.*\), so it is not used"):
        install(site.places, broken, site.options)
    assert site.places.python() == python
    assert marker(python) == "first"


def test_a_cpu_build_for_a_gpu_is_not_used(site):
    words = r"PyTorch 2\.13\.0 is a build for the CPU.*not used.*must hold PyTorch for cu130, from https://.*/cu130"
    with pytest.raises(SetupError, match=words):
        site.install(torch="cu130")
    assert site.places.python() is None


def test_an_extension_that_is_not_whole(site):
    site.install()
    (site.wanted.sources / "src" / "ufseg" / ".DS_Store").write_bytes(b"a file manager's")
    assert check(site.places, type(site.wanted)(site.wanted.sources)).usable
    (site.wanted.sources / "README.md").unlink()
    for action in (check, repair):
        with pytest.raises(SetupError, match=r"README\.md cannot be read .*Install the extension again"):
            action(site.places, type(site.wanted)(site.wanted.sources))


def test_a_read_only_disk(site, tmp_path):
    with small_disk_at(tmp_path / "disk", "40m") as disk:
        fixed = replace(site, places=type(site.places)(disk / "root"))
        fixed.install()
        with read_only(disk):
            assert repair(fixed.places, site.wanted).usable, "what is whole needs no writing"
            for action in (fixed.install, lambda: remove(fixed.places)):
                with pytest.raises(SetupError, match=r"cannot be written \(Read-only file system\)"):
                    action()
        assert check(fixed.places, site.wanted, deep=True).usable


def test_command_line(site):
    environment = os.environ | {"PYTHONPATH": str(MODULE)}

    def run(command: list[str]) -> subprocess.CompletedProcess:
        return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False)

    assert run(site.command("check")).returncode == 1
    done = run(site.install_command()[:-2])
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == site.places.python()
    assert "100% ready" in done.stderr
    checked = run(site.command("check", "--deep"))
    assert (checked.returncode, str(site.places.root) in checked.stdout) == (0, True)
    assert run(site.command("repair")).returncode == 0
    assert "removed from" in run(site.command("remove")).stdout

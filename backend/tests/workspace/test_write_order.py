"""What survives a power cut: the order of the system calls between a request and its acknowledgement."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_SUBMIT = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from ufseg.workspace import Workspace
from whole_workspace import add_version
from workspace_samples import add_case, add_label, add_task, sample
with Workspace(Path(sys.argv[1])) as workspace:
    task = add_task(workspace)
    case = add_case(workspace, task, 0, "s")
    print("begin", flush=True)
    add_label(workspace, case, sample(0).label)
    print("acknowledged", flush=True)
    add_version(workspace, task, b"weights")
    print("acknowledged", flush=True)
"""
_CALLS = "fsync,fdatasync,rename,renameat,renameat2,write,pwrite64"
# strace's lines: name of the call, its first path (after a file descriptor or quoted), for renames the second one.
_LINE = re.compile(r'(\w+)\((?:\d+<([^>]*)>|(?:AT_FDCWD<[^>]*>, )?"([^"]*)", (?:AT_FDCWD<[^>]*>, )?"([^"]*)")(.*)')


@pytest.fixture(scope="session")
def calls(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[tuple[str, str, str]]]:
    """The workspace, and calls with their paths from the first request on; acknowledgements are calls, too."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not here; on Debian: apt-get install strace")
    folder = tmp_path_factory.mktemp("traced")
    trace = ["strace", "-f", "-y", "-s", "256", "-e", f"trace={_CALLS}", "-o", str(folder / "trace")]
    command = [sys.executable, "-c", _SUBMIT, str(folder / "workspace"), str(Path(__file__).parents[1])]
    done = subprocess.run([*trace, *command], capture_output=True, encoding="utf-8", check=False, timeout=120)
    if "ptrace" in done.stderr and done.returncode:
        pytest.skip(f"processes may not be traced here: {done.stderr.strip().splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    found = []
    for line in (folder / "trace").read_text(encoding="utf-8").splitlines():
        if match := _LINE.search(line):
            name, opened, old, new, rest = match.groups()
            word = re.search(r'"(begin|acknowledged)', rest)
            found.append((word[1] if word else name, opened or old, new or ""))
    names = [name for name, _, _ in found]
    return str(folder / "workspace"), found[names.index("begin") + 1 :]


def test_a_file_is_on_the_disk_before_it_gets_its_name(calls: tuple[str, list[tuple[str, str, str]]]) -> None:
    folder, found = calls
    stored = [(i, old, new) for i, (name, old, new) in enumerate(found) if new.startswith(f"{folder}/files/")]
    assert len(stored) >= 3  # a label map, weights and their description
    for index, old, _ in stored:
        last = max(i for i in range(index) if found[i][1] == old)
        assert found[last][0] == "fsync", "it was written to after it was synchronised"


def test_its_name_is_on_the_disk_before_the_record_that_names_it(calls: tuple[str, list[tuple[str, str, str]]]) -> None:
    folder, found = calls
    for index, (_, _, new) in enumerate(found):
        if new.startswith(f"{folder}/files/"):
            record = next(i for i in range(index, len(found)) if found[i][1].endswith("workspace.sqlite-wal"))
            between = {path for name, path, _ in found[index:record] if name == "fsync"}
            assert {str(Path(new).parent), f"{folder}/files"} <= between


def test_the_record_is_on_the_disk_before_it_is_acknowledged(calls: tuple[str, list[tuple[str, str, str]]]) -> None:
    _, found = calls
    acknowledged = [i for i, (name, _, _) in enumerate(found) if name == "acknowledged"]
    assert len(acknowledged) == 2
    for index in acknowledged:
        log = [name for name, path, _ in found[:index] if path.endswith("workspace.sqlite-wal")]
        assert log[-1] in ("fdatasync", "fsync"), "the write-ahead log was written to after it was synchronised"
        assert any(name == "pwrite64" for name in log)

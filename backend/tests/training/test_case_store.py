"""Prepared cases as mapped files."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ufseg.errors import StorageError
from ufseg.training.case_store import CaseStore
from ufseg.training.cases import IGNORED, PreparedCase

MakeCase = Callable[..., PreparedCase]

WRITER = """
import sys
from pathlib import Path
import numpy as np
from ufseg.training.case_store import CaseStore
from ufseg.training.cases import PreparedCase
store = CaseStore(Path(sys.argv[1]))
case = PreparedCase.of("large", np.ones((1, 128, 128, 128), np.float32), np.ones((128, 128, 128), np.uint8))
for number in range(10_000):
    store.write(f"{number:04}", [case])
"""


def test_a_case_without_foreground_or_annotation_is_kept(tmp_path: Path) -> None:
    empty = PreparedCase.of("empty", np.zeros((2, 3, 4), np.float32), np.full((3, 4), IGNORED, np.uint8))
    store = CaseStore(tmp_path)
    store.write("key", [empty])
    found = store.find("key")
    assert found is not None
    assert found[0].foreground == ()
    assert found[0].annotated == ((0, 0), (0, 0))
    assert found[0].highest == 0
    assert store.find("other") is None


def test_killed_while_writing_it_leaves_whole_cases_only(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path])
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "0001").exists() and writer.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(0.003)
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    store = CaseStore(tmp_path)
    kept = sorted(p.name for p in tmp_path.iterdir())
    assert kept[:2] == ["0000", "0001"]
    for name in kept:
        found = store.find(name)
        assert found is not None, name
        assert (found[0].image == 1).all()


@pytest.mark.parametrize("name", ["image.npy", "label.npy", "foreground.npy", "case.json"])
def test_a_damaged_case_is_made_anew(tmp_path: Path, make_case: MakeCase, name: str) -> None:
    store = CaseStore(tmp_path)
    store.write("key", [make_case(1)])
    path = tmp_path / "key" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert store.find("key") is None
    store.write("key", [make_case(1)])
    assert store.find("key") is not None


def test_more_cases_than_open_files_are_allowed(tmp_path: Path, make_case: MakeCase) -> None:
    store = CaseStore(tmp_path)
    cases = [store.write(f"{number}", [make_case(number)])[0] for number in range(40)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, hard))
    try:
        assert sum(float(case.image.sum() * 0) + case.highest for case in cases) == 80
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path, make_case: MakeCase) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot be used"):
        CaseStore(tmp_path / "file" / "prepared")

"""Uploads that nobody goes on with are removed while the service runs, and no others."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ufseg.errors import NotFoundError
from ufseg.service.resuming import Resumable, UploadRequest, UploadState
from ufseg.service.run import clean_up
from ufseg.service.uploads import Uploads
from ufseg.workspace import Workspace
from ufseg.workspace.retention import remove_derived
from ufseg.workspace.store import ABANDONED_SECONDS


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "workspace") as opened:
        yield opened


@pytest.fixture
def resumable(workspace: Workspace) -> Resumable:
    return Resumable(workspace, Uploads(workspace, None, 1 << 20), 1 << 20)


def _begin(resumable: Resumable) -> UploadState:
    return resumable.begin(UploadRequest(size_bytes=100, sha256="0" * 64))


def _age(workspace: Workspace, upload: UploadState, seconds: float) -> list[Path]:
    paths = list((workspace.folder / "incoming").glob(f"{upload.id}.*"))
    for path in paths:
        os.utime(path, (time.time() - seconds,) * 2)
    return paths


def test_only_what_nobody_added_to_for_an_hour(workspace: Workspace, resumable: Resumable) -> None:
    old, paused, fresh = (_begin(resumable) for _ in range(3))
    assert len(_age(workspace, old, ABANDONED_SECONDS + 60)) == 2
    _age(workspace, paused, ABANDONED_SECONDS - 60)
    begun_long_ago = _begin(resumable)
    _age(workspace, begun_long_ago, 2 * ABANDONED_SECONDS)
    (workspace.folder / "incoming" / f"{begun_long_ago.id}.upload.nrrd").write_bytes(b"a part")
    other = workspace.folder / "incoming" / "an import.nrrd"
    other.touch()
    os.utime(other, (0, 0))
    assert resumable.discard_abandoned() == 1
    with pytest.raises(NotFoundError, match="Begin a new one"):
        resumable.state(old.id)
    assert {resumable.state(upload.id).offset for upload in (paused, fresh)} == {0}
    assert resumable.state(begun_long_ago.id).offset == 6
    assert other.exists(), "what others write is theirs"
    remove_derived(workspace)  # as a service does that starts
    assert resumable.state(begun_long_ago.id).offset == 6, "begun long ago, but added to since"
    assert not other.exists()


def test_not_one_that_somebody_is_adding_to(workspace: Workspace, resumable: Resumable) -> None:
    upload = _begin(resumable)
    removed = []

    async def slowly() -> AsyncIterator[bytes]:
        yield b"a"
        _age(workspace, upload, 2 * ABANDONED_SECONDS)
        removed.append(resumable.discard_abandoned())
        yield b"b"

    request: Any = SimpleNamespace(stream=slowly)
    assert asyncio.run(resumable.append(upload.id, 0, request)).offset == 2
    assert removed == [0]
    _age(workspace, upload, 2 * ABANDONED_SECONDS)
    assert resumable.discard_abandoned() == 1


def test_again_and_again_until_the_service_ends(workspace: Workspace, resumable: Resumable) -> None:
    ended = threading.Event()
    cleaning = threading.Thread(target=clean_up, args=(resumable, ended, 0.01))
    cleaning.start()
    try:
        for _ in range(2):
            paths = _age(workspace, _begin(resumable), 2 * ABANDONED_SECONDS)
            deadline = time.monotonic() + 60
            while any(path.exists() for path in paths):
                assert time.monotonic() < deadline
                time.sleep(0.01)
    finally:
        ended.set()
        cleaning.join()

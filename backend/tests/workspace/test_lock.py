from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from postgresql_server import PostgresqlServer

from ufseg.errors import ConflictError, StorageError
from ufseg.workspace import Workspace
from ufseg.workspace.lock import WorkspaceLock

_HOLD = "import sys; from pathlib import Path; from ufseg.workspace.lock import WorkspaceLock; \
lock = WorkspaceLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"


def test_a_second_holder_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    lock = WorkspaceLock(tmp_path)
    with pytest.raises(ConflictError, match=rf"process id {os.getpid()}"):
        WorkspaceLock(tmp_path)
    lock.release()
    lock.release()
    WorkspaceLock(tmp_path).release()


@pytest.mark.skipif(os.name != "posix", reason="Windows has other locks")
def test_a_disk_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", without_locks)
    with pytest.raises(StorageError, match="does not keep locks"):
        WorkspaceLock(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(ConflictError, match=rf"process id {process.pid}"):
            WorkspaceLock(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()
    WorkspaceLock(tmp_path).release()


def test_a_workspace_has_one_service(workspace: Workspace) -> None:
    lock = workspace.lock()
    with Workspace(workspace.folder) as second, pytest.raises(ConflictError, match="in use by another ufseg"):
        second.lock()
    lock.release()
    workspace.lock().release()


def test_on_a_server_machines_that_do_not_see_each_others_folder_exclude_each_other(
    tmp_path: Path, postgresql: PostgresqlServer
) -> None:
    with Workspace(tmp_path, postgresql.empty_database()) as workspace:
        lock = workspace.lock()
        (tmp_path / "lock").unlink()  # the other machine's file system has locks of its own
        with Workspace(tmp_path) as elsewhere:
            with pytest.raises(ConflictError, match="on this or another machine"):
                elsewhere.lock()
            lock.release()
            for _ in range(50):  # at once, again and again: a service is often started when another has just ended
                elsewhere.lock().release()
                workspace.lock().release()

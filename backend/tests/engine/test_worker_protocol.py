"""The worker as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ufseg.engine.specs import RunMessage, ServiceMessage
from ufseg.engine.worker_process import WorkerProcess

COMMAND = [sys.executable, "-m", "ufseg.engine.worker", "--kind", "prediction"]


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    command = [*COMMAND, "--device", "cpu"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        yield process
        process.kill()


def test_it_tells_its_device_and_ends_with_its_input(worker: subprocess.Popen[bytes]) -> None:
    assert worker.stdout is not None
    assert worker.stdin is not None
    ready = json.loads(worker.stdout.readline())["ready"]
    assert ready["kind"] == "cpu"
    start = time.monotonic()
    worker.stdin.close()
    worker.wait(5)
    assert time.monotonic() - start < 2


def test_an_error_for_the_user_is_a_message_and_the_worker_lives_on(worker: subprocess.Popen[bytes]) -> None:
    assert worker.stdout is not None
    assert worker.stdin is not None
    spec = {"images": ["/nowhere.nrrd"], "model": "/nowhere", "model_version": "v", "output": "/nowhere/out.nrrd"}
    line = json.dumps({"run": {"job": "j", "kind": "prediction", "spec": spec}}).encode() + b"\n"
    for _ in range(2):
        worker.stdin.write(line)
        worker.stdin.flush()
        while "error" not in (message := json.loads(worker.stdout.readline())):
            assert "ready" in message or message["job"] == "j"
        assert message["job"] == "j"
        assert message["error"]["type"] == "StorageError"
        assert "/nowhere" in message["error"]["message"]


def test_a_defect_ends_it_with_the_reason_as_its_last_words(worker: subprocess.Popen[bytes]) -> None:
    assert worker.stdin is not None
    assert worker.stderr is not None
    worker.stdin.write(b'{"run": {"job": "j", "kind": "prediction", "spec": {"no": "specification"}}}\n')
    worker.stdin.flush()
    last = worker.stderr.read().decode().strip().splitlines()
    assert worker.wait(10) == 1
    assert any("ValidationError" in line for line in last)
    assert "Fatal Python error" not in "".join(last)


def test_a_large_log_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    for size in (5 << 20, (5 << 20) + 1):
        log.write_bytes(bytes(size))
        process = WorkerProcess("prediction", "cpu", 0, log)
        process.kill()
    assert log.stat().st_size < 1 << 20
    assert (tmp_path / "worker.log.1").stat().st_size == (5 << 20) + 1


def test_an_absent_device_is_said_in_words() -> None:
    done = subprocess.run([*COMMAND, "--device", "warp"], input=b"", capture_output=True, check=False)
    # Its input has ended from the start, so it may end before it could look.
    if done.stdout:
        assert json.loads(done.stdout)["error"]["type"] == "DeviceError"


def test_a_device_that_does_not_work_fails_the_job_with_the_reason(tmp_path_factory: pytest.TempPathFactory) -> None:
    from workspace_samples import fill

    from ufseg.engine.engine import Engine
    from ufseg.engine.requests import TrainingRequest
    from ufseg.workspace import Workspace

    with Workspace(tmp_path_factory.mktemp("device")) as workspace, Engine(workspace, "warp") as engine:
        task = fill(workspace, training=1, validation=0)
        job = engine.wait(engine.submit_training(task.id, TrainingRequest()).id, 60)
        assert job.error is not None
        assert job.error.type == "DeviceError"
        assert "warp" in job.error.message
        assert engine.device == {"name": "warp", "kind": "unavailable", "note": job.error.message}


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGSTOP")
def test_a_worker_that_hangs_holds_nobody_who_gives_it_a_large_specification(tmp_path: Path) -> None:
    worker = WorkerProcess("training", "cpu", 0, tmp_path / "worker.log")
    os.kill(worker.pid, signal.SIGSTOP)
    beyond_a_pipe = {"training": ["x" * 100] * 20_000}
    sending = threading.Thread(
        target=worker.send, args=[ServiceMessage(run=RunMessage(job="j", kind="training", spec=beyond_a_pipe))]
    )
    sending.start()
    sending.join(10)
    held = sending.is_alive()
    worker.kill()
    assert not held
    assert not worker.alive()

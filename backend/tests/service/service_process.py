"""A service in a process of its own, and a client as strict as 3D Slicer's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray
from workspace_samples import CLASSES, FRACTION, GRID, sample, subjects

from ufseg.images.geometry import Geometry
from ufseg.images.image import Image
from ufseg.images.writing import write_image

Json = dict[str, Any]


class ServiceProcess:
    """Starts ``ufseg serve`` and reads its first line; workers start with their first job unless it is `warm`."""

    def __init__(
        self, workspace: Path, *options: str, warm: bool = False, program: Sequence[str] = ("-m", "ufseg.cli.main")
    ) -> None:
        self.workspace = workspace
        command = [sys.executable, *program, "serve", "--workspace", str(workspace), "--device", "cpu"]
        self.process = subprocess.Popen(
            [*command, "--warm" if warm else "--no-warm", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdout is not None
        self.hello: Json = json.loads(self.process.stdout.readline())
        self.url: str = self.hello["url"]
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {self.hello['token']}"

    def __enter__(self) -> ServiceProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> bytes:
        """Close its input, wait, and return what else it wrote to its output."""
        output, _ = self.process.communicate(timeout=10)
        return output

    def answer(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=70, **options)

    def get(self, path: str) -> Any:
        answer = self.answer("GET", path)
        assert answer.ok, answer.text
        return answer.json()

    def post(self, path: str, body: Any) -> Json:
        answer = self.answer("POST", path, json=body)
        assert answer.ok, answer.text
        return dict(answer.json())

    def refused(self, method: str, path: str, status: int, **options: Any) -> str:
        """The sentence of an error answer."""
        answer = self.answer(method, path, **options)
        assert answer.status_code == status, answer.text
        error = answer.json()["error"]
        assert set(error) == {"type", "message"}
        assert error["message"].endswith((".", "…", "}")), error
        return str(error["message"])

    def upload(self, content: bytes) -> str:
        answer = self.answer("POST", "/files", data=content)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["sha256"])

    def add_task(self, name: str, **options: Any) -> Json:
        classes = [{"value": e.value, "name": e.name} for e in CLASSES.entries]
        body = {"name": name, "modality": "other", "channels": ["image"], "classes": classes}
        return self.post("/tasks", body | {"validation_fraction": FRACTION} | options)

    def add_case(self, task: Json, number: int, subject: str) -> Json:
        image = self.upload(nrrd(sample(number).image, self.workspace.parent))
        body = {"name": f"case {number}", "subject": subject, "images": [image]}
        return self.post(f"/tasks/{task['id']}/cases", body)

    def submit(self, case: Json, label: NDArray[np.generic], **options: Any) -> Json:
        file = self.upload(nrrd(label[np.newaxis], self.workspace.parent))
        body: Json = {"label": file, "classes": {"organ": 1, "lesion": 3}, "author": "reader", "origin": "manual"}
        return self.post(f"/cases/{case['id']}/revisions", body | options)

    def fill(self, name: str, training: int = 2, validation: int = 1) -> Json:
        """A task with labelled cases on both sides."""
        task = self.add_task(name)
        for n, subject in enumerate([*subjects("training", training), *subjects("validation", validation)]):
            self.submit(self.add_case(task, n, subject), sample(n).label)
        return dict(self.get(f"/tasks/{task['id']}"))

    def train(self, task: Json, seconds: float | None = None, **options: Any) -> Json:
        budget = {} if seconds is None else {"budget_seconds": seconds}
        return self.post(f"/tasks/{task['id']}/trainings", {"author": "me"} | budget | options)

    def wait(self, job: Json, seconds: float = 60) -> Json:
        """The job once it has ended, by long polls."""
        deadline = time.monotonic() + seconds
        while job["state"] in ("queued", "running"):
            assert time.monotonic() < deadline, job
            job = self.get(f"/jobs/{job['id']}?wait=5&after={job['version']}")
        return job


def nrrd(array: NDArray[np.generic], folder: Path, grid: Geometry = GRID) -> bytes:
    """An image ``[channel, …]`` as raw NRRD."""
    path = folder / "upload.nrrd"
    write_image(path, Image(array, grid))
    return path.read_bytes()

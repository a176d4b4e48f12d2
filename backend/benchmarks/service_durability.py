"""kill -9 of the service or of its workers at random instants: is everything it acknowledged there, and does it go on?

    python benchmarks/service_durability.py [--kills 500] [--minutes M] [--seed 0] [--json FILE]

Starts ``ufseg serve`` on a real port, and clients that upload, label, restore, train, predict, promote and roll back as
fast as they are answered. At a random instant, also while the service starts, brings an older database up to date or
takes unfinished jobs up again, the service is killed, or a worker and a little later the service. Everything answered
with 2xx must then be in the workspace with the same content, ``ufseg workspace check`` must find nothing wrong, and the
same command must have the service answering again within 5 s.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import requests
from durability import CLASSES, Tally, old_workspace, verify

from ufseg.images.geometry import Geometry
from ufseg.images.image import Image
from ufseg.images.writing import write_image
from ufseg.workspace import Workspace

GRID = Geometry(size=(24, 20), spacing=(1, 1), origin=(0, 0), direction=(1, 0, 0, 1))
NAMES = {"organ": 1, "lesion": 3}
KILLS_PER_WORKSPACE = 20
CLIENTS = 3
START_SECONDS = 5.0
# Of kills: while the service starts; of a worker first; only after trainings and predictions have been made.
EARLY, WORKER, LATE = 0.3, 0.3, 0.08
LATEST_SECONDS, LATE_SECONDS = 2.5, 20.0
# With more cases no training would come to its end before the next kill.
CASES = 12

Told = list[tuple[str, Any]]


class Client:
    """Does at random what a viewer does, until the service does not answer any more.

    Args:
        url, token: of the service.
        told: where everything that was acknowledged is noted.
        seed: of the random choices.
        folder: for files on their way.
    """

    def __init__(self, url: str, token: str, told: Told, seed: list[int], folder: Path) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"
        self._told = told
        self._rng = np.random.default_rng(seed)
        self._file = folder / f"{'-'.join(map(str, seed))}.nrrd"
        self.failures: list[str] = []

    def run(self) -> None:
        """Returns when the service is gone."""
        acts: list[Callable[[str], None]] = [
            self._case, self._revision, self._revision, self._revision, self._restore,
            self._train, self._predict, self._promote, self._rollback, self._models,
        ]  # fmt: skip
        try:
            task = self._task()
            self._case(task)
            while True:
                acts[self._rng.integers(len(acts))](task)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            return

    def _task(self) -> str:
        for task in self._ask("GET", "/tasks"):
            if task["name"] == "Fuzz":
                return str(task["id"])
        classes = [{"name": e.name, "value": e.value} for e in CLASSES.entries]
        body = {"name": "Fuzz", "modality": "other", "channels": ["image"], "classes": classes}
        made = self._ask("POST", "/tasks", body | {"validation_fraction": 0.4})
        return self._task() if made is None else str(made["id"])  # another client was quicker

    def _upload(self, array: np.ndarray[Any, Any]) -> str:
        write_image(self._file, Image(array, GRID))
        sha256 = str(self._ask("POST", "/files", self._file.read_bytes())["sha256"])
        self._told.append(("upload", sha256))
        return sha256

    def _case(self, task: str) -> None:
        if len(self._ask("GET", f"/tasks/{task}/cases")) >= CASES:
            self._revision(task)
            return
        image = self._upload(self._rng.normal(size=(1, *GRID.array_shape)).astype(np.float32))
        body = {"name": "a case", "subject": f"subject {self._rng.integers(1 << 30)}", "images": [image]}
        case = self._ask("POST", f"/tasks/{task}/cases", body)
        self._told.append(("case", [case["id"], case["subject"], case["images"]]))
        self._label(case["id"])

    def _revision(self, task: str) -> None:
        self._label(self._some(self._ask("GET", f"/tasks/{task}/cases"))["id"])

    def _label(self, case: str) -> None:
        label = np.zeros((1, *GRID.array_shape), np.uint8)
        j, i = self._rng.integers(1, 8, 2)
        label[0, j : j + 10, i : i + 10], label[0, j + 3 : j + 7, i + 3 : i + 7] = 1, 3
        body = {"label": self._upload(label), "classes": NAMES, "author": "fuzz", "origin": "manual"}
        self._told.append(("revision", self._ask("POST", f"/cases/{case}/revisions", body)))

    def _restore(self, task: str) -> None:
        case = self._some(self._ask("GET", f"/tasks/{task}/cases"))["id"]
        revisions = self._ask("GET", f"/cases/{case}/revisions")
        if len(revisions) > 1:
            body = {"revision": revisions[0]["id"], "author": "fuzz"}
            restored = self._ask("POST", f"/cases/{case}/restore", body)
            if restored is not None:
                self._told.append(("revision", restored))

    def _train(self, task: str) -> None:
        # A few at a time: what has to be taken up again would only grow.
        if sum(job["state"] in ("queued", "running") for job in self._ask("GET", "/jobs")) < CLIENTS:
            epochs = int(self._rng.integers(1, 4))
            job = self._ask("POST", f"/tasks/{task}/trainings", {"epochs": epochs, "author": "fuzz"})
            if job is not None:
                self._told.append(("job", job["id"]))

    def _predict(self, task: str) -> None:
        case = self._some(self._ask("GET", f"/tasks/{task}/cases"))["id"]
        job = self._ask("POST", f"/tasks/{task}/predictions", {"case": case})
        if job is not None:
            self._told.append(("job", job["id"]))

    def _models(self, task: str) -> None:
        for model in self._ask("GET", f"/tasks/{task}/models"):
            self._told.append(("version", [model["id"], model["number"], model["weights"], model["description"]]))
        for job in self._ask("GET", "/jobs"):
            if job["state"] == "succeeded":
                self._told.append(("result", [job["id"], job["result"]]))

    def _promote(self, task: str) -> None:
        models = self._ask("GET", f"/tasks/{task}/models")
        if models:
            body = {"model_version": self._some(models)["id"], "author": "fuzz"}
            self._note_promotion(self._ask("POST", f"/tasks/{task}/promotions", body))

    def _rollback(self, task: str) -> None:
        self._note_promotion(self._ask("POST", f"/tasks/{task}/rollback", {"author": "fuzz"}))

    def _note_promotion(self, promotion: Any) -> None:
        if promotion is not None:
            self._told.append(("promotion", promotion["model_version"]))

    def _some(self, things: list[Any]) -> Any:
        return things[self._rng.integers(len(things))]

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer; None where the request contradicts the present state or has to wait, as a random one may."""
        content = {"data": body} if isinstance(body, bytes) else {"json": body}
        answer = self._session.request(method, self._url + path, timeout=60, **content)
        if answer.status_code in (409, 429):
            return None
        if not answer.ok:
            self.failures.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            raise requests.ConnectionError
        return answer.json()


class Service:
    """``ufseg serve`` on a workspace; `seconds` is how long it took to be there."""

    def __init__(self, workspace: Path, log: Path) -> None:
        command = [sys.executable, "-m", "ufseg.cli.main", "serve", "--workspace", str(workspace), "--device", "cpu"]
        self._started = time.monotonic()
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        self.seconds: float | None = None
        self._hello: dict[str, Any] = {}

    def wait(self) -> dict[str, Any]:
        """Its first line, once ``/health`` has been answered."""
        assert self.process.stdout is not None
        self._hello = json.loads(self.process.stdout.readline() or b"{}")
        if not self._hello:
            raise SystemExit(f"The service did not start (status {self.process.wait()}).")
        headers = {"Authorization": f"Bearer {self._hello['token']}"}
        requests.get(self._hello["url"] + "/health", headers=headers, timeout=60).raise_for_status()
        self.seconds = time.monotonic() - self._started
        return self._hello

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def kill_worker(self, rng: random.Random) -> bool:
        """Whether there was one."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").parent.parent
        pids = [pid for task in children.iterdir() for pid in (task / "children").read_text().split()]
        if not pids:
            return False
        os.kill(int(rng.choice(pids)), signal.SIGKILL)
        return True


@dataclass
class Figures:
    """What was seen."""

    tally: Tally = field(default_factory=Tally)
    starts: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    taken_up: int = 0
    resumed: int = 0


def one_kill(
    folder: Path, log: Path, told: Told, number: int, rng: random.Random, figures: Figures, late: float
) -> None:
    """Start the service, let clients work, kill something."""
    service = Service(folder, log)
    if rng.random() < EARLY * (1 - late):
        time.sleep(rng.uniform(0, 3))
        figures.tally.kills["service while it started"] += 1
        service.kill()
        return
    hello = service.wait()
    assert service.seconds is not None
    figures.starts.append(service.seconds)
    clients = [Client(hello["url"], hello["token"], told, [number, n], folder.parent) for n in range(CLIENTS)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    time.sleep(rng.uniform(5, LATE_SECONDS) if rng.random() < late else rng.uniform(0, LATEST_SECONDS))
    if rng.random() < WORKER and service.kill_worker(rng):
        figures.tally.kills["worker"] += 1
        time.sleep(rng.uniform(0, LATEST_SECONDS))
    figures.tally.kills["service"] += 1
    service.kill()
    for thread in threads:
        thread.join()
    figures.failures += [failure for client in clients for failure in client.failures]


def check_jobs(folder: Path, told: Told, figures: Figures, *, last: bool) -> None:
    """Every acknowledged job must be there, and every result as it was told."""
    with Workspace(folder) as workspace:
        jobs = {job.id: job for job in workspace.jobs.all()}
    for kind, content in told:
        if kind == "job" and content not in jobs:
            figures.tally.lost.append(f"job {content}")
        if kind == "result" and (content[0] not in jobs or jobs[content[0]].result != content[1]):
            figures.tally.lost.append(f"result of job {content[0]}")
    versions = Counter(job.result["model_version"] for job in jobs.values() if job.result and job.kind == "training")
    figures.tally.lost += [f"version {version} is of {n} trainings" for version, n in versions.items() if n > 1]
    if last:
        figures.states.update(f"{job.kind} {job.state}" for job in jobs.values())
        figures.taken_up += sum(bool(job.notes) for job in jobs.values())
        figures.resumed += sum(job.resumed_from is not None for job in jobs.values())


def run(kills: int, seed: int, minutes: float, late: float) -> dict[str, Any]:
    """Kill so often, or until the time is over, and return the figures."""
    end = time.monotonic() + 60 * minutes
    rng = random.Random(seed)
    figures = Figures()
    tally = figures.tally
    era = 0
    with tempfile.TemporaryDirectory(prefix="ufseg-durability-") as name:
        while sum(tally.kills.values()) < kills and time.monotonic() < end:
            home = Path(name) / f"{era}"
            home.mkdir()
            folder = home / "workspace"
            rows = old_workspace(folder, rng)  # the first service brings it up to date
            tally.migrated += sum(rows.values())
            told: Told = []
            for number in range(KILLS_PER_WORKSPACE):
                one_kill(folder, home / "log", told, era * 1000 + number, rng, figures, late)
                verify(folder, None, list(told), tally)
                enough = sum(tally.kills.values()) >= kills or time.monotonic() > end
                last = enough or number == KILLS_PER_WORKSPACE - 1
                check_jobs(folder, told, figures, last=last)
                print(f"{sum(tally.kills.values())} kills, {len(told)} acknowledged", file=sys.stderr, flush=True)
                if last:
                    break
            tally.acknowledged.update(kind for kind, _ in told)
            era += 1
    starts = sorted(figures.starts)
    return {
        "kills": dict(tally.kills),
        "acknowledged": dict(sorted(tally.acknowledged.items())),
        "records of older workspaces": tally.migrated,
        "lost": tally.lost,
        "problems": tally.problems,
        "failures": figures.failures,
        "starts": len(starts),
        "start, median seconds": round(statistics.median(starts), 2) if starts else None,
        "start, slowest seconds": round(starts[-1], 2) if starts else None,
        f"starts over {START_SECONDS:.0f} s": sum(s > START_SECONDS for s in starts),
        "jobs at the end": dict(sorted(figures.states.items())),
        "jobs that were taken up again": figures.taken_up,
        "trainings that went on from a checkpoint": figures.resumed,
    }


def main() -> None:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=600, help="stop after so long, with fewer kills")
    parser.add_argument("--late", type=float, default=LATE, help="share of kills after 5 to 20 s of work")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    given = parser.parse_args()
    figures = run(given.kills, given.seed, given.minutes, given.late)
    text = json.dumps(figures, indent=2)
    if given.json:
        given.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    sys.exit(1 if figures["lost"] or figures["problems"] or figures["failures"] else 0)


if __name__ == "__main__":
    main()

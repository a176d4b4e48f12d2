"""A department at once: does the service stay quick, refuse only with 429, and keep its memory?

    python benchmarks/load.py [--seconds 60] [--clients 50] [--requests 2000]

A real service with a training under way. Each client uploads a new label map, submits it, asks for two predictions and
waits for both, and again. Meanwhile a process of its own asks for ``/health`` twenty times a second on one connection.
Afterwards requests follow one after the other, and the service's memory is compared. Everything stays on loopback.

Exit status 1 unless: every answer is a success or 429 with Retry-After, the 99th percentile of ``/health`` is below
50 ms, and memory grows by less than 10 MB.
"""

from __future__ import annotations

import argparse
import http.client
import multiprocessing
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import requests

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "service")]

PROCESSES = 2
HEALTH_MILLISECONDS = 50.0
GROWTH_BYTES = 10e6
LONGEST_PAUSE = 5.0


def label_bytes(plain: bytes, number: int) -> bytes:
    """The file of a label map, different for each number: the bits of the number in one corner."""
    bits = np.frombuffer(np.uint64(number).tobytes(), np.uint8)
    return plain[:-64] + np.unpackbits(bits).tobytes()


class Client:
    """One reader at a workplace."""

    def __init__(self, url: str, token: str, work: dict[str, Any], number: int) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.work = work
        self.number = number
        self.round = 0
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """The answer's JSON; None where it was 429."""
        answer = self.session.request(method, self.url + path, timeout=120, **options)
        self.answers[f"{method} {path.split('/')[-1].split('?')[0] if '/jobs/' not in path else 'job'} "
                     f"{answer.status_code}"] += 1  # fmt: skip
        if answer.ok:
            return answer.json()
        if answer.status_code == 429 and int(answer.headers.get("Retry-After", "0")) > 0:
            time.sleep(min(float(answer.headers["Retry-After"]), LONGEST_PAUSE))
            return None
        self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return None

    def submit(self) -> None:
        """Upload and submit a new label map."""
        self.round += 1
        content = label_bytes(self.work["label"], self.number * 1_000_000 + self.round)
        file = self.ask("POST", "/files", data=content)
        if file is not None:
            body = {"label": file["sha256"], "classes": {"organ": 1, "lesion": 3}, "author": f"reader {self.number}"}
            self.ask("POST", f"/cases/{self.work['case']}/revisions", json=body)

    def predict(self, count: int = 2) -> None:
        """Ask for predictions and wait for them."""
        path = f"/tasks/{self.work['task']}/predictions"
        jobs = [self.ask("POST", path, json={"case": self.work["case"]}) for _ in range(count)]
        for job in jobs:
            while job is not None and job["state"] in ("queued", "running"):
                job = self.ask("GET", f"/jobs/{job['id']}?wait=5&after={job['version']}")
            if job is not None and job["state"] != "succeeded":
                self.wrong.append(f"prediction {job['state']}: {job['error']}")


def run_clients(url: str, token: str, works: list[dict[str, Any]], first: int, seconds: float, results: Any) -> None:
    """Some clients, each in a thread, for a while."""
    clients = [Client(url, token, work, first + number) for number, work in enumerate(works)]
    end = time.monotonic() + seconds

    def loop(client: Client) -> None:
        while time.monotonic() < end:
            client.submit()
            client.predict()

    threads = [threading.Thread(target=loop, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put((sum((c.answers for c in clients), Counter()), [w for c in clients for w in c.wrong]))


def run_health(address: str, token: str, seconds: float, results: Any) -> None:
    """Times of ``/health`` in milliseconds."""
    host, port = address.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        connection.request("GET", "/health", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        times.append(1000 * (time.perf_counter() - start))
        time.sleep(0.05)
    results.put(times)


def memory_of(pid: int) -> int:
    """Resident bytes of a process."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the system does not tell")


def prepare(service: Any, clients: int) -> tuple[list[dict[str, Any]], Any]:
    """A case for each client in a task with a model, and a training under way."""
    from service_process import nrrd
    from workspace_samples import sample, subjects

    task = service.post("/models/install", {"name": "squares"})["task"]
    works = []
    for number, subject in enumerate(subjects("training", clients)):
        case = service.add_case(task, number, subject)
        service.submit(case, sample(number).label)
        plain = nrrd(sample(number).label[np.newaxis], service.workspace.parent)
        works.append({"task": task["id"], "case": case["id"], "label": plain})
    return works, service.train(task, 3600)


def sequence(client: Client, count: int) -> None:
    """Some `count` requests one after the other, of every kind that the clients make, and of reading."""
    before = client.answers.total()
    while client.answers.total() - before < count:
        client.submit()
        client.predict(1)
        for path in ("/health", "/tasks", f"/cases/{client.work['case']}", f"/tasks/{client.work['task']}/models"):
            client.ask("GET", path)


def main() -> None:
    """Load the service and say how it took it."""
    from openapi_fuzzing import start

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=2000)
    given = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    results, health = context.Queue(), context.Queue()
    with tempfile.TemporaryDirectory() as folder, start(Path(folder)) as service:
        works, training = prepare(service, given.clients)
        token = service.hello["token"]
        share = -(-given.clients // PROCESSES)
        processes = [
            context.Process(
                target=run_clients, args=(service.url, token, works[i : i + share], i, given.seconds, results)
            )
            for i in range(0, given.clients, share)
        ]
        processes.append(context.Process(target=run_health, args=(service.url, token, given.seconds, health)))
        for process in processes:
            process.start()
        times = np.asarray(health.get())
        answers, wrong = Counter[str](), []
        for _ in processes[:-1]:
            more, bad = results.get()
            answers, wrong = answers + more, wrong + bad
        for process in processes:
            process.join()
        state = service.get(f"/jobs/{training['id']}")["state"]
        service.answer("POST", f"/jobs/{training['id']}/cancel")
        client = Client(service.url, token, works[0], 999)
        sequence(client, given.requests // 4)
        before = memory_of(service.process.pid)
        sequence(client, given.requests)
        growth = memory_of(service.process.pid) - before
        wrong += client.wrong
    p50, p99 = np.percentile(times, (50, 99))
    for what, count in sorted(answers.items()):
        print(f"{count:6d} {what}")
    print(f"{answers.total()} answers in {given.seconds:g} s; the training was {state}")
    print(f"/health: {len(times)} times, median {p50:.1f} ms, p99 {p99:.1f} ms, longest {times.max():.1f} ms")
    print(f"memory: {before / 1e6:.1f} MB, {growth / 1e6:+.1f} MB after {given.requests} more requests")
    for sentence in wrong[:20]:
        print(f"WRONG {sentence}")
    good = not wrong and p99 < HEALTH_MILLISECONDS and growth < GROWTH_BYTES and state in ("queued", "running")
    sys.exit(0 if good else f"{len(wrong)} answers were wrong, or a limit was passed")


if __name__ == "__main__":
    main()

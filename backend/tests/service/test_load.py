"""Many at once; the long form is ``benchmarks/load.py``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import requests
from openapi_fuzzing import existing_ids, start
from service_process import nrrd
from workspace_samples import sample


def test_many_clients_get_answers_or_429_and_lose_nothing(tmp_path: Path) -> None:
    with start(tmp_path) as service:
        ids = existing_ids(service)
        predictions = f"{service.url}/tasks/{ids['task']}/predictions"
        plain = nrrd(sample(0).label[np.newaxis], tmp_path)

        def client(number: int) -> list[requests.Response]:
            session = requests.Session()
            session.headers["Authorization"] = f"Bearer {service.hello['token']}"
            content = plain[:-8] + number.to_bytes(8, "little").translate(_BITS)
            file = session.post(f"{service.url}/files", data=content, timeout=60)
            body = {"label": file.json()["sha256"], "classes": {"organ": 1, "lesion": 3}, "author": f"reader {number}"}
            return [
                file,
                session.post(f"{service.url}/cases/{ids['case']}/revisions", json=body, timeout=60),
                *(session.post(predictions, json={"case": ids["case"]}, timeout=60) for _ in range(5)),
                session.get(f"{service.url}/health", timeout=60),
            ]

        with ThreadPoolExecutor(20) as pool:
            answers = [answer for several in pool.map(client, range(20)) for answer in several]
        for answer in answers:
            assert answer.ok or (answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0), answer.text
        authors = {r["author"] for r in service.get(f"/cases/{ids['case']}/revisions")}
        assert authors == {"reader", *(f"reader {n}" for n in range(20))}
        numbers = [r["number"] for r in service.get(f"/cases/{ids['case']}/revisions")]
        assert numbers == list(range(1, 22))


# A number's bytes as class values that the task has.
_BITS = bytes(3 if value & 1 else 1 if value & 2 else 0 for value in range(256))

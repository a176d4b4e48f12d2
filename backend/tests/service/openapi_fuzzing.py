"""Schemathesis against a real service: bodies and parameters made from its OpenAPI document, good ones and bad ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from service_process import Json, ServiceProcess, nrrd
from tiny_models import write_squares_model
from workspace_samples import sample

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
ALL_PHASES = "examples,coverage,fuzzing"
_COUNT = re.compile(r"(\d+) generated")


@dataclass(frozen=True)
class FuzzReport:
    """How many requests were made, whether every answer was a documented one below 500, and what was said."""

    cases: int
    passed: bool
    output: str


def start(folder: Path) -> ServiceProcess:
    """A service on an empty workspace that finds one finished model."""
    write_squares_model(folder / "models" / "squares")
    return ServiceProcess(folder / "workspace", "--models", str(folder / "models"))


def existing_ids(service: ServiceProcess) -> Json:
    """Path parameter → id of something that exists, so that requests get past 404."""
    installed = service.post("/models/install", {"name": "squares"})
    task = installed["task"]
    case = service.add_case(task, 0, "subject 0")
    revision = service.submit(case, sample(0).label)
    job = service.wait(service.post(f"/tasks/{task['id']}/predictions", {"case": case["id"]}))
    file = service.upload(nrrd(sample(1).image, service.workspace.parent))
    return {
        "task": task["id"], "case": case["id"], "revision": revision["id"], "job": job["id"],
        "model": installed["model_version"]["id"], "sha256": file,
    }  # fmt: skip


def fuzz(service: ServiceProcess, examples: int, phases: str, ids: Json | None = None, seed: int = 1) -> FuzzReport:
    """Run Schemathesis on all but ``/events``, an answer that does not end.

    Args:
        service: running; it is filled with rubbish.
        examples: random requests for each operation.
        phases: of Schemathesis.
        ids: constant path parameters; None makes random ones.
        seed: of the random requests.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "schemathesis.toml"
        lines = ["[parameters]"] + [f'"path.{name}" = {json.dumps(value)}' for name, value in (ids or {}).items()]
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        command = [
            str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(config),
            "run", f"{service.url}/openapi.json", "-H", f"Authorization: Bearer {service.hello['token']}",
            "--checks", CHECKS, "--phases", phases, "--max-examples", str(examples), "--seed", str(seed),
            "--continue-on-failure", "--exclude-path", "/events", "--suppress-health-check", "all",
            "--request-timeout", "90", "--no-color",
        ]  # fmt: skip
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            check=False,
            cwd=folder,
            env=os.environ | {"PYTHONUTF8": "1"},
        )
    counted = _COUNT.search(done.stdout)
    return FuzzReport(int(counted[1]) if counted else 0, done.returncode == 0, done.stdout + done.stderr)

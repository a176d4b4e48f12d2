"""Damaged and dishonest files: does every reader either read them or refuse them in a sentence?

    python benchmarks/fuzz_readers.py [--inputs 20000] [--seed 0] [--minutes M] [--only NUMBER] [--markdown FILE]

Each input is made from its number alone: valid small files with bytes changed, lost or added, and headers with huge,
negative, infinite and wrong fields, in seventeen kinds. A process of its own reads them, with a limit on its address
space and on the files it writes, so that crashes, hangs and memory of the compiled libraries show; it is started anew
after each. Printed as JSON: how many were read and refused, and each finding with its number, which ``--only`` repeats.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, TextIO

import fuzz_inputs

# Images may have 0.25 GB of voxels here, so a reader that obeys needs little more than twice that.
LARGEST_IMAGE_GB = "0.25"
MEMORY_ABOVE_START = 1_500_000_000
LARGEST_FILE = 600_000_000
SLOWEST_SECONDS = 30.0


def read(kind: str, path: Path) -> None:
    """What a user would do with the input."""
    from ufseg.images.datasets import read_dataset
    from ufseg.images.reading import read_image, read_label_map
    from ufseg.networks.model_folder import read_description, read_weights

    if kind in ("dataset.json", "classes.json"):
        read_dataset(path)
    elif kind == "model.json":
        read_description(path)
    elif kind == "safetensors":
        read_weights(path)
    elif kind.startswith("seg."):
        read_label_map(path)
    else:
        read_image(path)


def outcome(seed: int, number: int, folder: Path) -> tuple[str, str]:
    """Read one input: ("read" | "refused" | "wrong", what was said)."""
    from ufseg.errors import UfsegError

    kind, main, files = fuzz_inputs.make(seed, number)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    try:
        read(kind, folder / main)
    except UfsegError as error:
        said = str(error)
        sentence = said[:1].isprintable() and said.endswith((".", ")")) and len(said) > 20 and "Traceback" not in said
        return ("refused" if sentence else "wrong"), f"{type(error).__name__}: {said}"
    except Exception as error:  # noqa: BLE001 - finding what is not ours is the purpose
        return "wrong", f"{type(error).__name__}: {error}"
    finally:
        for path in list(folder.iterdir()):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return "read", ""


def work(seed: int, numbers: list[int]) -> None:
    """The reading process: one line before and one after each input."""
    for module in ("ufseg.images.datasets", "ufseg.images.reading", "ufseg.networks.model_folder"):
        importlib.import_module(module)  # before the limit on memory
    fuzz_inputs.valid()
    with os.fdopen(os.dup(1), "w") as told, open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)  # compiled libraries write there as they like
        _work(seed, numbers, told)


def _work(seed: int, numbers: list[int], told: TextIO) -> None:
    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    limit = used + MEMORY_ABOVE_START
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory(prefix="ufseg-fuzz-") as folder:
        for number in numbers:
            print(json.dumps({"number": number}), file=told, flush=True)
            state, said = outcome(seed, number, Path(folder))
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start
            answer = {"number": number, "state": state, "said": said, "kib": grown}
            print(json.dumps(answer), file=told, flush=True)


def fuzz(seed: int, numbers: list[int], minutes: float = 1e9) -> dict[str, Any]:
    """Read all inputs, or as many as the minutes allow; returns counts and findings."""
    end = time.monotonic() + 60 * minutes
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in fuzz_inputs.KINDS}
    kinds = list(fuzz_inputs.KINDS)
    findings: list[dict[str, Any]] = []
    slowest, most_kib = 0.0, 0
    waiting = numbers
    while waiting and time.monotonic() < end:
        command = [sys.executable, __file__, "--seed", str(seed), "--work", *map(str, waiting)]
        environment = os.environ | {"UFSEG_MAX_IMAGE_GB": LARGEST_IMAGE_GB, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, bufsize=0
        )
        assert process.stdout is not None
        current, began, done = waiting[0], time.monotonic() + 60, waiting[0] - 1
        while time.monotonic() < end:
            ready, _, _ = select.select([process.stdout], [], [], SLOWEST_SECONDS + max(0, began - time.monotonic()))
            line = process.stdout.readline() if ready else b""
            if not line:
                break
            told = json.loads(line)
            current = told["number"]
            if "state" not in told:
                began = time.monotonic()
                continue
            slowest, most_kib = max(slowest, time.monotonic() - began), max(most_kib, told["kib"])
            done = current
            counts[kinds[current % len(kinds)]][told["state"]] += 1
            if told["state"] == "wrong":
                findings.append({"number": current, "kind": kinds[current % len(kinds)], "said": told["said"]})
        late = time.monotonic() >= end
        hung = process.poll() is None and done != waiting[-1]
        process.kill()
        process.wait()
        if not late and done != waiting[-1]:
            what = "hang" if hung and not ready else f"crash ({process.returncode})"
            counts[kinds[current % len(kinds)]]["wrong"] += 1
            findings.append({"number": current, "kind": kinds[current % len(kinds)], "said": what})
            done = current
        waiting = [n for n in waiting if n > done]
    return {
        "inputs": sum(sum(c.values()) for c in counts.values()),
        "counts": {kind: dict(c) for kind, c in counts.items()},
        "findings": findings,
        "slowest seconds": round(slowest, 2),
        "most memory MiB": most_kib // 1024,
    }


def as_markdown(figures: dict[str, Any]) -> str:
    """A table of the counts."""
    rows = ["| kind | inputs | read | refused in a sentence | anything else |", "|---|---|---|---|---|"]
    for kind, c in figures["counts"].items():
        rows.append(
            f"| {kind} | {sum(c.values())} | {c.get('read', 0)} | {c.get('refused', 0)} | {c.get('wrong', 0)} |"
        )
    return "\n".join(rows) + "\n"


def main() -> int:
    """Exit code 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long")
    parser.add_argument("--only", type=int, help="number of one input")
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--work", nargs="+", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        work(chosen.seed, chosen.work)
        return 0
    figures = fuzz(chosen.seed, list(range(chosen.inputs)) if chosen.only is None else [chosen.only], chosen.minutes)
    if chosen.markdown:
        chosen.markdown.write_text(as_markdown(figures), encoding="utf-8")
    print(json.dumps(figures, indent=2))
    return 1 if figures["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())

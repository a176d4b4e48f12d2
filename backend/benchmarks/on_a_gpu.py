"""Everything that is to be measured on a GPU, one after the other, in one call.

    python benchmarks/on_a_gpu.py OUTPUT [--data DATASET] [--drive DRIVE] [--only NAME …]

OUTPUT gets a log of each part, the pages of those that write one, and ``summary.json`` with their exit states and
seconds. What is behind an earlier failure still runs. DATASET is the folder of the hippocampus data, DRIVE that of the
retinal vessels; without them the parts that train on them are left out, and it is said. The part inference needs
nibabel. This script has not run on a GPU yet.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
TESTS = ("losses/test_fused_triton.py", "training/test_waiting_for_a_gpu.py", "networks")


def parts(output: Path, data: Path | None, drive: Path | None) -> dict[str, tuple[str, ...]]:
    """Arguments of Python for each part, the most important first."""
    step = (str(HERE / "training_step.py"), "--device", "cuda")
    inference = (str(HERE / "inference.py"), "--device", "cuda")
    losses = (str(HERE / "losses.py"), "--device", "cuda", "--size", "128")
    wanted: dict[str, tuple[str, ...]] = {
        "tests": (*PYTEST, *(str(HERE.parent / "tests" / part) for part in TESTS)),
        # Beside the step on the same data each time; MONAI's augmentation takes a second a step, so it comes apart.
        "training-step": (
            *(*step, "--sizes", "96", "128", "--contenders", "ours", "plain", "dummy", "measured"),
            *("--markdown", str(output / "training-step-cuda.md")),
        ),
        "inference-large": (
            *(*inference, "--memory-size", "512", "512", "300"),
            *("--markdown", str(output / "inference-large-cuda.md")),
        ),
        "losses-3": (*losses, "--classes", "3"),
        "losses-14": (*losses, "--classes", "14"),
        "training-step-monai": (
            *(*step, "--sizes", "96", "--repeats", "3", "--contenders", "ours", "monai-bfloat16", "monai-float32"),
            *("--markdown", str(output / "training-step-monai-cuda.md")),
        ),
    }
    if data is not None:
        wanted["inference"] = (
            *(*inference, str(data), "--budget", "60s", "--cases", "8", "--repeats", "2", "--without", "windows of 2"),
            *("--memory-size", "0", "0", "0", "--markdown", str(output / "inference-cuda.md")),
        )
        hippocampus = (str(HERE / "hippocampus.py"), str(data), "--device", "cuda", "--output", str(output))
        wanted["hippocampus"] = (*hippocampus, "--budget", "150s")
        wanted["hippocampus-10-cases"] = (*hippocampus, "--cases", "10", "--budget", "60s", "--draws", "2")
    if drive is not None:
        for architecture in ("paper", "dynunet"):
            name = f"drive-{architecture}"
            wanted[name] = (
                *("-m", "ufseg.cli.main", "compare-losses", str(drive), "--output", str(output / name)),
                *("--modality", "other", "--losses", "asymmetric-unified-focal", "--seeds", "1", "--budget", "150s"),
                *("--architecture", architecture, "--device", "cuda"),
            )
    return wanted


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--drive", type=Path)
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--limit", type=float, default=240.0, help="seconds of a part")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    wanted = parts(arguments.output, arguments.data, arguments.drive)
    if arguments.data is None:
        print("Without --data the parts inference and hippocampus are left out.", flush=True)
    if arguments.drive is None:
        print("Without --drive the parts on retinal vessels are left out.", flush=True)
    summary = {}
    for name, command in wanted.items():
        if arguments.only and name not in arguments.only:
            continue
        begun = time.monotonic()
        with (arguments.output / f"{name}.log").open("w", encoding="utf-8") as log:
            try:
                done: int | str = subprocess.run(
                    [sys.executable, *command], stdout=log, stderr=subprocess.STDOUT, timeout=arguments.limit
                ).returncode
            except subprocess.TimeoutExpired:
                done = f"stopped after {arguments.limit:.0f} s"
        summary[name] = {"state": done, "seconds": round(time.monotonic() - begun, 1)}
        print(f"{name}: {summary[name]}", flush=True)
        (arguments.output / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    sys.exit(any(part["state"] != 0 for part in summary.values()))


if __name__ == "__main__":
    main()

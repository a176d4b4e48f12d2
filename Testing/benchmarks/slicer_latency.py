"""From the click on Segment to the segmentation in the scene, beyond the network's own time, and what it costs.

    QT_QPA_PLATFORM=offscreen python Testing/benchmarks/slicer_latency.py [--rounds 5] [--size 256 256 128]

In the test shell, on the real scene and the real service on the CPU, with an untrained network, its worker warm. Each
round segments another volume. "Beyond the network" is the time from the click to the node in the scene less the job's
own time in the network. Memory is the peak of this process during a round above what it held before the click.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "UnifiedFocalSeg"), str(REPOSITORY / "Testing")]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from finished_model import write_finished_model  # noqa: E402
from nodes import add_volume  # noqa: E402
from panel_driver import start_backend, until  # noqa: E402
from slicer_shell import pythonqt  # noqa: E402
from slicer_shell.application import LoadedModule, install  # noqa: E402
from stalls import Stalls  # noqa: E402

_MB = 1e6
_STATUS = Path("/proc/self/status")


def memory(field: str) -> float:
    """Bytes that this process holds (``VmRSS``) or has held at most (``VmHWM``)."""
    line = next(line for line in _STATUS.read_text(encoding="utf-8").splitlines() if line.startswith(field))
    return 1024.0 * int(line.split()[1])


def forget_peak() -> None:
    """Let the peak begin anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def one_round(widget, scene, stalls: Stalls, size: list[int], seed: int) -> dict[str, float]:
    """Segment one volume by a click."""
    ui, logic = widget.ui, widget.logic
    array = np.random.default_rng(seed).normal(0, 300, size[::-1]).astype(np.int16)
    volume = add_volume(scene, array, name=f"volume {seed}")
    volume_bytes = array.nbytes
    del array
    ui.inputSelector.setCurrentNode(volume)
    ui.segmentationSelector.setCurrentNode(None)
    until(lambda: not logic.operations)
    nodes = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    forget_peak()
    before, begin = memory("VmRSS"), time.monotonic()
    with stalls.watch():
        ui.applyButton.click()
        until(lambda: scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") > nodes)
    seconds, peak = time.monotonic() - begin, memory("VmHWM")
    until(lambda: not logic.operations)
    job = max(logic.client.jobs(widget.panel.segment.task["id"]), key=lambda job: job["created"])
    network = job["result"]["seconds"]["predict"]
    return {
        "total": seconds,
        "network": network,
        "beyond": seconds - network,
        "memory": (peak - before) / volume_bytes,
        "stall": stalls.longest[0].seconds,
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, nargs=3, default=[256, 256, 128], help="voxels along i, j, k")
    chosen = parser.parse_args()
    qt = install()
    qt.QSettings.values.clear()
    stalls = Stalls()
    pythonqt.watch_slot = stalls.timed
    import slicer

    with tempfile.TemporaryDirectory() as folder:
        write_finished_model(Path(folder) / "models" / "a-phantom-mri")
        os.environ["UFSEG_WORKSPACE"] = str(Path(folder) / "workspace")
        os.environ["UFSEG_ENVIRONMENT"] = str(Path(folder) / "environment")
        from UnifiedFocalSegLib import connection

        connection.default_models = lambda: Path(folder) / "models"
        widget = LoadedModule(REPOSITORY / "UnifiedFocalSeg" / "UnifiedFocalSeg.py").open()
        start_backend(widget)
        widget.logic.install_model("a-phantom-mri", wait=True)
        widget.panel.segment.refresh_tasks()
        until(lambda: widget.ui.taskSelector.count == 1 and not widget.logic.operations)
        one_round(widget, slicer.mrmlScene, stalls, [64, 64, 32], 1000)  # warms the worker
        rounds = [one_round(widget, slicer.mrmlScene, stalls, chosen.size, seed) for seed in range(chosen.rounds)]
        widget.cleanup()
        widget.logic.close(wait=True)
    print(f"{chosen.rounds} rounds, {' × '.join(map(str, chosen.size))} voxels, load {os.getloadavg()[0]:.1f}\n")
    print("| | median | worst |\n|---|---|---|")
    for name, words, unit in (
        ("total", "click to segmentation, s", "{:.3f}"),
        ("network", "of it the network, s", "{:.3f}"),
        ("beyond", "beyond the network, s", "{:.3f}"),
        ("memory", "memory above the start, volumes", "{:.2f}"),
        ("stall", "longest handler on an idle machine, s", "{:.3f}"),
    ):
        values = [found[name] for found in rounds]
        print(f"| {words} | {unit.format(statistics.median(values))} | {unit.format(max(values))} |")


if __name__ == "__main__":
    main()

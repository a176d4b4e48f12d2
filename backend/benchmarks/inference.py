"""From image file to label map file: ours beside MONAI's default pipeline with the same weights, and peak memory.

A model is trained on the dataset for a short time (or given), then

1. the held-out cases are segmented by each, and their Dice compared;
2. a volume of 256 × 256 × 128 voxels on the model's grid (a held-out case, enlarged) is segmented by each in turn, each
   in a warm process of its own, one at a time;
3. a process of its own segments a synthetic volume of 512 × 512 × 600 voxels with 14 classes and random weights, and
   its peak memory is read.

MONAI's pipeline: LoadImaged, Orientationd, Spacingd, NormalizeIntensityd, SlidingWindowInferer (overlap 0.5, Gaussian,
float32), Invertd, AsDiscreted, SaveImaged. It runs twice: as started by default, and with the allocator's settings that
ours are started with. It needs nibabel to read and write NIfTI: pip install nibabel

    python benchmarks/inference.py DATASET --modality MRI --markdown benchmarks/results/inference-cpu.md
    python benchmarks/inference.py DATASET --model FOLDER --device cuda --memory-size 512 512 300
    python benchmarks/inference.py --device cuda --memory-size 512 512 300  # 3 alone, which needs no data
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ufseg.evaluation.dice import dice_per_class
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.datasets import read_dataset
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.images.reading import read_image, read_label_map
from ufseg.images.writing import write_image, write_label_map
from ufseg.networks.build import build_network, network_state
from ufseg.networks.model_folder import LossChoice, ModelDescription, read_description, write_model
from ufseg.networks.process_environment import computing_environment
from ufseg.plans.fingerprint import fingerprint
from ufseg.plans.planner import make_plan

PEER = "MONAI, overlap 0.5, float32"


@dataclass(frozen=True)
class Entry:
    """One way to segment: the kind of worker, its settings, and whether it has our allocator settings."""

    kind: str
    overlap: float
    scale: int | None = 1
    tuned: bool = True


ENTRIES = {
    PEER: Entry("monai", 0.5, tuned=False),
    "MONAI, the same with our allocator settings": Entry("monai", 0.5),
    "ufseg, by default": Entry("ours", 0.5, scale=None),
    "ufseg, overlap 0.5": Entry("ours", 0.5),
    "ufseg, overlap 0.25": Entry("ours", 0.25),
    "ufseg, overlap 0.5, windows of 2 patches": Entry("ours", 0.5, scale=2),
    "ufseg, overlap 0.25, windows of 2 patches": Entry("ours", 0.25, scale=2),
}


class Worker:
    """A warm process of ``inference_worker.py``."""

    def __init__(self, kind: str, model: Path, device: str, tuned: bool) -> None:
        environment = {k: v for k, v in os.environ.items() if k not in computing_environment() or k.startswith("OMP")}
        environment |= computing_environment() if tuned else {}
        command = [sys.executable, str(Path(__file__).with_name("inference_worker.py")), kind, str(model)]
        self._process = subprocess.Popen(
            [*command, "--device", device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None,
            encoding="utf-8",
            env=environment,
        )
        ready = self._answer()
        self.device, self.threads = ready["ready"], ready["threads"]

    def segment(self, image: Path, output: Path, entry: Entry) -> dict[str, float]:
        """Seconds and memory of one image, file to file."""
        assert self._process.stdin is not None
        task = {"image": str(image), "output": str(output), "overlap": entry.overlap, "scale": entry.scale}
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        raise RuntimeError("the worker ended; its message stands above")


def main() -> None:
    arguments = _arguments()
    for name in [n for n in ENTRIES if n != PEER and any(words in n for words in arguments.without)]:
        del ENTRIES[name]
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if arguments.dataset is not None:
            lines += _compared(arguments, folder)
        if min(arguments.memory_size) > 0:
            lines += _memory(arguments, folder)
    report = "\n".join(lines)
    print(report)
    if arguments.markdown:
        arguments.markdown.parent.mkdir(parents=True, exist_ok=True)
        arguments.markdown.write_text(report + "\n", encoding="utf-8")


def _compared(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """All ways on held-out cases and on a large volume."""
    if find_spec("nibabel") is None:
        sys.exit("MONAI's pipeline needs nibabel to read and write NIfTI. Install it: pip install nibabel")
    lines: list[str] = []
    model = arguments.model or _train(arguments, folder / "model")
    description = read_description(model)
    held_out = [c for c in read_dataset(arguments.dataset).cases if c.id not in description.trained_on]
    held_out = held_out[: arguments.cases]
    workers: dict[tuple[str, bool], Worker] = {}
    for entry in ENTRIES.values():
        if (entry.kind, entry.tuned) not in workers:
            workers[entry.kind, entry.tuned] = Worker(entry.kind, model, arguments.device, entry.tuned)
    some = workers["ours", True]
    lines += [
        f"# Inference: {' × '.join(map(str, arguments.size))} voxels, file to file",
        "",
        f"{some.device}, {some.threads} threads, load {os.getloadavg()[0]:.1f} at the start, "
        f"{datetime.now(timezone.utc):%Y-%m-%d}. {_versions()}.",
        f"Model: {description.name}, {description.plan.dimension}D, patch {_times(description.plan.patch_size)}, "
        f"features {', '.join(map(str, description.plan.features))}, {description.plan.classes} classes, trained "
        f"{description.seconds:.0f} s on {len(description.trained_on)} cases.",
        "",
    ]
    lines += _dice_table(workers, held_out, description, folder)
    lines += _time_table(workers, held_out[0], description, arguments, folder)
    for worker in workers.values():
        worker.close()
    return lines


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, nargs="?", help="folder of 3D images and label maps; else 3 alone")
    parser.add_argument("--modality", default="MRI", choices=["CT", "MRI", "other"])
    parser.add_argument("--model", type=Path, help="a model folder trained on it, in place of a short training")
    parser.add_argument("--budget", default="300s", help="of that training")
    parser.add_argument("--cases", type=int, default=10, help="held-out cases to compare Dice on")
    parser.add_argument("--size", type=int, nargs=3, default=(256, 256, 128), metavar=("I", "J", "K"))
    parser.add_argument(
        "--without", nargs="+", default=[], metavar="WORDS", help="leave out ways with these in the name"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory-size", type=int, nargs=3, default=(512, 512, 600), help="0 0 0 leaves it out")
    parser.add_argument("--memory-classes", type=int, default=14)
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    return parser.parse_args()


def _train(arguments: argparse.Namespace, folder: Path) -> Path:
    command = [sys.executable, "-m", "ufseg.cli.main", "train", str(arguments.dataset), "--output", str(folder)]
    options = ["--budget", arguments.budget, "--modality", arguments.modality, "--device", arguments.device]
    subprocess.run([*command, *options], check=True, stdout=sys.stderr)
    return folder


def _dice_table(
    workers: dict[tuple[str, bool], Worker], cases: list[CaseFiles], description: ModelDescription, folder: Path
) -> list[str]:
    """Mean Dice over cases and classes of every way, and its difference to MONAI's."""
    means: dict[str, list[float]] = {}
    for name, entry in ENTRIES.items():
        if entry.kind == "monai" and entry.tuned:
            continue  # the same labels as without
        for case in cases:
            output = folder / "label.nii.gz"
            workers[entry.kind, entry.tuned].segment(case.images[0], output, entry)
            means.setdefault(name, []).append(_dice(output, case, entry, description.classes))
    lines = [
        f"Dice on {len(cases)} held-out cases (mean over cases of the mean over classes); difference to MONAI's of the "
        "mean, and the largest of a case:",
        "",
        "| pipeline | Dice | difference | largest |",
        "|---|---:|---:|---:|",
    ]
    for name, values in means.items():
        differences = np.subtract(values, means[PEER])
        largest = differences[int(np.argmax(np.abs(differences)))]
        lines.append(f"| {name} | {np.mean(values):.4f} | {differences.mean():+.4f} | {largest:+.4f} |")
    return [*lines, ""]


def _dice(output: Path, case: CaseFiles, entry: Entry, classes: ClassTable) -> float:
    assert case.label is not None
    reference = read_label_map(case.label, classes, read_image(case.images[0]).geometry)
    found = read_label_map(output, grid=reference.geometry)
    if entry.kind == "monai":
        found = LabelMap(classes.from_indices(found.array), found.geometry)
    return float(np.nanmean(list(dice_per_class(found, reference, classes).values())))


def _time_table(
    workers: dict[tuple[str, bool], Worker],
    case: CaseFiles,
    description: ModelDescription,
    arguments: argparse.Namespace,
    folder: Path,
) -> list[str]:
    """Seconds of every way on one large volume, in turn."""
    image = folder / "large.nii.gz"
    write_image(image, _enlarged(case, tuple(arguments.size), description))
    answers: dict[str, list[dict[str, float]]] = {name: [] for name in ENTRIES}
    for repeat in range(1 + arguments.repeats):
        for name, entry in ENTRIES.items():
            answer = workers[entry.kind, entry.tuned].segment(image, folder / "label.nii.gz", entry)
            print(f"{name}: {answer['seconds']:.2f} s{'' if repeat else ' (warm-up)'}", file=sys.stderr, flush=True)
            if repeat:
                answers[name].append(answer)
    median = {name: {key: statistics.median(a[key] for a in own) for key in own[0]} for name, own in answers.items()}
    lines = [
        f"Seconds for {_times(arguments.size)} voxels, medians of {arguments.repeats} interleaved repeats "
        "after a warm-up. Before the network: reading, preparing. After it: blending, resampling, labelling, writing.",
        "",
        "| pipeline | seconds | × faster than MONAI | before | network | after | share after | windows |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, own in median.items():
        lines.append(
            f"| {name} | {own['seconds']:.2f} | {median[PEER]['seconds'] / own['seconds']:.2f} | {own['before']:.2f} | "
            f"{own['network']:.2f} | {own['after']:.2f} | {100 * own['after'] / own['seconds']:.1f} % | "
            f"{own['windows']:.0f} |"
        )
    return [*lines, ""]


def _enlarged(case: CaseFiles, size: tuple[int, ...], description: ModelDescription) -> Image:
    """The case with `size` voxels of the plan's spacing, so that the network sees as many."""
    array = read_image(case.images[0]).array[:1].astype(np.float32)
    large = F.interpolate(torch.from_numpy(array)[None], size=size[::-1], mode="trilinear")[0].numpy()
    grid = Geometry(
        size=size,
        spacing=description.plan.spacing[::-1],
        origin=(0, 0, 0),
        direction=(1, 0, 0, 0, 1, 0, 0, 0, 1),
    )
    return Image(large, grid)


def _memory(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Peak memory of a process that segments a large synthetic volume."""
    size, count = tuple(arguments.memory_size), arguments.memory_classes
    model, image = _synthetic(size, count, folder)
    worker = Worker("ours", model, arguments.device, tuned=True)
    label, entry = folder / "synthetic.label.nii.gz", Entry("ours", 0.5)
    answer = worker.segment(image, label, entry)
    again = ""
    if answer["device_bytes"]:  # a GPU's first use of a kernel takes time that its later uses do not
        second = worker.segment(image, label, entry)
        again = f" The same again in the same process: {second['seconds']:.1f} s, {second['before']:.1f} s before the "
        again += f"network, {second['network']:.1f} s in it, {second['after']:.1f} s after it."
    worker.close()
    logits = 4 * count * float(np.prod(size))
    on_device = f", {answer['device_bytes'] / 1e9:.2f} GB on the device" if answer["device_bytes"] else ""
    return [
        f"{worker.device}, {_versions()}.",
        "",
        f"Peak memory of a process that segments {' × '.join(map(str, size))} voxels with {count} classes (synthetic "
        f"noise without air, random weights, overlap 0.5): **{answer['peak_bytes'] / 1e9:.2f} GB**{on_device}, where "
        f"the logits of the whole volume alone would take {logits / 1e9:.2f} GB. It took {answer['seconds']:.1f} s, of "
        f"which {answer['after']:.1f} s after the network ({100 * answer['after'] / answer['seconds']:.1f} %), "
        f"{answer['windows']:.0f} windows of {_times(read_description(model).plan.patch_size)}.{again}",
        "",
    ]


def _synthetic(size: tuple[int, ...], count: int, folder: Path) -> tuple[Path, Path]:
    """A volume of noise in bands of classes, and a model of the plan it gets."""
    grid = Geometry(size=size, spacing=(0.8, 0.8, 1.0), origin=(0, 0, 0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))
    rng = np.random.default_rng(0)
    bands = np.linspace(0, count - 1e-6, size[2]).astype(np.uint8)
    array = np.empty((1, *grid.array_shape), np.int16)
    for plane, band in zip(array[0], bands, strict=True):
        plane[...] = 40 * int(band) + rng.normal(0, 30, plane.shape)
    image, label = folder / "synthetic.nrrd", folder / "synthetic.label.nrrd"
    write_image(image, Image(array, grid))
    write_label_map(label, LabelMap(np.broadcast_to(bands[:, None, None], grid.array_shape).copy(), grid))
    classes = ClassTable.of({f"class {n}": n for n in range(1, count)})
    case = CaseFiles(id="synthetic", subject="synthetic", images=(image,), label=label)
    plan = make_plan(fingerprint([case], classes, "CT"), classes)
    description = ModelDescription(
        name="synthetic",
        task="synthetic",
        plan=plan,
        classes=classes,
        channel_names=["image"],
        loss=LossChoice(name="asymmetric-unified-focal"),
        trained_on=[],
        seconds=0.0,
        device="",
        created=datetime.now(timezone.utc),
        ufseg_version=version("ufseg"),
    )
    write_model(folder / "synthetic-model", description, network_state(build_network(plan, 1)))
    return folder / "synthetic-model", image


def _times(numbers: tuple[int, ...]) -> str:
    return " × ".join(map(str, numbers))


def _versions() -> str:
    return ", ".join(f"{name} {version(name)}" for name in ("torch", "monai"))


if __name__ == "__main__":
    main()

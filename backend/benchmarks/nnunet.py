"""nnU-Net v2 on the hippocampus data's split, stopped after the same time of training as ufseg.

    python benchmarks/nnunet.py DATASET_FOLDER --python NNUNET_VENV/bin/python --scratch FOLDER --budget 20m

``--python`` is an interpreter with nnunetv2 installed, of an environment of its own. nnU-Net plans, preprocesses,
trains (3d_fullres, fold "all": all 190 training cases) and predicts the 22 test cases by its own code; our
evaluation scores them. Two variants, see ``nnunet_timed.py``:

- stock: default trainer and schedule over 1000 epochs, cut off when the time is over;
- same: the allocator's settings and, on a CPU, the bfloat16 autocast that ufseg uses, and the schedule compressed to
  the time.

``--steps N …`` gives each variant as many steps in place of the time: on a busy machine, as many as it does in the time
when nothing else runs (``--budget 60s`` tells the time of a step). The page says so.

``--beside evaluation.json`` (of ``hippocampus.py``) adds ufseg's row and compares it with each variant case by case.
Writes ``nnunet-<device>.md`` and the evaluations into the output folder. Planning and preprocessing are done once and
kept in the scratch folder; they and the prediction are not part of the budget, as they are not part of ufseg's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from hippocampus_data import CHANNELS, CLASSES, dice_table, duration, evaluate, machine, read_split

from ufseg.evaluation.report import Report
from ufseg.evaluation.statistics import paired_test
from ufseg.images.case_files import CaseFiles
from ufseg.images.reading import read_label_map
from ufseg.networks.process_environment import computing_environment

RESULTS = Path(__file__).with_name("results")
TRAINER = Path(__file__).with_name("nnunet_timed.py")
NUMBER, NAME = "501", "Dataset501_Hippocampus"
_COUNTED = (
    "The machine was busy with other things, so nnU-Net was given as many steps as it does in the time when nothing "
    "else runs, measured right before; the seconds a step below are those of the busy machine.\n"
)
TITLES = {"stock": "nnU-Net, stock", "same": "nnU-Net, same settings"}


def main() -> None:
    arguments = _arguments()
    training, test = read_split(arguments.dataset)
    nnunet = Nnunet(arguments.python, arguments.scratch, arguments.device, arguments.processes)
    nnunet.prepare(training, test)
    rows: dict[str, tuple[Report, Mapping[str, str]]] = {}
    if arguments.beside:
        rows["ufseg"] = (Report.model_validate_json(arguments.beside.read_text(encoding="utf-8")), {})
    arguments.output.mkdir(parents=True, exist_ok=True)
    steps = arguments.steps or [None] * len(arguments.variants)
    for variant, count in zip(arguments.variants, steps, strict=True):
        folder, summary = nnunet.train(variant, arguments.budget, count)
        report = evaluate(
            f"nnunet-{variant}", test, lambda case, f=folder: read_label_map(f / f"{case.id}.nii.gz", CLASSES)
        )
        (arguments.output / f"nnunet-{arguments.device}-{variant}.json").write_text(
            report.model_dump_json(indent=2) + "\n"
        )
        rows[TITLES[variant]] = (report, _columns(summary, rows.get("ufseg"), report))
        print("\n".join(dice_table(rows)), flush=True)
    lines = [
        f"# nnU-Net {nnunet.version('nnunetv2')} on hippocampus after {arguments.budget / 60:g} minutes",
        "",
        f"{machine(os.cpu_count())}; nnU-Net with torch {nnunet.version('torch')}; {date.today().isoformat()}.",
        "",
        f"{len(training)} training cases (3d_fullres, fold all), {len(test)} test cases; mean over cases [95 % "
        "confidence interval by Student's t]. The time is the optimisation's: planning, preprocessing and prediction "
        "(with nnU-Net's mirroring) come on top. Stock nnU-Net is made for a day on a GPU: cut off after so few steps "
        "its schedule has not begun to decay, so its row says what it gives in this time, not what it can do.",
        "",
        *([_COUNTED] if arguments.steps else []),
        *dice_table(rows),
        "",
    ]
    (arguments.output / f"nnunet-{arguments.device}.md").write_text("\n".join(lines))
    print("\n".join(lines))


class Nnunet:
    """nnU-Net's commands in a scratch folder.

    Args:
        python: interpreter of its environment.
        scratch: folder for its raw, preprocessed and result folders; made if absent.
        device: ``cpu`` or ``cuda``.
        processes: for preprocessing and export.
    """

    def __init__(self, python: Path, scratch: Path, device: str, processes: int) -> None:
        self._python, self._scratch, self._device, self._processes = python, scratch.resolve(), device, processes
        self._raw = self._scratch / "raw" / NAME

    def version(self, package: str) -> str:
        """Of a package in its environment."""
        code = f"from importlib.metadata import version; print(version({package!r}))"
        done = subprocess.run([self._python, "-c", code], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def prepare(self, training: Sequence[CaseFiles], test: Sequence[CaseFiles]) -> None:
        """Raw dataset, plans and preprocessed cases, unless they are there."""
        if not (self._raw / "dataset.json").exists():
            for cases, images in ((training, "imagesTr"), (test, "imagesTs")):
                (self._raw / images).mkdir(parents=True, exist_ok=True)
                for case in cases:
                    _copy(case.images[0], self._raw / images / f"{case.id}_0000.nii.gz", None)
            (self._raw / "labelsTr").mkdir(exist_ok=True)
            for case in training:
                if case.label is not None:
                    _copy(case.label, self._raw / "labelsTr" / f"{case.id}.nii.gz", sitk.sitkUInt8)
            labels = {"background": 0} | dict(zip(CLASSES.names, CLASSES.values, strict=True))
            description = {"channel_names": {"0": CHANNELS[0]}, "labels": labels, "file_ending": ".nii.gz"}
            text = json.dumps(description | {"numTraining": len(training)}, indent=2)
            (self._raw / "dataset.json").write_text(text)
        if not (self._scratch / "preprocessed" / NAME / "nnUNetPlans_3d_fullres").is_dir():
            module = "nnunetv2.experiment_planning.plan_and_preprocess_entrypoints"
            code = f"from {module} import plan_and_preprocess_entry as run; run()"
            options = ["-d", NUMBER, "-c", "3d_fullres", "-np", str(self._processes), "--verify_dataset_integrity"]
            self._run(["-c", code, *options], {})

    def train(self, variant: str, seconds: float, steps: int | None) -> tuple[Path, dict[str, Any]]:
        """Train a variant and predict the test cases; returns the folder of label maps and what it took."""
        output = self._scratch / "predictions" / variant
        options = ["--seconds", str(seconds), "--device", self._device, "--images", str(self._raw / "imagesTs")]
        options += [] if steps is None else ["--steps", str(steps)]
        environment = computing_environment() if variant == "same" else {}
        self._run([str(TRAINER), NAME, variant, *options, "--output", str(output)], environment)
        summary: dict[str, Any] = json.loads((output / "timed.json").read_text(encoding="utf-8"))
        return output, summary

    def _run(self, options: Sequence[str], environment: Mapping[str, str]) -> None:
        folders = {f"nnUNet_{name}": str(self._scratch / name) for name in ("raw", "preprocessed", "results")}
        for folder in folders.values():
            Path(folder).mkdir(parents=True, exist_ok=True)
        print(f"nnU-Net: {' '.join(options)}", flush=True)
        subprocess.run([self._python, *options], check=True, env=os.environ | folders | environment)


def _copy(source: Path, target: Path, kind: int | None) -> None:
    image = sitk.ReadImage(str(source))
    sitk.WriteImage(image if kind is None else sitk.Cast(image, kind), str(target))


def _columns(summary: Mapping[str, Any], ours: tuple[Report, object] | None, report: Report) -> dict[str, str]:
    columns = {"steps": f"{summary['steps']:.0f}", "s a step": f"{summary['seconds'] / max(1, summary['steps']):.2f}"}
    columns["batch, patch"] = f"{summary['batch']}, {'×'.join(map(str, summary['patch']))}"
    if ours is not None:
        cases = sorted(report.per_case)
        pairs = [(report.per_case[case], ours[0].per_case[case]) for case in cases]
        test = paired_test([a or 0.0 for a, _ in pairs], [b or 0.0 for _, b in pairs])
        columns["ufseg − this"] = f"{test.mean_difference:+.4f} (p = {test.p_value:.2g})"
    return columns


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--python", type=Path, required=True, help="interpreter with nnunetv2")
    parser.add_argument("--scratch", type=Path, required=True, help="nnU-Net's folders, about 100 MB")
    parser.add_argument("--budget", type=duration, default=1200.0, help="of the optimisation, such as 20m")
    parser.add_argument("--steps", type=int, nargs="+", help="of each variant, in place of the budget")
    parser.add_argument("--variants", nargs="+", choices=list(TITLES), default=list(TITLES))
    parser.add_argument("--beside", type=Path, help="evaluation of ufseg by hippocampus.py")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

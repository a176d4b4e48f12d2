"""The hippocampus data as both benchmarks use it: which cases train, which test, and how they are scored."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ufseg.evaluation.case_scores import ClassScores, score_case
from ufseg.evaluation.markdown import interval_text
from ufseg.evaluation.metrics import DEFAULT_TOLERANCE, DICE
from ufseg.evaluation.report import Report, make_report
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.datasets import read_dataset
from ufseg.images.image import LabelMap
from ufseg.images.reading import read_label_map

CLASSES = ClassTable.of({"anterior": 1, "posterior": 2})
CHANNELS = ("T1 MRI",)
TASK = "Hippocampus MRI"


def read_split(folder: Path) -> tuple[list[CaseFiles], list[CaseFiles]]:
    """Training and test cases of the folder's ``split.json``."""
    cases = {case.id: case for case in read_dataset(folder).cases}
    split = json.loads((folder / "split.json").read_text(encoding="utf-8"))
    return [cases[name] for name in split["train"]], [cases[name] for name in split["val"]]


def draw(cases: Sequence[CaseFiles], count: int, number: int) -> list[CaseFiles]:
    """`count` cases of different subjects, chosen at random by the seed `number`.

    Numbers 2k−1 and 2k look like the two sides of one head and count as one subject.
    """
    subjects: dict[int, list[CaseFiles]] = {}
    for case in cases:
        subjects.setdefault((int(re.findall(r"\d+", case.id)[-1]) + 1) // 2, []).append(case)
    if count > len(subjects):
        raise SystemExit(f"{count} cases of different subjects were asked for, and there are {len(subjects)} subjects")
    rng = np.random.default_rng(number)
    chosen = [subjects[s] for s in rng.permutation(sorted(subjects))[:count]]
    return [sides[int(rng.integers(len(sides)))] for sides in chosen]


def evaluate(name: str, test: Sequence[CaseFiles], predict: Callable[[CaseFiles], LabelMap]) -> Report:
    """All metrics of the predictions of `test`, as ``ufseg evaluate`` makes them."""
    tolerances = dict.fromkeys(CLASSES.names, DEFAULT_TOLERANCE)
    results: dict[str, dict[str, ClassScores]] = {}
    for case in test:
        if case.label is None:
            raise SystemExit(f"the test case {case.id} has no label map")
        prediction, truth = predict(case), read_label_map(case.label, CLASSES)
        prediction.geometry.require_same(truth.geometry, f"The prediction of {case.id}", "its reference", "")
        results[case.id] = score_case(prediction, truth, CLASSES, tolerances)
    return make_report({name: results}, tolerances)


def dice_table(reports: Mapping[str, tuple[Report, Mapping[str, str]]]) -> list[str]:
    """Markdown: a row a report, its Dice of each class and of their mean with 95 % CI, and further columns."""
    more = list(dict.fromkeys(column for _, columns in reports.values() for column in columns))
    lines = [["", *CLASSES.names, "mean Dice", *more], ["---"] * (2 + len(CLASSES.names) + len(more))]
    for name, (report, columns) in reports.items():
        cells = [interval_text(report.row(report.predictions[0], c, DICE), DICE) for c in (*CLASSES.names, None)]
        lines.append([name, *cells, *(columns.get(column, "–") for column in more)])
    return ["| " + " | ".join(line) + " |" for line in lines]


def machine(threads: int | None = None) -> str:
    """Processor, cores, threads (this process's unless given), versions and load, in a sentence."""
    import monai
    import torch

    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text(encoding="utf-8")) if info.exists() else []
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else names[0] if names else platform.processor()
    load = f"; load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    used = torch.get_num_threads() if threads is None else threads
    return f"{name}, {os.cpu_count()} cores, {used} threads; torch {torch.__version__}, monai {monai.__version__}{load}"


def duration(text: str) -> float:
    """Seconds of ``90s``, ``20m`` or ``1.5h``, for argparse."""
    import typer

    from ufseg.cli.console import parse_duration

    try:
        return parse_duration(text)
    except typer.BadParameter as error:
        raise argparse.ArgumentTypeError(str(error)) from error

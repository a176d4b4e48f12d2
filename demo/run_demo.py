"""The whole loop: first model, segment, correct, retrain, gate, and a test on cases that took no part.

Run it with ``make demo`` (``make demo DATA=folder`` for your own labelled cases). It works on Slicer's own MRML scene
(slicer-core) through the logic of the module, with a backend process of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEMO = Path(__file__).resolve().parent
REPOSITORY = DEMO.parent
sys.path[:0] = [str(DEMO), str(REPOSITORY / "UnifiedFocalSeg"), str(REPOSITORY / "Testing")]

from demo_data import VALIDATION_FRACTION, DemoData, DemoDataError, choose_data  # noqa: E402
from demo_picture import Example, draw  # noqa: E402
from demo_scene import DemoUser  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from slicer_shell.boot import boot  # noqa: E402
from ufseg.cli.console import ProgressDisplay, out, print_table  # noqa: E402
from ufseg.errors import UfsegError  # noqa: E402
from ufseg.evaluation.dice import dice_per_class  # noqa: E402
from ufseg.evaluation.statistics import PairedTest, paired_test  # noqa: E402
from ufseg.evaluation.summary import Summary, summarise  # noqa: E402
from ufseg.images.image import LabelMap  # noqa: E402
from ufseg.progress import Progress  # noqa: E402
from UnifiedFocalSegLib.errors import FocalSegError  # noqa: E402
from UnifiedFocalSegLib.logic import FocalSegLogic  # noqa: E402

FIRST_BUDGET_SECONDS = 54.0
RETRAIN_BUDGET_SECONDS = 84.0
EXAMPLES = 3


class Demo:
    """The steps in order; `seconds` fills up as they are done."""

    def __init__(self, data: DemoData, output: Path) -> None:
        self.data = data
        self.output = output
        self.seconds: dict[str, float] = {}
        self._logic = FocalSegLogic()

    def run(self) -> dict[str, Any]:
        """Do everything; returns the report."""
        data = self.data
        with self._step("start the backend"):
            boot(log=self.output / "vtk.log")
            self._logic.start_backend(self.output / "workspace", sys.executable, wait=True)
        try:
            return self._loop(data)
        finally:
            self._logic.close(wait=True)

    def _loop(self, data: DemoData) -> dict[str, Any]:
        task = self._logic.create_task(
            data.name,
            data.modality,
            [e.model_dump(exclude_none=True) for e in data.classes.entries],
            channels=[f"channel {n + 1}" for n in range(len(data.first[0].images))],
            validation_fraction=VALIDATION_FRACTION,
            wait=True,
        ).result
        user = DemoUser(self._logic, task, data.classes, author="demo")
        with self._step("submit labelled cases") as show:
            self._submit_references(user, show)
        with self._step("first training") as show:
            first = user.retrain(FIRST_BUDGET_SECONDS, show)
        out.print(first["gate"]["reason"], markup=False, highlight=False, soft_wrap=True)
        with self._step("segment test cases before") as show:
            before = self._segment_tests(user, show)
        with self._step("segment and correct new cases") as show:
            changed = 0
            for n, case in enumerate(data.corrected):
                show(Progress(n / len(data.corrected), "in the scene"))
                changed += user.segment_and_correct(case)[0]
            show(Progress(1.0, f"{changed} voxels corrected (taken from the reference labels)"))
        with self._step("retraining") as show:
            second = user.retrain(RETRAIN_BUDGET_SECONDS, show)
        out.print(second["gate"]["reason"], markup=False, highlight=False, soft_wrap=True)
        with self._step("segment test cases after") as show:
            after = self._segment_tests(user, show)
        device = self._logic.wait(self._logic.fetch("health"))["device"]
        with self._step("report and picture"):
            return self._report(user, first, second, before, after, changed, device["name"] if device else "unknown")

    def _submit_references(self, user: DemoUser, show: ProgressDisplay) -> None:
        labelled = [("training", c) for c in self.data.first] + [("validation", c) for c in self.data.validation]
        for n, (expected, case) in enumerate(labelled):
            show(Progress(n / len(labelled), "through the scene"))
            saved = user.submit_reference(case)
            membership = self._logic.wait(self._logic.fetch("case", saved["case"]))["membership"]
            if membership != expected:
                raise RuntimeError(f"{case.id} was put into {membership}, but its subject's hash says {expected}.")
        show(Progress(1.0, f"{len(self.data.first)} for training, {len(self.data.validation)} frozen for validation"))

    def _segment_tests(self, user: DemoUser, show: ProgressDisplay) -> dict[str, LabelMap]:
        labels = {}
        for n, case in enumerate(self.data.test):
            show(Progress(n / len(self.data.test), "through the scene"))
            labels[case.id] = user.segment(case)
        show(Progress(1.0, f"{len(labels)} cases"))
        return labels

    def _report(
        self,
        user: DemoUser,
        first: dict[str, Any],
        second: dict[str, Any],
        before: dict[str, LabelMap],
        after: dict[str, LabelMap],
        changed: int,
        device: str,
    ) -> dict[str, Any]:
        data = self.data
        seen = {c.id: user.look(c) for c in data.test}
        references = {name: label for name, (_, label) in seen.items()}
        scores = [
            summarise({i: dice_per_class(labels[i], references[i], data.classes) for i in references})
            for labels in (before, after)
        ]
        pairs = {
            i: (b, a)
            for i in references
            if (b := scores[0].per_case[i]) is not None and (a := scores[1].per_case[i]) is not None
        }
        test = paired_test([p[0] for p in pairs.values()], [p[1] for p in pairs.values()])
        gate = second["gate"]
        report = {
            "data": data.source,
            "device": device,
            "loss": second.get("loss", "asymmetric-unified-focal"),
            "training_cases": [c.id for c in data.first],
            "corrected_cases": [c.id for c in data.corrected],
            "corrections": "taken from the reference labels",
            "corrected_voxels": changed,
            "validation_cases": [c.id for c in data.validation],
            "test_cases": [c.id for c in data.test],
            "dice_before": scores[0].per_class,
            "dice_after": scores[1].per_class,
            "mean_dice_before": scores[0].mean,
            "mean_dice_after": scores[1].mean,
            "paired_test": test.model_dump(),
            "validation_before": {"mean": gate["promoted_mean"], "per_class": gate["promoted_per_class"]},
            "validation_after": {"mean": gate["candidate_mean"], "per_class": gate["candidate_per_class"]},
            "promoted": second["promoted"],
            "gate": gate["reason"],
            "training_seconds": {"first": first["seconds"], "retraining": second["seconds"]},
            "seconds": {name: round(seconds, 2) for name, seconds in self.seconds.items()},
            "dice_per_test_case": {i: {"before": b, "after": a} for i, (b, a) in pairs.items()},
        }
        curves = {"first model": first["history"], "retraining": second["history"]}
        self._draw(pairs, seen, before, after, curves)
        self._table(scores, test, len(pairs), report)
        return report

    def _draw(
        self,
        pairs: dict[str, tuple[float, float]],
        seen: dict[str, tuple[NDArray[Any], LabelMap]],
        before: dict[str, LabelMap],
        after: dict[str, LabelMap],
        curves: dict[str, list[dict[str, float]]],
    ) -> None:
        # Largest, median and smallest gain: not only the flattering ones.
        ranked = sorted(pairs, key=lambda i: pairs[i][1] - pairs[i][0], reverse=True)
        chosen = [ranked[0], ranked[len(ranked) // 2], ranked[-1]][: min(EXAMPLES, len(ranked))]
        examples = []
        for name in dict.fromkeys(chosen):
            image, reference = seen[name]
            maps = (reference.array, before[name].array, after[name].array)
            examples.append(Example(name, image, reference.geometry, *maps, *pairs[name]))
        draw(
            DEMO / "demo.png",
            f"{self.data.name}: test cases before and after retraining on {len(self.data.corrected)} corrected cases",
            examples,
            self.data.classes.names,
            self.data.classes.values,
            self.data.modality,
            curves,
            [p[0] for p in pairs.values()],
            [p[1] for p in pairs.values()],
            f"{self.data.source}. Rows: largest, median, smallest gain. Corrections taken from the reference labels.",
        )

    def _table(self, scores: list[Summary], test: PairedTest, cases: int, report: dict[str, Any]) -> None:
        rows: list[list[object]] = [
            [name, scores[0].per_class[name], scores[1].per_class[name]] for name in self.data.classes.names
        ]
        rows.append(["mean", scores[0].mean, scores[1].mean])
        print_table(f"Dice on {cases} test cases that took no part", ["class", "before", "after"], rows)
        out.print(
            f"Mean gain {test.mean_difference:+.4f}, p = {test.p_value:.2g} ({test.test}, {test.n} cases). "
            f"{report['gate']} Data: {report['data']}. Device: {report['device']}.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    @contextmanager
    def _step(self, name: str) -> Iterator[ProgressDisplay]:
        start = time.monotonic()
        with ProgressDisplay(name) as show:
            yield show
        self.seconds[name] = time.monotonic() - start
        out.print(f"{name}: {self.seconds[name]:.1f} s", markup=False, highlight=False)


def main() -> None:
    """Parse the arguments, run, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of labelled cases; see the README")
    arguments = parser.parse_args()
    output = DEMO / "output"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    start = time.monotonic()
    try:
        data = choose_data(arguments.data, output)
        out.print(f"Data: {data.source}", markup=False, highlight=False, soft_wrap=True)
        report = Demo(data, output).run()
    except (DemoDataError, FocalSegError, UfsegError) as error:
        sys.exit(f"The demo stopped: {error}")
    report["seconds"]["total"] = round(time.monotonic() - start, 2)
    (DEMO / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    out.print(
        f"Done in {report['seconds']['total']:.0f} s: {DEMO / 'report.json'}, {DEMO / 'demo.png'}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()

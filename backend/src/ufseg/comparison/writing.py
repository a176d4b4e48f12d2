"""The files of a comparison: results.json, results.csv, table.md and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ufseg.comparison.compare import Comparison
from ufseg.comparison.examples import EXAMPLE_RULE, Example, choose_examples, draw
from ufseg.comparison.figures import BOX_CAPTION, drawn_classes, write_box_plots, write_sweep
from ufseg.comparison.files import write_text
from ufseg.comparison.pooling import pool
from ufseg.comparison.results import PAPER_METRICS, Results, case_mean, make_results, make_sweep, to_csv
from ufseg.comparison.runs import Run
from ufseg.comparison.tables import to_markdown
from ufseg.errors import StorageError

RESULTS_FILE, SCORES_FILE, TABLE_FILE = "results.json", "results.csv", "table.md"
BOX_PLOTS, SWEEP, SWEEP_FILE, EXAMPLES = "boxplots.png", "gamma-sweep.png", "gamma-sweep.json", "examples"
SWEEP_CAPTION = (
    "Mean DSC over γ; bands: 95 % confidence interval over cases; black dots: the mean over cases of each seed."
)

Picture = tuple[str, str]


def write_results(comparison: Comparison, runs: Sequence[Run], *, examples: bool) -> Results:
    """Write all files of the runs finished so far.

    Args:
        comparison: whose output folder they go to.
        runs: of whole seeds.
        examples: also segment and draw the example cases, which takes a prediction a loss and case.

    Raises:
        StorageError: a file cannot be written.
    """
    results = make_results(comparison.request, runs)
    output = comparison.output
    write_text(output / SCORES_FILE, to_csv(runs))
    pictures: list[Picture] = []
    if results.labels:
        pictures += _plots(output, results, runs)
        if examples:
            pictures += _examples(comparison, results, runs)
    write_text(output / TABLE_FILE, to_markdown(results, pictures))
    write_text(output / RESULTS_FILE, results.model_dump_json(indent=2) + "\n")
    return results


def _plots(output: Path, results: Results, runs: Sequence[Run]) -> list[Picture]:
    values: dict[tuple[str, str | None, str], list[float]] = {}
    for label, cases in pool(runs).items():
        for name in drawn_classes(results):
            for metric in PAPER_METRICS:
                found = [
                    case_mean(classes, metric) if name is None else classes[name].values[metric.name]
                    for classes in cases.values()
                ]
                values[label, name, metric.name] = [v for v in found if v is not None]
    _saved(output / BOX_PLOTS, lambda path: write_box_plots(path, results, values))
    if not results.request.sweep:
        return [(BOX_CAPTION, BOX_PLOTS)]
    write_text(output / SWEEP_FILE, make_sweep(results).model_dump_json(indent=2) + "\n")
    _saved(output / SWEEP, lambda path: write_sweep(path, results))
    return [(SWEEP_CAPTION, SWEEP), (BOX_CAPTION, BOX_PLOTS)]


def _examples(comparison: Comparison, results: Results, runs: Sequence[Run]) -> list[Picture]:
    trained = {run.entrant.label: run for run in reversed(runs) if run.failure is None}
    by_id = {case.id: case for case in comparison.split.test}
    chosen = choose_examples(results.pooled_dice)
    examples = [Example(by_id[case], results.request.classes) for case in chosen]
    # The reference loss first: it decides about the slice where there is no reference label.
    for label in sorted(results.labels, key=lambda name: name != results.reference):
        predictor = comparison.predictor(trained[label].entrant, trained[label].seed)
        for example in examples:
            example.add(label, predictor)
    pictures = []
    for number, example in enumerate(examples, start=1):
        dice = {label: results.pooled_dice[label][example.case.id] for label in results.labels}
        counted = [d for d in dice.values() if d is not None]
        title = f"{example.case.id}: DSC from {min(counted):.3f} to {max(counted):.3f}"
        name = f"{EXAMPLES}/{number}.png"
        _saved(comparison.output / name, partial(draw, example=example, title=title, dice=dice))
        pictures.append((f"{title}. {EXAMPLE_RULE}" if number == 1 else title, name))
    return pictures


def _saved(path: Path, save: Callable[[Path], None]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}. Free some space or choose another folder."
        ) from error

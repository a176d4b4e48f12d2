"""``ufseg evaluate``: compare label maps with reference label maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ufseg.cli.console import ProgressDisplay, err, out, parse_classes, print_table
from ufseg.errors import DatasetError, StorageError
from ufseg.progress import Progress, ProgressCallback, ignore_progress

if TYPE_CHECKING:
    from ufseg.evaluation.case_scores import ClassScores
    from ufseg.evaluation.report import Report
    from ufseg.images.class_table import ClassTable

_ENDINGS = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".png")


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Folder of predicted label maps.")],
    references: Annotated[Path, typer.Argument(help="Folder of reference label maps with the same names.")],
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", help="NAME=VALUE, once per class; without it, values name themselves."),
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(help="Folder of another model's label maps, tested against PREDICTIONS.")
    ] = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MM", help="Tolerance of surface Dice in mm, 1 by default; NAME=MM for one class, repeatable."
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every score to this CSV file, one a line.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write every score to this JSON file.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the tables to this Markdown file.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Write box plots to this file (.png, .svg or .pdf).")] = None,
) -> None:
    """Dice, IoU, precision, recall, HD95, surface Dice and volume difference per case and class.

    Means are given with their 95 % confidence interval. A class absent from both label maps of a case is not counted
    there; absent from one, it gets the worst value: 0, and for HD95 the image's diagonal.
    """
    from ufseg.evaluation.figure import check_figure_path, write_figure
    from ufseg.evaluation.markdown import to_markdown
    from ufseg.evaluation.report import make_report, to_csv

    files = [path for path in (csv, json, markdown, figure) if path is not None]
    _require_folders(files)
    if figure is not None:
        check_figure_path(figure)
    reference = _label_maps(references)
    folders = [predictions] if compare is None else [predictions, compare]
    predicted = {name: _predictions(f, reference) for name, f in zip(_names(folders), folders, strict=True)}
    table = _class_table(classes, reference, references)
    tolerances = _tolerances(tolerance or [], table.names)
    with ProgressDisplay("evaluating", err) as show:
        # Lines of progress would only be in the way of a script that reads the errors.
        progress: ProgressCallback = show if err.is_terminal else ignore_progress
        results = _score(predicted, reference, table, tolerances, progress)
    report = make_report(results, tolerances)
    _show(report, table.names)
    for path, text in (
        (csv, to_csv(report)),
        (json, report.model_dump_json(indent=2) + "\n"),
        (markdown, to_markdown(report)),
    ):
        if path is not None:
            _write(path, text)
    if figure is not None:
        try:
            write_figure(figure, report)
        except OSError as error:
            raise _not_written(figure, error) from error


def _score(
    predicted: dict[str, dict[str, Path]],
    reference: dict[str, Path],
    table: ClassTable,
    tolerances: dict[str, float],
    progress: ProgressCallback,
) -> dict[str, dict[str, dict[str, ClassScores]]]:
    """Prediction's name → case → class → scores; each reference is read once."""
    from ufseg.evaluation.case_scores import score_case
    from ufseg.images.reading import read_label_map

    results: dict[str, dict[str, dict[str, ClassScores]]] = {name: {} for name in predicted}
    for number, (case, path) in enumerate(reference.items()):
        progress(Progress(number / len(reference), case))
        truth = read_label_map(path, table)
        for name, paths in predicted.items():
            prediction = read_label_map(paths[case], table)
            prediction.geometry.require_same(
                truth.geometry,
                f"The prediction {paths[case]}",
                f"its reference {path}",
                "Compare label maps of the same image, on that image's grid.",
            )
            results[name][case] = score_case(prediction, truth, table, tolerances)
    return results


def _show(report: Report, names: Sequence[str]) -> None:
    """Dice of every case, then the means of every metric, then the comparison."""
    from ufseg.evaluation.markdown import comparison_table, incomplete_lines, summary_table
    from ufseg.evaluation.metrics import DICE

    first = report.predictions[0]
    dice = {(s.case, s.class_name): s.value for s in report.scores if (s.predictions, s.metric) == (first, DICE.name)}
    rows: list[list[object]] = [[case, *[dice[case, name] for name in names]] for case in report.per_case]
    rows.append(["mean", *[report.per_class[name] for name in names]])
    print_table("Dice", ["case", *names], rows)
    out.print(
        f"mean Dice over {len(report.per_case)} cases: {report.mean:.4f}" if report.mean is not None else "no class"
    )
    for prediction in report.predictions:
        header, lines = summary_table(report, prediction)
        by_metric = list(zip(*[header, *lines], strict=True))
        out.print()
        print_table("Means over cases", [f"{prediction}: mean [95 % CI]", *by_metric[0][1:]], by_metric[1:])
    if report.comparison is not None:
        out.print()
        print_table(f"{first} against {report.predictions[1]}, p Holm-corrected", *comparison_table(report))
    incomplete = incomplete_lines(report)
    if incomplete:
        out.print("\nWorst values were given where only one label map holds a class:", soft_wrap=True)
    for line in incomplete:
        out.print(line, markup=False, highlight=False, soft_wrap=True)


def _class_table(classes: list[str] | None, reference: dict[str, Path], folder: Path) -> ClassTable:
    from ufseg.images.class_table import ClassTable
    from ufseg.images.reading import read_label_map

    if classes:
        return ClassTable.of(parse_classes(classes))
    values = sorted({v for path in reference.values() for v in read_label_map(path).values()} - {0})
    if not values:
        raise DatasetError(f"Every reference label map in {folder} is empty. There is nothing to compare.")
    return ClassTable.of({f"class {v}": v for v in values})


def _tolerances(given: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """Tolerance of every class from ``MM`` and ``NAME=MM`` options; raises typer.BadParameter."""
    from ufseg.evaluation.metrics import DEFAULT_TOLERANCE

    general, special = DEFAULT_TOLERANCE, {}
    for item in given:
        name, _, text = item.rpartition("=")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= 0):
            raise typer.BadParameter(f"{item!r} is no tolerance in mm; write 2 or, for one class, {names[0]}=2.")
        if name and name not in names:
            raise typer.BadParameter(f"{item!r} names no class; the classes are {', '.join(names)}.")
        if name:
            special[name] = value
        else:
            general = value
    return {name: special.get(name, general) for name in names}


def _predictions(folder: Path, reference: dict[str, Path]) -> dict[str, Path]:
    predicted = _label_maps(folder)
    missing = sorted(set(reference) - set(predicted))
    if missing:
        raise DatasetError(
            f"{len(missing)} of {len(reference)} reference label maps have no prediction of the same name, such as "
            f"{missing[0]} in {folder}. Predict them first."
        )
    return predicted


def _label_maps(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DatasetError(f"There is no folder {folder}. Give the folder that holds the label maps.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        ending = next((e for e in _ENDINGS if path.name.lower().endswith(e)), None)
        if ending:
            found[path.name[: -len(ending)]] = path
    if not found:
        raise DatasetError(f"{folder} holds no label map ({', '.join(_ENDINGS)}).")
    return found


def _names(folders: Sequence[Path]) -> list[str]:
    """What the predictions are called: their folders' names, or paths where names are the same."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) == len(names):
        return names
    paths = [str(folder) for folder in folders]
    if len(set(paths)) < len(paths):
        raise DatasetError(f"{folders[0]} cannot be compared with itself. Give the folder of another prediction.")
    return paths


def _require_folders(files: Sequence[Path]) -> None:
    """Before the work, not after it, say that a result could not be written."""
    for path in files:
        if not path.parent.is_dir():
            raise StorageError(f"{path} cannot be written: there is no folder {path.parent}. Make it first.")
        if path.is_dir():
            raise StorageError(f"{path} cannot be written: it is a folder. Give the name of a file.")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path} cannot be written: {error.strerror or error}. Give another place.")

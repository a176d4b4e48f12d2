"""``ufseg evaluate``: compare label maps with reference label maps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ufseg.cli.console import out, parse_classes, print_table
from ufseg.errors import DatasetError

_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".png")


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Folder of predicted label maps.")],
    references: Annotated[Path, typer.Argument(help="Folder of reference label maps with the same names.")],
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", help="NAME=VALUE, once per class; without it, values name themselves."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write every score to this JSON file.")] = None,
) -> None:
    """Dice per case and class.

    A class absent from both label maps of a case is not counted there; absent from one, it scores 0.
    """
    from ufseg.evaluation.dice import dice_per_class
    from ufseg.evaluation.summary import summarise
    from ufseg.images.class_table import ClassTable
    from ufseg.images.reading import read_label_map

    predicted, reference = _label_maps(predictions), _label_maps(references)
    missing = sorted(set(reference) - set(predicted))
    if missing:
        raise DatasetError(
            f"{len(missing)} of {len(reference)} reference label maps have no prediction of the same name, such as "
            f"{missing[0]} in {predictions}. Predict them first."
        )
    table = ClassTable.of(parse_classes(classes)) if classes else None
    if table is None:
        values = sorted({v for path in reference.values() for v in read_label_map(path).values()} - {0})
        if not values:
            raise DatasetError(f"Every reference label map in {references} is empty. There is nothing to compare.")
        table = ClassTable.of({f"class {v}": v for v in values})
    scores = {}
    for name, path in reference.items():
        truth = read_label_map(path, table)
        scores[name] = dice_per_class(read_label_map(predicted[name], table, truth.geometry), truth, table)
    summary = summarise(scores)
    rows = [[name, *[_none_if_nan(s[c]) for c in table.names]] for name, s in scores.items()]
    rows.append(["mean", *[summary.per_class[c] for c in table.names]])
    print_table("Dice", ["case", *table.names], rows)
    out.print(f"mean Dice over {len(scores)} cases: {summary.mean:.4f}" if summary.mean is not None else "no class")
    if json is not None:
        json.write_text(summary.model_dump_json(indent=2) + "\n", encoding="utf-8")


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


def _none_if_nan(value: float) -> float | None:
    return None if value != value else value

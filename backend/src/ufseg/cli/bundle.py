"""``ufseg models bundle``: a trained model with its card, as it is published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from ufseg.cli.console import out
from ufseg.errors import ConflictError, InputError, StorageError

if TYPE_CHECKING:
    from ufseg.evaluation.report import Report
    from ufseg.images.class_table import ClassTable
    from ufseg.networks.model_card import CardFacts, Measured

Content = TypeVar("Content", bound=BaseModel)


def bundle(
    model: Annotated[Path, typer.Argument(metavar="MODEL_FOLDER", help="As `ufseg train` writes it.")],
    name: Annotated[str, typer.Option(help="Of the published model, such as hippocampus-mri.")],
    evaluation: Annotated[Path, typer.Option(help="Of the model, as `ufseg evaluate --json` writes it.")],
    card_facts: Annotated[Path, typer.Option(help="JSON of what only a person knows: data, licences, limits, use.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to make; it must not exist.")],
    half: Annotated[bool, typer.Option("--half", help="Store float16 weights, half the size.")] = False,
) -> None:
    """Write a model folder with a model card, to be installed by its name.

    The card's numbers are those of the evaluation and of the model itself; MODEL_CARD.md is made from model.json alone.
    """
    from ufseg.evaluation.metrics import DICE
    from ufseg.evaluation.report import Report
    from ufseg.images.class_table import ClassTable
    from ufseg.networks.model_card import CARD_FILE, CardFacts, ModelCard, render_card
    from ufseg.networks.model_folder import WEIGHTS_FILE, read_description, read_weights, write_atomic, write_model

    if output.exists():
        raise InputError(f"{output} exists already. Name a folder that does not, so that nothing is overwritten.")
    if output.name != name:
        raise InputError(
            f"A model is found by its folder's name: the output {output} must end in {name}. Change one of the two."
        )
    trained = read_description(model)
    facts = _read(card_facts, CardFacts, "facts of a model card")
    report = _read(evaluation, Report, "evaluation of ufseg evaluate --json")
    classes = trained.classes if facts.classes is None else ClassTable(entries=tuple(facts.classes))
    _check_facts(facts, classes, trained.classes, len(trained.channel_names), card_facts)
    measured = measured_of(report, trained.classes.names, evaluation)
    # Of a single class the report has no row of the mean over classes, so that mean is taken from its top.
    dice = {"mean": report.mean} | {m.class_name: m.mean for m in measured if m.metric == DICE.name and m.class_name}
    described = trained.model_copy(
        update={
            "name": name,
            "task": facts.title,
            "classes": classes,
            "channel_names": facts.channels or trained.channel_names,
            "scores": {name: mean for name, mean in dice.items() if mean is not None} or None,
            "card": ModelCard(facts=facts, measured=measured, interval_method=report.interval_method),
        }
    )
    write_model(output, described, read_weights(model), half=half)
    try:
        write_atomic(output / CARD_FILE, render_card(read_description(output)).encode())
    except OSError as error:
        raise StorageError(f"{output / CARD_FILE} cannot be written: {error.strerror or error}.") from error
    size = (output / WEIGHTS_FILE).stat().st_size
    out.print(f"Bundled as {output} ({size / 1e6:.1f} MB).", markup=False, highlight=False, soft_wrap=True)


def measured_of(report: Report, classes: list[str], source: Path) -> list[Measured]:
    """The means of an evaluation's first prediction, for a card.

    Raises:
        ConflictError: the evaluation is of other classes than the model's.
    """
    from ufseg.evaluation.metrics import METRICS
    from ufseg.networks.model_card import Measured

    shown = {metric.name: metric for metric in METRICS}
    first = report.predictions[0]
    rows = [row for row in report.summary if row.predictions == first]
    found = {row.class_name for row in rows} - {None}
    if found != set(classes):
        raise ConflictError(
            f"The evaluation {source} is of the classes {', '.join(sorted(map(str, found)))}, and the model's are "
            f"{', '.join(classes)}. Evaluate with --class NAME=VALUE for each of the model's classes."
        )
    return [
        Measured(
            metric=row.metric,
            title=shown[row.metric].title,
            decimals=max(shown[row.metric].decimals, 4 if not row.unit else 0),
            unit=row.unit,
            class_name=row.class_name,
            n=row.over_cases.n,
            mean=row.over_cases.mean,
            low=row.over_cases.low,
            high=row.over_cases.high,
        )
        for row in rows
    ]


def _check_facts(facts: CardFacts, classes: ClassTable, trained: ClassTable, channels: int, source: Path) -> None:
    own, given = ([(e.value, e.name) for e in table.entries] for table in (trained, classes))
    if own != given:
        raise ConflictError(
            f"The classes in {source} are {given}, and the model's are {own}. Colours and terminology can be given, "
            "names and values are the model's."
        )
    if facts.channels is not None and len(facts.channels) != channels:
        raise ConflictError(
            f"{source} names {len(facts.channels)} channels, and the model takes {channels}. Name each of them once."
        )


def _read(path: Path, kind: type[Content], what: str) -> Content:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}. Give the {what}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{path} is no {what}: {where}: {first['msg']}. Correct it.") from error

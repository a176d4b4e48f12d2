"""``ufseg compare-losses``: train every loss under the same conditions, and print the paper's table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ufseg.cli.console import DeviceOption, Interrupt, ProgressDisplay, err, out, parse_duration, print_table
from ufseg.errors import CancelledError

if TYPE_CHECKING:
    from ufseg.comparison.entrants import Entrant
    from ufseg.comparison.results import Results
    from ufseg.images.dataset import Dataset


def compare_losses(
    dataset: Annotated[Path, typer.Argument(help="Dataset folder; see the page compare-losses.md for the layouts.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for tables, pictures, scores and models.")],
    losses: Annotated[
        str,
        typer.Option(
            help="Comma-separated losses, NAME or NAME:OPTION=NUMBER; 'all' of the catalogue, 'paper' for the paper's."
        ),
    ] = "all",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each loss.")] = 2,
    budget: Annotated[str | None, typer.Option(help="Time of each training: 60s, 5m, 1h, 2d; 60s if left out.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Train so many epochs instead.")] = None,
    split: Annotated[
        Path | None,
        typer.Option(help='{"train": \\[ids], "test": \\[ids]}; else the dataset\'s own split, else a hash.'),
    ] = None,
    channels: Annotated[str | None, typer.Option(help="Use these channels only, comma-separated.")] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", help="Use these classes only, once per class: NAME, or NEW=NAME+NAME to unite some."),
    ] = None,
    plan: Annotated[Path | None, typer.Option(help="Use this plan, as ufseg plan --output wrote it.")] = None,
    architecture: Annotated[Literal["dynunet", "paper"], typer.Option(help="The network.")] = "dynunet",
    schedule: Annotated[Literal["one-cycle", "paper"], typer.Option(help="The course of a training.")] = "one-cycle",
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out cases that cannot be read, and name them.")
    ] = False,
    gamma_sweep: Annotated[
        bool, typer.Option("--gamma-sweep", help="Compare γ of the asymmetric Unified Focal loss instead of losses.")
    ] = False,
    gammas: Annotated[str | None, typer.Option(help="γ of the sweep, comma-separated; 0.1 to 0.9 if left out.")] = None,
    modality: Annotated[
        Literal["CT", "MRI", "other"] | None, typer.Option(help="What the images are, if the dataset does not say.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the comparison in OUTPUT.")] = False,
    device: DeviceOption = "auto",
) -> None:
    """Train all losses under the same plan, seeds and budget, and compare them on held-out cases."""
    if budget is not None and epochs is not None:
        raise typer.BadParameter("give --budget or --epochs, not both.")
    if gammas is not None and not gamma_sweep:
        raise typer.BadParameter("--gammas belongs to --gamma-sweep.")
    if plan is not None and architecture != "dynunet":
        raise typer.BadParameter("a plan says the architecture; leave out --architecture.")
    if gamma_sweep and losses != "all":
        raise typer.BadParameter("--gamma-sweep compares one loss with several γ; leave out --losses.")
    seconds = parse_duration(budget or "60s") if epochs is None else None

    from ufseg.cli.restart import with_computing_environment

    with_computing_environment()

    from ufseg.comparison.compare import Comparison
    from ufseg.comparison.request import ComparisonRequest
    from ufseg.comparison.splits import split_dataset
    from ufseg.comparison.words import counted
    from ufseg.comparison.writing import write_results
    from ufseg.networks.device import choose_device
    from ufseg.plans.plan import Plan

    given = None if plan is None else Plan.read(plan)
    taking_part = _sweep(gammas) if gamma_sweep else _entrants(losses)
    found = _chosen(dataset, channels, classes)
    for sentence in found.warnings:
        _say(sentence)
    if modality is None and found.modality is None:
        _say("The dataset does not say what its images are; they are normalised one by one. Of CT, give --modality CT.")
    parts = split_dataset(found, dataset, split)
    if skip_unreadable:
        parts, reasons = parts.readable(found.classes)
        for name, reason in reasons.items():
            _say(f"Case {name} was left out: {reason}")
    if schedule == "paper":
        parts = parts.with_validation()
    hardware = choose_device(device)
    if hardware.note:
        _say(hardware.note)
    request = ComparisonRequest(
        dataset=found.name,
        modality=modality or found.modality or "other",
        channel_names=tuple(found.channel_names),
        classes=found.classes,
        training=tuple(c.id for c in parts.training),
        validation=tuple(c.id for c in parts.validation),
        test=tuple(c.id for c in parts.test),
        split=parts.source,
        entrants=taking_part,
        seeds=seeds,
        budget_seconds=seconds,
        epochs=epochs,
        architecture=architecture if given is None else given.architecture,
        schedule=schedule,
        device=hardware.name,
        sweep=gamma_sweep,
    )
    comparison = Comparison(request, parts, output, hardware, given)
    _print(
        f"{counted(len(taking_part), 'loss')} × {counted(seeds, 'seed')} × {request.effort} on {hardware.name}: "
        f"{counted(len(parts.training), 'training case')} and {counted(len(parts.test), 'test case')} "
        f"by {parts.source}."
    )
    with Interrupt() as stop, ProgressDisplay("compare") as show:
        try:
            runs = comparison.run(
                resume=resume,
                progress=show,
                cancelled=stop,
                report=_print,
                on_seed=lambda finished: _keep(write_results(comparison, finished, examples=False)),
            )
        except CancelledError as error:
            raise CancelledError(
                f"The comparison was stopped; finished runs are in {output}. Add --resume to the same command to go on."
            ) from error
        results = write_results(comparison, runs, examples=True)
    _show(results)
    _print(f"Tables, pictures and scores written to {output}.")


def _keep(results: Results) -> None:
    """Told of results that were written and will be written again."""
    if results.seeds_finished < results.request.seeds:
        _print(f"The table of {results.seeds_finished} of {results.request.seeds} seeds is written.")


def _show(results: Results) -> None:
    from ufseg.comparison.tables import class_table, training_table
    from ufseg.comparison.words import paragraph
    from ufseg.evaluation.markdown import MEAN_ROW

    for name in results.class_names:
        out.print()
        header, rows = class_table(results, name)
        title = f"Mean ± 95 % CI over cases; * and † against {results.reference}"
        print_table(title, [name or MEAN_ROW, *header[1:]], rows)
    out.print()
    print_table("Trainings", *training_table(results))
    out.print()
    _print(paragraph(results))


def _chosen(folder: Path, channels: str | None, classes: list[str] | None) -> Dataset:
    from ufseg.images.datasets import read_dataset
    from ufseg.images.selection import select_channels, select_classes

    found = read_dataset(folder)
    if channels is not None:
        found = select_channels(found, _listed(channels))
    if classes:
        parts: dict[str, list[str]] = {}
        for item in classes:
            name, _, members = item.partition("=")
            parts[name.strip()] = [m.strip() for m in (members or name).split("+")]
        found = select_classes(found, parts)
    return found


def _entrants(text: str) -> tuple[Entrant, ...]:
    from ufseg.comparison.entrants import entrants

    return entrants(_listed(text))


def _sweep(text: str | None) -> tuple[Entrant, ...]:
    from ufseg.comparison.entrants import SWEEP, sweep

    if text is None:
        return sweep(SWEEP)
    try:
        return sweep([float(part) for part in _listed(text)])
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no list of numbers, such as 0.1,0.3,0.5.") from error


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _print(sentence: str) -> None:
    out.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _say(sentence: str) -> None:
    err.print(sentence, markup=False, highlight=False, soft_wrap=True)

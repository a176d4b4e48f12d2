"""``ufseg plan``: what a training on a data set would do, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ufseg.cli.console import DeviceOption, Interrupt, ProgressDisplay, err, out, print_table
from ufseg.errors import DatasetError, InputError

if TYPE_CHECKING:
    from ufseg.plans.plan import HuWindow, Plan, ZScore


def plan(
    dataset: Annotated[Path, typer.Argument(help="Folder of cases, in any layout that ufseg train takes.")],
    explain: Annotated[bool, typer.Option("--explain", help="Say why, one sentence per decision.")] = False,
    memory: Annotated[
        float | None, typer.Option(min=0.0, help="GB that a training may take; by the device if left out.")
    ] = None,
    dimension: Annotated[
        Literal["2", "3"] | None, typer.Option(help="2 takes volumes slice by slice; what suits the data if left out.")
    ] = None,
    architecture: Annotated[
        Literal["dynunet", "paper"], typer.Option(help="dynunet, or the U-Net of the Unified Focal loss's paper.")
    ] = "dynunet",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON file to write the plan to.")] = None,
    given: Annotated[
        Path | None, typer.Option("--plan", help="Check and explain this plan instead of making one.")
    ] = None,
    modality: Annotated[
        Literal["CT", "MRI", "other"] | None, typer.Option(help="What the images are, if the dataset does not say.")
    ] = None,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out cases that cannot be read, and name them.")
    ] = False,
    device: DeviceOption = "auto",
) -> None:
    """Show the plan of a training: spacing, patch, network, normalisation."""
    from ufseg.images.datasets import read_dataset
    from ufseg.networks.device import choose_device
    from ufseg.plans.explain import explain as sentences
    from ufseg.plans.fingerprint import fingerprint
    from ufseg.plans.fit import check_fits
    from ufseg.plans.memory import DEFAULT_BUDGETS, Budget
    from ufseg.plans.plan import Plan
    from ufseg.plans.planner import make_plan
    from ufseg.plans.warnings import plan_warnings

    if output is not None and output.exists():
        raise InputError(f"{output} exists already, and perhaps was changed by hand. Name another file, or remove it.")
    made = None if given is None else Plan.read(given)
    found = read_dataset(dataset)
    labelled = [c for c in found.cases if c.label is not None]
    if not labelled:
        raise DatasetError(f"None of the {len(found.cases)} cases of {dataset} has a label map. Label some first.")
    with Interrupt() as stop, ProgressDisplay("plan", console=err) as show:
        measured = fingerprint(
            labelled,
            found.classes,
            modality or found.modality or "other",
            progress=show,
            cancelled=stop,
            channel_names=found.channel_names,
            dataset=found.name,
            skip_unreadable=skip_unreadable,
        )
    budget = Budget(memory) if memory is not None else DEFAULT_BUDGETS[choose_device(device).kind]
    if made is None:
        wanted: dict[str | None, Literal[2, 3] | None] = {None: None, "2": 2, "3": 3}
        made = make_plan(measured, found.classes, budget, wanted[dimension], architecture)
    else:
        check_fits(made, measured, found.classes, f"The plan {given}")
    print_table("Plan", ["entry", "value"], plan_rows(made, found.classes.names))
    for sentence in sentences(measured, made, budget) if explain else ():
        out.print(f"- {sentence}", markup=False, highlight=False, soft_wrap=True)
    for sentence in plan_warnings(measured, made):
        err.print(f"Note: {sentence}", markup=False, highlight=False, soft_wrap=True)
    if output is not None:
        made.write(output)
        out.print(f"Plan written to {output}.", markup=False, highlight=False, soft_wrap=True)


def plan_rows(plan: Plan, classes: list[str]) -> list[list[object]]:
    """The plan's entries by name, in words where lists of lists are hard to read."""
    return [
        ["architecture", plan.architecture],
        ["dimension", plan.dimension],
        ["spacing (mm)", _times(plan.spacing)],
        ["patch (voxels)", _times(plan.patch_size)],
        ["patches a step", plan.batch_size],
        ["features", "-".join(map(str, plan.features))],
        ["kernels", ", ".join(map(_times, plan.kernel_sizes))],
        ["strides", ", ".join(map(_times, plan.strides))],
        ["normalisation", "; ".join(_in_words(n) for n in plan.normalisation)],
        ["classes", ", ".join(["background", *classes])],
    ]


def _times(values: Sequence[float]) -> str:
    return " × ".join(f"{v:g}" for v in values)


def _in_words(how: HuWindow | ZScore) -> str:
    if how.kind == "z-score":
        return "own mean and deviation"
    return f"{how.low:g} to {how.high:g} HU, mean {how.mean:.4g}, deviation {how.std:.4g}"

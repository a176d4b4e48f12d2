"""A model card: what a published model was made from, how well it does, what it is for and what it is not for.

The card travels inside ``model.json``; ``MODEL_CARD.md`` is rendered from that alone, so that its numbers cannot drift.
Importing this imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from ufseg.images.class_table import ClassEntry

if TYPE_CHECKING:
    from ufseg.networks.model_folder import ModelDescription

CARD_FILE = "MODEL_CARD.md"
_NOT_A_DEVICE = (
    "This model is for research. It is not a medical device, has no clinical approval, and must not be used for "
    "diagnosis or treatment decisions; a qualified person has to review every segmentation."
)


class DataSource(BaseModel):
    """The data a model was trained on.

    Args:
        name: of the data set.
        content: what was taken of it, in a sentence.
        licence: of the data.
        changes: what was changed before training, in a sentence.
        citations: references, in full.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    content: str
    licence: str
    changes: str
    citations: list[str] = Field(min_length=1)


class CardFacts(BaseModel):
    """What only a person knows about a model; the rest of its card is read from the model and its evaluation.

    Args:
        title: of the task that the model is installed as, such as "Hippocampus MRI".
        summary: the model in a sentence.
        channels: names of the image channels, in the model's order; the model's own if left out.
        classes: the model's classes with colours and terminology codes, same names and values; its own if left out.
        data: what it was trained on.
        licence: of the weights, in a few words.
        licence_terms: what it asks of others, in a sentence.
        intended_use: in a sentence.
        limits: in a sentence each.
        test_set: on what the scores were measured, and how it was kept apart from training.
        settings: of the training, name → value, as people would say them.
        commands: that made the model, in their order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(min_length=1)
    summary: str
    channels: list[str] | None = None
    classes: list[ClassEntry] | None = None
    data: DataSource
    licence: str
    licence_terms: str = ""
    intended_use: str
    limits: list[str] = Field(min_length=1)
    test_set: str
    settings: dict[str, str] = {}
    commands: list[str] = Field(min_length=1)


class Measured(BaseModel):
    """A metric over the test cases.

    Args:
        metric: its name.
        title: its name for people.
        decimals: digits shown after the point.
        unit: its unit, empty for a ratio.
        class_name: None for the mean over classes.
        n: counted cases.
        mean, low, high: mean over cases and its 95 % confidence interval; None where too few cases were counted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    title: str
    decimals: int
    unit: str
    class_name: str | None
    n: int
    mean: float | None
    low: float | None
    high: float | None


class ModelCard(BaseModel):
    """The card of a published model.

    Args:
        facts: what a person wrote.
        measured: the evaluation's means.
        interval_method: how the intervals were made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    facts: CardFacts
    measured: list[Measured]
    interval_method: str


def render_card(description: ModelDescription) -> str:
    """The card as Markdown; raises ValueError for a model without one."""
    card = description.card
    if card is None:
        raise ValueError(f"the model {description.name} has no card")
    facts = card.facts
    lines = [f"# {facts.title} (`{description.name}`)", "", facts.summary, "", f"**{_NOT_A_DEVICE}**", ""]
    lines += ["## Scores", "", f"{facts.test_set} Means over cases with their 95 % confidence interval.", ""]
    lines += [*_score_table(card), "", f"Intervals: {card.interval_method}.", ""]
    lines += ["## Intended use", "", facts.intended_use, "", "## Limits", "", *_list(facts.limits), ""]
    lines += ["## Data", "", f"{facts.data.name}. {facts.data.content} {facts.data.changes}", ""]
    lines += [f"Licence of the data: {facts.data.licence}", "", *_list(facts.data.citations), ""]
    lines += ["## Licence of the weights", "", f"{facts.licence}. {facts.licence_terms}".rstrip(), ""]
    lines += ["## The model", ""]
    lines += [*_table(("what", "value"), _model_rows(description)), ""]
    lines += ["## How it was made", "", f"With ufseg {description.ufseg_version}:", ""]
    return "\n".join([*lines, *(f"    {command}" for command in facts.commands), ""])


def _score_table(card: ModelCard) -> list[str]:
    classes = list(dict.fromkeys(m.class_name for m in card.measured))
    rows = []
    for metric in dict.fromkeys(m.metric for m in card.measured):
        of_class = {m.class_name: m for m in card.measured if m.metric == metric}
        shown = next(iter(of_class.values()))
        name = f"{shown.title} ({shown.unit})" if shown.unit else shown.title
        rows.append([name, *(_interval(of_class.get(c)) for c in classes)])
    return _table(["metric", *("mean of classes" if c is None else c for c in classes)], rows)


def _interval(measured: Measured | None) -> str:
    if measured is None or measured.mean is None:
        return "–"
    digits = measured.decimals
    text = f"{measured.mean:.{digits}f}"
    if measured.low is not None and measured.high is not None:
        text += f" [{measured.low:.{digits}f}, {measured.high:.{digits}f}]"
    return f"{text} (n = {measured.n})"


def _model_rows(description: ModelDescription) -> list[tuple[str, str]]:
    plan = description.plan
    options = ", ".join(f"{name} {value:g}" for name, value in description.loss.options.items())
    network = f"{description.architecture}, {plan.dimension}D, features {'-'.join(map(str, plan.features))}"
    rows = [
        ("image channels", ", ".join(description.channel_names)),
        ("classes", ", ".join(f"{e.value} = {e.name}" for e in description.classes.entries)),
        ("network", network),
        ("spacing (k, j, i)", f"{' × '.join(f'{s:g}' for s in plan.spacing)} mm"),
        ("patch (k, j, i), batch", f"{' × '.join(map(str, plan.patch_size))} voxels, {plan.batch_size}"),
        ("normalisation", ", ".join(n.kind for n in plan.normalisation)),
        ("loss", description.loss.name + (f" ({options})" if options else "")),
        ("training cases", str(len(description.trained_on))),
        ("optimisation", f"{description.seconds / 60:.1f} minutes on {description.device}"),
        ("trained", f"{description.created:%Y-%m-%d}"),
        ("weights stored as", description.weights_dtype),
        ("sha256 of the weights", description.weights_sha256 or "–"),
    ]
    card = description.card
    return [*rows, *(card.facts.settings.items() if card else ())]


def _table(header: tuple[str, ...] | list[str], rows: list[list[str]] | list[tuple[str, str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _list(items: list[str]) -> list[str]:
    return [f"- {item}" for item in items]

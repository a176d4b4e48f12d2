"""A comparison as tables: Markdown, and rows for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from ufseg.comparison.entrants import Entrant
from ufseg.comparison.results import PAPER_METRICS, Results, Row
from ufseg.comparison.words import counted, paragraph
from ufseg.evaluation.comparison import significance
from ufseg.evaluation.intervals import MeanInterval
from ufseg.evaluation.markdown import MEAN_ROW, escaped


def to_markdown(results: Results, pictures: Sequence[tuple[str, str]] = ()) -> str:
    """The tables of every class, the trainings, the pictures and the rules.

    Args:
        results: the comparison.
        pictures: caption and path, relative to the file.
    """
    request = results.request
    unfinished = "" if results.seeds_finished == request.seeds else f" (of {request.seeds}; not finished)"
    title = "γ of the asymmetric Unified Focal loss" if request.sweep else "Losses compared"
    parts = [
        f"# {title} on {escaped(request.dataset)}",
        "",
        f"{counted(len(request.training), 'training case')}"
        + (f", {len(request.validation)} for validation" if request.validation else "")
        + f" and {counted(len(request.test), 'test case')} by {escaped(request.split)}; "
        f"{counted(results.seeds_finished, 'seed')}{unfinished}, {request.effort} a training on "
        f"{escaped(request.device)}, architecture {request.architecture}, schedule {request.schedule}.",
        "",
        escaped(paragraph(results)),
        "",
    ]
    for name in reversed(results.class_names):
        parts += [
            f"## {escaped(name or MEAN_ROW.capitalize())}",
            "",
            *_lines(*class_table(results, name, markdown=True)),
            "",
        ]
    parts += [
        f"Mean ± half of its 95 % confidence interval; best mean in bold; signs: difference from "
        f"{escaped(results.reference)} by rank-sum (\\*) and signed-rank (†).",
        "",
        "## Trainings",
        "",
        *_lines(*_escaped_table(*training_table(results))),
        "",
    ]
    for training in results.trainings:
        told = [*training.failures, *training.notes]
        parts += [f"- {escaped(training.entrant.label)}, {escaped(sentence)}" for sentence in told]
    parts.append("")
    for caption, path in pictures:
        parts += [f"![{escaped(caption.split('. ')[0])}]({path.replace(' ', '%20')})", "", escaped(caption), ""]
    parts += ["## How it was computed", "", *[f"- {escaped(rule)}" for rule in results.rules], ""]
    return "\n".join(parts)


def class_table(results: Results, class_name: str | None, markdown: bool = False) -> tuple[list[str], list[list[str]]]:
    """Header and a row a loss: the paper's metrics with signs.

    Args:
        results: the comparison.
        class_name: None for the mean over classes.
        markdown: escaped for Markdown, the best mean in bold.
    """
    rows = []
    for label in results.labels:
        cells = [escaped(label) if markdown else label]
        for metric in PAPER_METRICS:
            row = results.row(label, class_name, metric)
            text, signs = plus_minus(row.over_cases, metric.decimals), _signs(row)
            if markdown:
                text, signs = f"**{text}**" if row.best else text, escaped(signs)
            cells.append(f"{text} {signs}".rstrip())
        rows.append(cells)
    return ["loss", *[metric.label for metric in PAPER_METRICS]], rows


def training_table(results: Results) -> tuple[list[str], list[list[str]]]:
    """Header and a row a loss: options, steps and mean DSC of each seed."""
    rows = []
    for training in results.trainings:
        dice = ["failed" if d is None else f"{d:.3f}" for d in training.seed_dice]
        steps = ", ".join(map(str, training.steps))
        rows.append([training.entrant.label, _options(training.entrant), steps, ", ".join(dice)])
    return ["loss", "options", "steps by seed", "mean DSC by seed"], rows


def plus_minus(interval: MeanInterval, decimals: int) -> str:
    """``0.812 ± 0.022``; the longer side where the metric's range cuts the interval off."""
    if interval.mean is None:
        return "–"
    text = f"{interval.mean:.{decimals}f}"
    if interval.low is None or interval.high is None:
        return text
    return f"{text} ± {max(interval.high - interval.mean, interval.mean - interval.low):.{decimals}f}"


def _signs(row: Row) -> str:
    return significance(row.rank_sum_holm) + "†" * len(significance(row.signed_rank_holm))


def _options(entrant: Entrant) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in entrant.options.items()) or "defaults"


def _escaped_table(header: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    return header, [[escaped(cell) for cell in row] for row in rows]


def _lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows]]

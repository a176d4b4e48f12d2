"""The training curve as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def write_curve(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw loss, smoothed loss, validation loss if there is one, and learning rate over the steps.

    Args:
        history: points of `ufseg.training.trainer.TrainingResult.history`.
        path: PNG, or another of matplotlib's formats.
    """
    # Not through pyplot, whose figures are kept until closed and whose backend may want a screen.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    steps = [point["step"] for point in history]
    losses = [point["loss"] for point in history]
    axes.plot(steps, losses, color="tab:blue", alpha=0.35, linewidth=1, label="loss")
    axes.plot(steps, smoothed(losses), color="tab:blue", linewidth=1.8, label="loss, smoothed")
    validated = [(point["step"], point["validation_loss"]) for point in history if "validation_loss" in point]
    if validated:
        axes.plot(*zip(*validated, strict=True), color="tab:orange", marker=".", label="validation loss")
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.grid(alpha=0.3)
    rates = [(point["step"], point["learning_rate"]) for point in history if "learning_rate" in point]
    handles, names = axes.get_legend_handles_labels()
    if rates:
        right = axes.twinx()
        right.plot(*zip(*rates, strict=True), color="tab:gray", linestyle="--", linewidth=1, label="learning rate")
        right.set_ylabel("learning rate")
        handles, names = ([*a, *b] for a, b in zip((handles, names), right.get_legend_handles_labels(), strict=True))
    axes.legend(handles, names, loc="upper right", fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Whoever looks at a curve that is drawn again and again never sees half a picture.
    part = path.with_name(f"{path.name}.part")
    figure.savefig(part, dpi=120, format=path.suffix[1:])
    part.replace(path)


def smoothed(values: Sequence[float], weight: float = 0.8) -> list[float]:
    """Exponential moving average, without the pull of the first value: weights are normalised at each point."""
    result: list[float] = []
    total = norm = 0.0
    for value in values:
        total, norm = weight * total + value, weight * norm + 1
        result.append(total / norm)
    return result

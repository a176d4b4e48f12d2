"""Draw the figures of losses.md: the family tree, and every loss over the probability of the right class.

python docs/figures.py        # writes loss-family.svg and loss-curves.svg beside this file
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch

from ufseg.losses import create, names

HERE = Path(__file__).parent
VOXEL, REGION, COMPOUND = "#dcecf9", "#e3f3e1", "#fdeeda"

NODES: dict[str, tuple[float, float, str]] = {
    "Asymmetric\nUnified Focal": (5, 9, COMPOUND),
    "Symmetric\nUnified Focal": (5, 7.4, COMPOUND),
    "Hybrid Focal": (5, 5.8, COMPOUND),
    "DiceFocal": (5, 4.2, COMPOUND),
    "Dice + CE": (5, 2.6, COMPOUND),
    "Combo": (5, 1, COMPOUND),
    "Asymmetric\nfocal": (1.2, 9, VOXEL),
    "Symmetric\nfocal": (1.2, 7.4, VOXEL),
    "Focal": (1.2, 5.8, VOXEL),
    "Balanced CE": (1.2, 4.2, VOXEL),
    "Cross entropy": (1.2, 2.6, VOXEL),
    "Dilated\nbalanced CE": (1.2, 1, VOXEL),
    "Asymmetric\nfocal Tversky": (8.8, 9, REGION),
    "Symmetric\nfocal Tversky": (8.8, 7.4, REGION),
    "Focal Tversky": (8.8, 5.8, REGION),
    "Tversky": (8.8, 4.2, REGION),
    "Dice": (8.8, 2.6, REGION),
    "Asymmetric\nsimilarity": (12, 4.2, REGION),
    "Generalised\nDice": (12, 2.6, REGION),
}
"""Centre and colour of each loss."""

EDGES = [
    ("Asymmetric\nUnified Focal", "Asymmetric\nfocal", "λ = 1"),
    ("Asymmetric\nUnified Focal", "Asymmetric\nfocal Tversky", "λ = 0"),
    ("Asymmetric\nUnified Focal", "Symmetric\nUnified Focal", "equal at γ = 0"),
    ("Symmetric\nUnified Focal", "Symmetric\nfocal", "λ = 1"),
    ("Symmetric\nUnified Focal", "Symmetric\nfocal Tversky", "λ = 0"),
    ("Asymmetric\nfocal", "Symmetric\nfocal", "equal at γ = 0"),
    ("Asymmetric\nfocal Tversky", "Symmetric\nfocal Tversky", "equal at γ = 0"),
    ("Hybrid Focal", "Symmetric\nUnified Focal", "α = (1−δ, δ), exponents γ, 1−γ"),
    ("Hybrid Focal", "Focal", "λ = 1"),
    ("Hybrid Focal", "Focal Tversky", "λ = 0"),
    ("Hybrid Focal", "DiceFocal", "δ = ½, exponent 1"),
    ("DiceFocal", "Dice + CE", "γ = 0, α none"),
    ("Combo", "Dice + CE", "α, β none: Dice + CE − 1"),
    ("Focal", "Symmetric\nfocal", "α = (1−δ, δ)"),
    ("Focal", "Balanced CE", "γ = 0"),
    ("Balanced CE", "Cross entropy", "β = ½: half of it"),
    ("Dilated\nbalanced CE", "Cross entropy", "R → ∞ (R = 0: balanced)"),
    ("Focal Tversky", "Symmetric\nfocal Tversky", "exponent 1−γ"),
    ("Focal Tversky", "Tversky", "exponent 1"),
    ("Tversky", "Dice", "δ = ½"),
    ("Tversky", "Asymmetric\nsimilarity", "δ = β²/(1+β²)"),
]
"""A loss, another that it becomes, and the setting that does it."""

SETTINGS: dict[str, dict[str, float]] = {"balanced-cross-entropy": {"beta": 0.3}}


def draw_family(path: Path) -> None:
    """Which setting of which loss recovers which."""
    figure, axes = plt.subplots(figsize=(11, 8))
    for name, (x, y, colour) in NODES.items():
        box = FancyBboxPatch((x - 0.85, y - 0.33), 1.7, 0.66, boxstyle="round,pad=0.06", fc=colour, ec="#444")
        axes.add_patch(box)
        axes.text(x, y, name, ha="center", va="center", fontsize=9.5)
    for general, special, setting in EDGES:
        (x0, y0, _), (x1, y1, _) = NODES[general], NODES[special]
        across, down = (x1 > x0) - (x1 < x0), (y1 > y0) - (y1 < y0)
        if across:
            start, end = (x0 + 0.95 * across, y0), (x1 - 0.95 * across, y1)
        else:
            start, end = (x0, y0 + 0.42 * down), (x1, y1 - 0.42 * down)
        style = "-" if setting.startswith("equal") else "-|>"
        axes.annotate("", end, start, arrowprops={"arrowstyle": style, "color": "#333", "shrinkA": 0, "shrinkB": 0})
        middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        if across:
            axes.text(middle[0], middle[1] + 0.1, setting, ha="center", va="bottom", fontsize=7.5)
        else:
            axes.text(middle[0] + 0.08, middle[1], setting, ha="left", va="center", fontsize=7.5)
    axes.text(5, 0.1, "λ = ⅔, δ = ½, γ = 0 makes the Unified Focal loss ⅓ · (Dice + CE)", ha="center", fontsize=8.5)
    for x, title in ((1.2, "voxel losses"), (5, "compound losses"), (8.8, "region losses")):
        axes.text(x, 9.75, title, ha="center", fontsize=11, weight="bold")
    axes.set(xlim=(0, 13.1), ylim=(-0.2, 10.1))
    axes.axis("off")
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def draw_curves(path: Path) -> None:
    """Every loss with its default settings where each voxel gives its right class the probability p."""
    labels = torch.zeros(1, 1000, dtype=torch.long)
    labels[:, :50] = 1
    p = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    figure, panels = plt.subplots(1, 3, figsize=(12, 4.2), sharex=True)
    for name in names():
        loss = create(name, **SETTINGS.get(name, {}))
        values = [float(loss(_logits(labels, float(value)), labels)) for value in p]
        panel = panels[0 if not loss.has_region else 2 if hasattr(loss, "parts") else 1]
        dashes = ["-", "--", ":", "-."][len(panel.lines) // 4]
        panel.plot(p, values, dashes, label=name)
    for panel, title in zip(panels, ("voxel losses", "region losses", "compound losses"), strict=True):
        _finish(panel, title)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _logits(labels: torch.Tensor, p: float) -> torch.Tensor:
    """Two-class logits [1, 2, n] that give the annotated class of every voxel the probability p."""
    right = torch.logit(torch.tensor(p, dtype=torch.float64))
    return torch.stack([torch.zeros(labels.shape, dtype=torch.float64), right * (2 * labels - 1)], dim=1)


def _finish(panel: Axes, title: str) -> None:
    panel.set(
        title=title,
        xlabel="p of the right class, in every voxel",
        ylim=(min(panel.get_ylim()[0], -0.05), 1.4 if title == "region losses" else 2.0),
    )
    handles = [line for line in panel.lines if isinstance(line, Line2D)]
    panel.legend(handles=handles, fontsize=7, frameon=False, loc="upper right")
    panel.axhline(0, color="#999", lw=0.5)
    panel.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    plt.switch_backend("Agg")
    with plt.rc_context({"svg.hashsalt": "ufseg", "font.family": "DejaVu Sans", "font.size": 9}):
        draw_family(HERE / "loss-family.svg")
        draw_curves(HERE / "loss-curves.svg")

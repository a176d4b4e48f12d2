"""Losses by name, and their options."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import ufseg.losses
from ufseg.losses import create, names, options

NAMES = """cross-entropy, balanced-cross-entropy, dilated-balanced-cross-entropy, focal, symmetric-focal,
asymmetric-focal, dice, generalised-dice, tversky, asymmetric-similarity, focal-tversky, symmetric-focal-tversky,
asymmetric-focal-tversky, combo, dice-cross-entropy, dice-focal, hybrid-focal, symmetric-unified-focal,
asymmetric-unified-focal"""


def test_the_catalogue_is_complete() -> None:
    assert names() == [name.strip() for name in NAMES.split(",")]


@pytest.mark.parametrize("name", names())
def test_every_loss_lists_its_options_and_takes_them(name: str) -> None:
    assert {"reduction", "ignore_index", "probabilities", "clip"} <= set(options(name))
    loss = create(name, reduction="sum", ignore_index=255)
    assert type(loss).__name__ in ufseg.losses.__all__
    assert loss.reduction == "sum"


def test_options_have_the_papers_letters() -> None:
    assert options("asymmetric-unified-focal")[:5] == ["focal_weight", "delta", "gamma", "smooth", "bound"]
    assert {"batch", "skip_absent"} <= set(options("asymmetric-unified-focal"))
    assert options("focal")[:2] == ["alpha", "gamma"]
    assert options("combo")[:3] == ["alpha", "beta", "smooth"]
    assert "skip_absent" not in options("cross-entropy")


def test_unknown_names_and_options_are_refused_with_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"'unified-focal'.*asymmetric-unified-focal"):
        create("unified-focal")
    with pytest.raises(ValueError, match=r"no option 'weight'.*focal_weight, delta, gamma"):
        create("asymmetric-unified-focal", weight=0.5)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("asymmetric-unified-focal", {"delta": 1.2}),
        ("asymmetric-unified-focal", {"gamma": 1.0}),
        ("asymmetric-unified-focal", {"gamma": -0.1}),
        ("asymmetric-unified-focal", {"focal_weight": 1.5}),
        ("asymmetric-unified-focal", {"delta": float("nan")}),
        ("asymmetric-unified-focal", {"bound": -1e-6}),
        ("asymmetric-unified-focal", {"smooth": 0.0}),
        ("dice", {"reduction": "average"}),
        ("dice", {"clip": 1e-7}),
        ("dice", {"clip": 0.7, "probabilities": True}),
        ("focal", {"alpha": 2.0}),
        ("focal", {"gamma": []}),
        ("focal", {"alpha": [0.5, -0.5]}),
        ("combo", {"beta": 3.0}),
        ("combo", {"alpha": -1.0}),
        ("asymmetric-similarity", {"beta": 0.0}),
        ("dice-cross-entropy", {"dice": "square"}),
    ],
)
def test_impossible_values_are_refused_by_name(name: str, bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        create(name, **bad)


@pytest.mark.parametrize("value", ["0.5", True, None])
def test_values_that_are_not_numbers_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="delta"):
        create("tversky", delta=value)


def test_the_losses_import_nothing_but_torch() -> None:
    code = "import sys, ufseg.losses; print(*sorted(m for m in sys.modules if m in {'monai', 'SimpleITK', 'scipy'}))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    ).stdout.strip()
    assert found == ""

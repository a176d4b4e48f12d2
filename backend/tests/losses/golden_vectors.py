"""The golden vectors: what the authors' code itself computes (layout and modes in golden/golden.json)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).parent / "golden"
MODES = ("head", "head_4d_view", "issue8_mc", "keras_cce")
"""The modes to match. `head_5d_asis` records a bug of the authors' code and is left out."""


@dataclass(frozen=True)
class GoldenCase:
    """One recorded value and gradient of a loss of the authors' code."""

    id: str
    mode: str
    loss: str
    params: dict[str, Any]
    file: str
    gradient: str
    value: float


def golden_cases(mode: str) -> list[GoldenCase]:
    """All cases of a mode."""
    listed = json.loads((FOLDER / "golden.json").read_text(encoding="utf-8"))["cases"]
    return [
        GoldenCase(c["id"], c["mode"], c["loss"], c["params"], c["file"], c["grad"], c["value_f64"])
        for c in listed
        if c["mode"] == mode
    ]


@lru_cache(maxsize=64)
def _arrays(file: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / file) as arrays:
        return dict(arrays)


def _channels_first(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, 1)))


def tensors(case: GoldenCase) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities (float64), one-hot target (uint8) and expected gradient (float64), each [B, C, *space]."""
    arrays = _arrays(case.file)
    return (
        _channels_first(arrays["y_pred"]).double(),
        _channels_first(arrays["y_true"]),
        _channels_first(arrays[case.gradient]).double(),
    )

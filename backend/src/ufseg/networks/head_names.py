"""Which weights only serve deep supervision. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Weight = TypeVar("Weight")


def is_supervision_head(name: str) -> bool:
    """Whether the weight `name` of a DynUNet belongs to a supervision head.

    MONAI registers each head twice: in a list of its own and in the decoder level it sits on.
    """
    return name.startswith("deep_supervision_heads.") or ".super_head." in name


def without_heads(state: Mapping[str, Weight]) -> dict[str, Weight]:
    """`state` (name → weight) without the supervision heads: all that inference needs."""
    return {name: weight for name, weight in state.items() if not is_supervision_head(name)}

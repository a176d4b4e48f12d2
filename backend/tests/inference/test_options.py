"""Options out of range."""

from __future__ import annotations

import pytest

from ufseg.errors import InputError
from ufseg.inference.options import InferenceOptions


@pytest.mark.parametrize("overlap", [-0.1, 1.0, float("nan")])
def test_an_impossible_overlap_is_refused(overlap: float) -> None:
    with pytest.raises(InputError, match=r"choose 0 to 0\.9"):
        InferenceOptions(overlap=overlap)


def test_windows_are_at_least_a_patch() -> None:
    with pytest.raises(InputError, match="0 patches"):
        InferenceOptions(window_scale=0)

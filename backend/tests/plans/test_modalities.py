"""Modality of each channel."""

from __future__ import annotations

import pytest

from ufseg.plans.modalities import channel_modalities
from ufseg.plans.plan import Modality


@pytest.mark.parametrize(
    ("modality", "names", "expected"),
    [
        ("CT", ["PET", "CT"], ("other", "CT")),
        ("MRI", ["T1w", "FLAIR"], ("MRI", "MRI")),
        ("other", ["mr_t2", "ct_venous", "dose"], ("MRI", "CT", "other")),
        ("CT", ["arterial", "venous"], ("CT", "CT")),
        ("other", ["red", "green", "blue"], ("other",) * 3),
        ("other", ["direction", "octet"], ("other", "other")),
        ("CT", ["T1"], ("CT",)),
        ("MRI", ["CT"], ("MRI",)),
    ],
)
def test_names_tell_where_there_are_several(
    modality: Modality, names: list[str], expected: tuple[Modality, ...]
) -> None:
    assert channel_modalities(modality, names, len(names)) == expected


def test_names_of_another_number_of_channels_tell_nothing() -> None:
    assert channel_modalities("other", ["CT"], 3) == ("other",) * 3

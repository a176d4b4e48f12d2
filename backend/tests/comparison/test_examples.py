import numpy as np
import pytest

from ufseg.comparison.examples import choose_examples, fullest


def test_the_cases_with_the_largest_differences_are_shown() -> None:
    dice = {
        "dice": {"a": 0.5, "b": 0.9, "c": 0.1, "d": None, "e": 0.5},
        "focal": {"a": 0.6, "b": 0.2, "c": 0.3, "d": None, "e": None},
    }
    assert choose_examples(dice, 3) == ["b", "c", "a"]
    assert choose_examples(dice) == ["b", "c", "a", "e"]
    assert choose_examples({}) == []


def test_every_class_weighs_the_same_in_choosing_the_slice() -> None:
    labels = np.zeros((3, 4, 4), np.uint8)
    labels[0, :, :3] = 1
    labels[1, :2, :2] = 1
    labels[1, 3, 3] = 2
    # Slice 0 holds 12 of 16 voxels of class 1; slice 1 the other 4 and all of class 2.
    assert fullest(labels) == 1
    labels[1, 3, 3] = 0
    assert fullest(labels) == 0


@pytest.mark.parametrize(("shape", "number"), [((5, 4, 4), 2), ((4, 4), 0)])
def test_nothing_to_show(shape: tuple[int, ...], number: int) -> None:
    assert fullest(np.zeros(shape, np.uint8)) == number

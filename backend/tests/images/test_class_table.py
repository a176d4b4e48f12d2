import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ufseg.errors import LabelError
from ufseg.images.class_table import ClassTable

TABLE = ClassTable.of({"background": 0, "tumour": 7, "liver": 3})


def test_entries_are_ordered_by_value_without_background() -> None:
    assert TABLE.names == ["liver", "tumour"]
    assert TABLE.values == [3, 7]
    assert ClassTable.model_validate_json(TABLE.model_dump_json()) == TABLE


@pytest.mark.parametrize("names", [{}, {"a": 256}, {"a": -1}, {"a": 1, "b": 1}, {"Background": 4}, {" ": 1}])
def test_broken_tables_are_refused(names: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        ClassTable.of(names)


def test_two_classes_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="same name"):
        ClassTable.model_validate({"entries": [{"value": 1, "name": "a"}, {"value": 2, "name": "a "}]})


def test_value_of_an_unknown_name_lists_the_known_ones() -> None:
    assert TABLE.value_of("tumour") == 7
    with pytest.raises(LabelError, match="'spleen'; the classes are liver, tumour"):
        TABLE.value_of("spleen")


def test_check_values_names_the_unknown_ones() -> None:
    TABLE.check_values([0, 3, 7], "x")
    with pytest.raises(LabelError, match=r"label\.nrrd holds the values 1, 9, which no class has"):
        TABLE.check_values([0, 1, 3, 9], "label.nrrd")


@given(st.sets(st.integers(1, 255), min_size=1), st.integers(0, 2**32 - 1))
def test_indices_are_consecutive_and_lead_back(values: set[int], seed: int) -> None:
    table = ClassTable.of({f"c{v}": v for v in values})
    label = np.random.default_rng(seed).choice([0, *values], size=(3, 4, 5)).astype(np.uint8)
    indices = table.to_indices(label)
    assert indices.dtype == np.uint8
    assert indices.max() <= len(values)
    np.testing.assert_array_equal(table.from_indices(indices), label)


@pytest.mark.parametrize("value", [1, 300])
def test_indices_of_an_unknown_value_are_refused_not_made_background(value: int) -> None:
    with pytest.raises(LabelError, match=f"value {value}"):
        TABLE.to_indices(np.array([0, 3, value], dtype=np.uint16))


def test_translate_goes_by_name() -> None:
    theirs = np.array([[0, 1], [2, 500]], dtype=np.int16)
    table = ClassTable.of({"liver": 3, "tumour": 7, "spleen": 9})
    translated = table.translate(theirs, {"background": 0, "tumour": 1, "liver": 2, "spleen": 500}, "x")
    assert translated.tolist() == [[0, 7], [3, 9]]
    assert translated.dtype == np.uint8


@pytest.mark.parametrize(
    ("array", "names", "match"),
    [
        ([0, 1], {"spleen": 1}, "no class named 'spleen'"),
        ([0, 5], {"liver": 1}, r"values \[5\]"),
        ([0, 1], {"liver": 1, "tumour": 1}, "same value"),
        ([0, -1], {"liver": 1}, "from -1"),
        ([0, 10**9], {"liver": 1}, "1000000000"),
        ([0, 1], {"liver": 10**9}, "1000000000"),
        ([0, 1], {"liver": 0}, "value 0"),
    ],
)
def test_translate_refuses(array: list[int], names: dict[str, int], match: str) -> None:
    with pytest.raises(LabelError, match=match):
        TABLE.translate(np.array(array, dtype=np.int64), names, "x")

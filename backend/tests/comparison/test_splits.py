import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ufseg.comparison.splits import split_dataset
from ufseg.errors import DatasetError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.dataset import Dataset
from ufseg.images.datasets import read_dataset


def case(name: str, subject: str | None = None, labelled: bool = True) -> CaseFiles:
    label = Path("label.nrrd") if labelled else None
    return CaseFiles(id=name, subject=subject or name, images=(Path("image.nrrd"),), label=label)


def dataset(*cases: CaseFiles, test: tuple[CaseFiles, ...] = ()) -> Dataset:
    return Dataset("d", ClassTable.of({"a": 1}), "MRI", ["T1"], list(cases), list(test))


def write(path: Path, **content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@given(st.integers(2, 60), st.integers(1, 4), st.floats(0.01, 0.99))
def test_hashing_keeps_subjects_together_and_leaves_both_sides_a_case(
    subjects: int, each: int, fraction: float
) -> None:
    cases = [case(f"{s}-{n}", f"subject {s}") for s in range(subjects) for n in range(each)]
    found = split_dataset(dataset(*cases), Path("nowhere"), test_fraction=fraction)
    training, test = {c.subject for c in found.training}, {c.subject for c in found.test}
    assert training
    assert test
    assert not training & test
    assert len(found.training) + len(found.test) == len(cases)
    again = split_dataset(dataset(*reversed(cases)), Path("nowhere"), test_fraction=fraction)
    assert {c.id for c in again.test} == {c.id for c in found.test}


def test_a_split_file_beside_the_data_decides(tmp_path: Path) -> None:
    write(tmp_path / "split.json", train=["a", "b"], val=["c"])
    found = split_dataset(dataset(*map(case, "abcd")), tmp_path)
    assert [c.id for c in found.training] == ["a", "b"]
    assert [c.id for c in found.test] == ["c"]
    assert found.source == "split.json (1 cases left out)"


def test_a_split_file_that_is_given_overrules_all(tmp_path: Path) -> None:
    write(tmp_path / "split.json", train=["a"], val=["b"])
    given_file = write(tmp_path / "mine.json", train=["b"], test=["x"])
    found = split_dataset(dataset(case("a"), case("b"), test=(case("x"),)), tmp_path, given_file)
    assert [c.id for c in found.training] == ["b"]
    assert [c.id for c in found.test] == ["x"]


def test_the_dataset_s_own_test_cases_if_they_are_annotated(tmp_path: Path) -> None:
    both = dataset(case("a"), case("b"), test=(case("x"), case("y", labelled=False)))
    found = split_dataset(both, tmp_path)
    assert [c.id for c in found.training] == ["a", "b"]
    assert [c.id for c in found.test] == ["x"]
    unlabelled = dataset(case("a"), case("b"), test=(case("y", labelled=False),))
    assert len(split_dataset(unlabelled, tmp_path).test) == 1


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"train": ["a"], "test": ["z"]}, r"names 1 cases that the dataset lacks .*\(z\)"),
        ({"train": ["a", "b"], "test": ["b"]}, "names b more than once"),
        ({"train": ["a"], "test": ["a2"]}, "one subject"),
        ({"train": ["a"]}, "neither of them empty"),
        ({"train": ["a"], "test": []}, "neither of them empty"),
    ],
)
def test_split_files_that_cannot_be_used(tmp_path: Path, content: dict[str, list[str]], match: str) -> None:
    path = write(tmp_path / "s.json", **content)
    with pytest.raises(DatasetError, match=match):
        split_dataset(dataset(case("a"), case("b"), case("a2", "a")), tmp_path, path)
    with pytest.raises(DatasetError, match="no split file"):
        split_dataset(dataset(case("a"), case("b")), tmp_path, tmp_path / "absent.json")


def test_too_little_to_divide(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="1 subject only"):
        split_dataset(dataset(case("a", "s"), case("b", "s")), tmp_path)
    with pytest.raises(DatasetError, match="None of the 1 cases"):
        split_dataset(dataset(case("a", labelled=False)), tmp_path)


def test_validation_is_taken_from_the_training_subjects(tmp_path: Path) -> None:
    cases = [case(f"{s}{n}", f"subject {s}") for s in range(10) for n in range(2)]
    before = split_dataset(dataset(*cases), tmp_path)
    after = before.with_validation()
    assert after.test == before.test
    assert len({c.subject for c in after.validation}) == round(0.2 * len({c.subject for c in before.training}))
    assert sorted(c.id for c in [*after.training, *after.validation]) == [c.id for c in before.training]
    assert not {c.subject for c in after.training} & {c.subject for c in after.validation}
    one = split_dataset(dataset(case("a"), case("b")), tmp_path)
    with pytest.raises(DatasetError, match="of one subject"):
        one.with_validation()


def test_real_splits(shared_data: Path) -> None:
    for name, training, test in (("hippocampus_mri", 190, 22), ("lgg_flair_mri", 32, 8), ("drive_fundus", 20, 20)):
        found = split_dataset(read_dataset(shared_data / name), shared_data / name)
        assert (len(found.training), len(found.test)) == (training, test)
    slices = split_dataset(read_dataset(shared_data / "lung_ct_slices"), shared_data / "lung_ct_slices")
    assert len(slices.training) + len(slices.test) == 60
    assert 4 <= len(slices.test) <= 20

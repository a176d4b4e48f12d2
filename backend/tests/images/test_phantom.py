from pathlib import Path

import numpy as np
import pytest

from ufseg.images.datasets import read_dataset
from ufseg.images.phantom import CLASSES, phantom_case, write_phantom_dataset
from ufseg.images.reading import read_case


def test_the_folder_is_a_dataset_that_says_it_is_synthetic(tmp_path: Path) -> None:
    dataset = write_phantom_dataset(tmp_path / "phantom", 3, seed=5)
    assert read_dataset(tmp_path / "phantom") == dataset
    assert "Synthetic" in dataset.name
    assert dataset.modality == "CT"
    assert dataset.classes.names == ["liver", "spleen", "lesion"]
    assert [c.id for c in dataset.cases] == ["phantom_001", "phantom_002", "phantom_003"]
    for case in dataset.cases:
        image, label = read_case(case, dataset.classes)
        assert label is not None
        assert label.values() == [0, 1, 2, 3]
        assert image.array.dtype == np.int16


def test_a_case_depends_on_seed_and_number_only() -> None:
    first, again, other = phantom_case(3, 2), phantom_case(3, 2), phantom_case(4, 2)
    np.testing.assert_array_equal(first[0].array, again[0].array)
    assert first[0].geometry == again[0].geometry
    assert first[0].geometry != other[0].geometry


def test_lesions_are_rare_and_darker_than_the_liver_around_them() -> None:
    shares = []
    for number in range(1, 16):
        image, label = phantom_case(0, number)
        lesion = label.array == CLASSES["lesion"]
        shares.append(lesion.mean())
        liver = image.array[0][label.array == CLASSES["liver"]]
        inside = image.array[0][lesion]
        contrast = liver.mean() - inside.mean()
        assert contrast > 2 * liver.std()
        assert contrast < 6 * liver.std()
    assert min(shares) > 0.0005
    assert max(shares) < 0.005
    assert np.mean(shares) == pytest.approx(0.002, rel=0.3)


def test_cases_are_oblique_anisotropic_and_differ() -> None:
    geometries = [phantom_case(0, n)[0].geometry for n in range(1, 6)]
    assert len({g.size for g in geometries}) > 1
    for geometry in geometries:
        assert 44 <= geometry.size[0] <= 48
        assert 28 <= geometry.size[2] <= 32
        assert geometry.spacing == (3.0, 3.0, 4.5)
        assert 0 < np.abs(geometry.matrix - np.eye(3)).max() < 0.3


def test_no_cases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        write_phantom_dataset(tmp_path, 0)

"""Models found by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import write_squares_model

from ufseg.errors import NotFoundError
from ufseg.networks.available import VARIABLE, available_models, find_model, search_folders
from ufseg.networks.model_folder import DESCRIPTION_FILE, WEIGHTS_FILE


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders of models; the first is in the environment, both have a model "squares"."""
    first, second = tmp_path / "first", tmp_path / "second"
    write_squares_model(first / "squares", task="from the first")
    write_squares_model(second / "squares", task="from the second")
    write_squares_model(second / "circles", task="Circles")
    monkeypatch.setenv(VARIABLE, str(first))
    return first, second


def test_the_environments_folder_comes_before_those_given(folders: tuple[Path, Path]) -> None:
    assert search_folders([folders[1]])[:2] == list(folders)
    assert find_model("squares", [folders[1]]).description.task == "from the first"
    assert find_model("circles", [folders[1]]).folder == folders[1] / "circles"


def test_several_folders_and_missing_ones_in_the_environment(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setenv(VARIABLE, os.pathsep.join([str(folders[1]), "", str(folders[0] / "nowhere"), str(folders[0])]))
    names = [model.name for model in available_models()[0]]
    assert [name for name in names if name in ("circles", "squares")] == ["circles", "squares"]
    assert find_model("squares").description.task == "from the second"


@pytest.mark.parametrize("name", ["../second/circles", "/etc", ".", "..", "", "circles/", "second", "squares\0"])
def test_a_name_is_never_a_path(folders: tuple[Path, Path], name: str) -> None:
    with pytest.raises(NotFoundError, match=r"Available: .*squares"):
        find_model(name)


def test_a_model_that_cannot_be_read_is_named_and_hides_no_other(folders: tuple[Path, Path]) -> None:
    (folders[1] / "circles" / DESCRIPTION_FILE).write_text("{", encoding="utf-8")
    broken = write_squares_model(folders[1] / "torn")
    (folders[1] / broken.name / WEIGHTS_FILE).unlink()
    models, problems = available_models([folders[1]])
    names = {model.name for model in models}
    assert "squares" in names
    assert not {"circles", "torn"} & names
    assert len(problems) == 2
    with pytest.raises(NotFoundError, match="damaged"):
        find_model("circles", [folders[1]])

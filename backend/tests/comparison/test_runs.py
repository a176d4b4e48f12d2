from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ufseg.comparison.request import begin, read_request
from ufseg.comparison.runs import RunStore
from ufseg.errors import ConflictError, InputError, StorageError

Make = Callable[..., Any]


def test_seeds_are_interleaved(make_request: Make) -> None:
    runs = [(seed, entrant.label) for seed, entrant in make_request(["dice", "focal"], ["c"], seeds=2).runs]
    assert runs == [(0, "dice"), (0, "focal"), (1, "dice"), (1, "focal")]


def test_only_whole_seeds_are_compared(make_request: Make, make_run: Make, tmp_path: Path) -> None:
    request, store = make_request(["dice", "focal"], ["c"], seeds=2), RunStore(tmp_path)
    assert store.finished(request) == []
    for loss, seed in (("dice", 0), ("focal", 0), ("focal", 1)):
        store.write(make_run(loss, seed, {"c": {"a": 0.5}}))
    assert [(r.entrant.label, r.seed) for r in store.finished(request)] == [("dice", 0), ("focal", 0)]


def test_a_run_comes_back_as_it_was(make_run: Make, tmp_path: Path) -> None:
    store, run = RunStore(tmp_path), make_run("focal:gamma=1", 3, {"c": {"a": 0.25, "b": None}})
    store.write(run)
    assert store.find(run.entrant, 3) == run
    assert store.find(run.entrant, 0) is None


def test_a_damaged_run_and_one_with_other_options_are_refused(make_run: Make, tmp_path: Path) -> None:
    store, run = RunStore(tmp_path), make_run("focal", 0, {"c": {"a": 0.25}})
    store.write(run)
    changed = run.entrant.model_copy(update={"options": {"gamma": 3.0}})
    with pytest.raises(ConflictError, match="now focal means"):
        store.find(changed, 0)
    (store.folder(run.entrant, 0) / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(StorageError, match="Remove it to repeat"):
        store.find(run.entrant, 0)


def test_a_folder_is_claimed_once(make_request: Make, tmp_path: Path) -> None:
    request = make_request(["dice"], ["c"])
    with pytest.raises(InputError, match="no comparison to resume"):
        begin(request, tmp_path, resume=True)
    begin(request, tmp_path, resume=False)
    assert read_request(tmp_path) == request
    with pytest.raises(InputError, match="Add --resume"):
        begin(request, tmp_path, resume=False)


def test_resuming_may_add_losses_and_seeds_but_change_no_condition(make_request: Make, tmp_path: Path) -> None:
    begin(make_request(["dice"], ["c"]), tmp_path, resume=False)
    more = make_request(["dice", "focal"], ["c"], seeds=3)
    begin(more, tmp_path, resume=True)
    assert read_request(tmp_path) == more
    for change, match in (
        ({"budget_seconds": 30.0}, r"budget_seconds: 60\.0, now 30\.0"),
        ({"device": "another"}, "device: a processor, now another"),
        ({"training": tuple("abcdefg")}, "training: .*, now 7 cases"),
    ):
        with pytest.raises(ConflictError, match=match):
            begin(make_request(["dice"], ["c"], **change), tmp_path, resume=True)
    with pytest.raises(ConflictError, match="test"):
        begin(make_request(["dice"], ["d"]), tmp_path, resume=True)


def test_a_damaged_comparison_is_named(make_request: Make, tmp_path: Path) -> None:
    (tmp_path / "comparison.json").write_text("[]", encoding="utf-8")
    with pytest.raises(StorageError, match=r"comparison\.json is damaged"):
        begin(make_request(["dice"], ["c"]), tmp_path, resume=True)


def test_a_full_or_forbidden_place_is_told(make_request: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot be written"):
        begin(make_request(["dice"], ["c"]), tmp_path / "file" / "out", resume=False)

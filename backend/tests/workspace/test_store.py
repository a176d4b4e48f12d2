from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ufseg.errors import NotFoundError, StorageError
from ufseg.workspace.store import ContentStore


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path)


@settings(max_examples=20, deadline=None)
@given(content=st.binary(max_size=5000))
def test_what_is_stored_comes_back_under_the_hash_of_its_bytes(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    store = ContentStore(tmp_path_factory.mktemp("store"))
    sha256 = store.add_bytes(content, ".json")
    assert sha256 == hashlib.sha256(content).hexdigest()
    assert store.verified(sha256, ".json").read_bytes() == content
    assert store.add_bytes(content, ".json") == sha256


def test_nothing_unfinished_stays_behind(store: ContentStore, tmp_path: Path) -> None:
    store.add_bytes(b"a", ".json")
    store.add_bytes(b"a", ".json")
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_file_that_was_cut_short_is_replaced_by_the_whole_one(store: ContentStore) -> None:
    path = store.path(store.add_bytes(b"whole", ".json"), ".json")
    path.write_bytes(b"who")
    store.add_bytes(b"whole", ".json")
    assert path.read_bytes() == b"whole"


def test_a_changed_file_is_noticed(store: ContentStore) -> None:
    sha256 = store.add_bytes(b"whole", ".json")
    store.path(sha256, ".json").write_bytes(b"whale")
    with pytest.raises(StorageError, match=r"damaged.*backup"):
        store.verified(sha256, ".json")


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_only_hashes_name_files(store: ContentStore, name: str) -> None:
    with pytest.raises(NotFoundError, match="64 hexadecimal"):
        store.path(name)


def test_an_unknown_hash_is_not_found(store: ContentStore) -> None:
    with pytest.raises(NotFoundError, match="Upload it first"):
        store.path("0" * 64)

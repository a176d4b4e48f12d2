"""Fixtures shared by all backend tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from postgresql_server import PostgresqlServer

REPOSITORY = Path(__file__).resolve().parents[2]


def data_folder() -> Path:
    """Where real labelled data lies beside a developer's checkout; UFSEG_DATA overrides it."""
    return Path(os.environ.get("UFSEG_DATA", REPOSITORY.parent / "shared" / "data"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes long; runs only with -m slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "slow" in (config.getoption("-m") or ""):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="takes long; run it with -m slow"))


def pytest_report_header() -> str:
    """Say in the output which data was used."""
    folder = data_folder()
    found = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    return f"real data: {', '.join(found)}" if found else "real data: none found; tests that need it are skipped"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real labelled data; skips the test where there is none."""
    folder = data_folder()
    if not folder.is_dir():
        pytest.skip("no real data here: set UFSEG_DATA to a folder laid out like the developers' shared/data")
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """One database server for all tests of the session; skips the test where its programs are absent."""
    if os.name != "posix":
        pytest.skip("the tests start PostgreSQL only on POSIX systems")
    from postgresql_server import postgresql_server

    with postgresql_server() as running:
        yield running

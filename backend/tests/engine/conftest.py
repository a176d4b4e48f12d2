"""One engine for all tests of the session; each test makes a task of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ufseg.engine.engine import Engine
from ufseg.workspace import Workspace


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with Workspace(tmp_path_factory.mktemp("engine") / "workspace") as opened:
        yield opened


@pytest.fixture(scope="session")
def engine(workspace: Workspace) -> Iterator[Engine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # two workers on two cores
        with Engine(workspace, "cpu", warm=True) as opened:
            yield opened

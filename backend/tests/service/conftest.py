"""Real services on real ports."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from service_process import ServiceProcess


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One service for all tests of the session that do not hurt it."""
    with ServiceProcess(tmp_path_factory.mktemp("service") / "workspace") as running:
        yield running

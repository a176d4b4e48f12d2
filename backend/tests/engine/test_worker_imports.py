"""What a worker process loads before its first job."""

from __future__ import annotations

import subprocess
import sys


def test_a_worker_starts_without_the_libraries_of_database_and_service() -> None:
    code = (
        "import sys, ufseg.engine.worker, ufseg.workspace\n"
        "print([name for name in ('sqlalchemy', 'alembic', 'fastapi', 'torch') if name in sys.modules])\n"
        "from ufseg.workspace import Workspace\n"
        "print(Workspace.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "ufseg.workspace.workspace"]

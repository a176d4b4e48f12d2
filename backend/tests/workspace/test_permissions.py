"""Images of patients are not for every user of a computer, unless somebody wants it so."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ufseg.workspace import Workspace
from ufseg.workspace.backup import back_up

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows passes on the permissions of the user's folder")


def _mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def test_a_new_workspace_and_its_backup_are_their_owners_alone(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys; os.umask(0)\n"
        "from ufseg.workspace import Workspace; from ufseg.workspace.backup import back_up\n"
        "with Workspace(pathlib.Path(sys.argv[1], 'new', 'w')) as w: back_up(w, pathlib.Path(sys.argv[1], 'b', 'w'))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert _mode(tmp_path / "new" / "w") == 0o700
    assert _mode(tmp_path / "b" / "w") == 0o700
    assert _mode(tmp_path / "new") == 0o777  # which is not ours


def test_a_folder_that_was_shared_on_purpose_stays_so(tmp_path: Path) -> None:
    for name in ("w", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o2770)
    with Workspace(tmp_path / "w") as workspace:
        back_up(workspace, tmp_path / "b")
    assert _mode(tmp_path / "w") == _mode(tmp_path / "b") == 0o2770

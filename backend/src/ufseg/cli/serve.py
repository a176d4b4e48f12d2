"""``ufseg serve``: the service that 3D Slicer and scripts talk to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ufseg.cli.console import DatabaseOption, DeviceOption, WorkspaceOption, default_workspace


def serve(
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008 - typer's way of giving a default
    device: DeviceOption = "auto",
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 0,
    models: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of finished models that can be installed by name; repeatable. See also UFSEG_MODELS."
        ),
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Serve a workspace on this computer only.

    The first line on standard output is JSON with the address and the access token. The service ends when its
    standard input closes.
    """
    from ufseg.service.run import serve as run

    run(workspace, device=device, port=port, model_folders=models or [], database=database)

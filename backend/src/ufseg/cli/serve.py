"""``ufseg serve``: the service that 3D Slicer and scripts talk to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ufseg.cli.console import DatabaseOption, DeviceOption, WorkspaceOption, default_workspace


def serve(
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008 - typer's way of giving a default
    device: DeviceOption = "auto",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 0,
    models: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of finished models that can be installed by name; repeatable. See also UFSEG_MODELS."
        ),
    ] = None,
    database: DatabaseOption = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that other computers reach needs TLS.")
    ] = "127.0.0.1",
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM, readable by its owner only.")] = None,
    tls_generate: Annotated[
        bool, typer.Option("--tls-generate", help="Make and keep a self-signed certificate; its fingerprint is shown.")
    ] = False,
    allowed_host: Annotated[
        list[str] | None, typer.Option(help="Another name by which clients call this computer; repeatable.")
    ] = None,
    max_file_mib: Annotated[
        int, typer.Option(help="Largest image or label map that is taken, unfolded, in MiB.", min=1)
    ] = 8192,
    warm: Annotated[
        bool,
        typer.Option(
            help="Load the process that predicts at once, so that nobody waits for it. Without, memory of the GPU and "
            "the computer is taken only when there is something to compute."
        ),
    ] = True,
    unattended: Annotated[
        bool,
        typer.Option(
            "--unattended",
            help="For a service manager such as systemd: run until SIGTERM, whatever becomes of standard input, and "
            "print no token; make tokens with 'ufseg tokens add'.",
        ),
    ] = False,
) -> None:
    """Serve a workspace, on this computer only unless --host says otherwise.

    The first line on standard output is JSON with the address and a maintainer's access token. The service ends when
    its standard input closes; see --unattended.
    """
    from ufseg.service.run import serve as run
    from ufseg.service.tls import Tls, own_certificate

    if (tls_cert is None) != (tls_key is None) or (tls_cert is not None and tls_generate):
        raise typer.BadParameter("give --tls-cert and --tls-key together, or --tls-generate instead of both.")
    tls: Tls | Literal["generate"] | None = "generate" if tls_generate else None
    if tls_cert is not None and tls_key is not None:
        tls = own_certificate(tls_cert.expanduser(), tls_key.expanduser())
    run(
        workspace,
        device=device,
        port=port,
        model_folders=models or [],
        database=database,
        host=host,
        tls=tls,
        allowed_hosts=allowed_host or [],
        max_file_bytes=max_file_mib << 20,
        warm=warm,
        unattended=unattended,
    )

"""``ufseg tokens``: access tokens of a department's server."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ufseg.cli.console import WorkspaceOption, default_workspace, err, out, print_table
from ufseg.cli.tasks import open_workspace

app = typer.Typer(help="Make, list and revoke access tokens of a workspace's service.", no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Who or what will carry the token; shown in the audit log.")],
    role: Annotated[
        Literal["annotator", "maintainer", "metrics"],
        typer.Option(help="annotator labels and predicts, maintainer does everything, metrics reads /metrics only."),
    ] = "annotator",
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008 - typer's way of giving a default
) -> None:
    """Make a token and print it: the only time that it is shown."""
    with open_workspace(workspace) as opened:
        record, token = opened.tokens.add(name, role)
    text = f"Token {record.id} for {record.name!r} ({record.role}). Keep it now; only its hash is stored:"
    err.print(text, markup=False, highlight=False, soft_wrap=True)
    typer.echo(token)


@app.command("list")
def list_tokens(workspace: WorkspaceOption = default_workspace()) -> None:  # noqa: B008
    """All tokens, revoked ones too; never the tokens themselves."""
    with open_workspace(workspace) as opened:
        tokens = opened.tokens.all()
    shown = [
        [t.id, t.name, t.role, f"{t.created:%Y-%m-%d %H:%M}", t.revoked and f"{t.revoked:%Y-%m-%d %H:%M}"]
        for t in tokens
    ]
    print_table("Tokens", ["id", "name", "role", "created", "revoked"], shown)


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(help="Id or name of the token.", metavar="ID|NAME")],
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
) -> None:
    """Make a token worthless, for good; a running service refuses it within a second."""
    with open_workspace(workspace) as opened:
        record = opened.tokens.revoke(token)
    out.print(f"The token {record.id} of {record.name!r} is revoked.", markup=False, highlight=False)

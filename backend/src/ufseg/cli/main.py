"""Entry point of the command line. Heavy imports stay inside the commands, so that ``--help`` is quick."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from ufseg import __version__
from ufseg.cli.cases import app as cases_app
from ufseg.cli.compare import compare_losses
from ufseg.cli.console import errors_in_words
from ufseg.cli.doctor import doctor
from ufseg.cli.evaluate import evaluate
from ufseg.cli.exchange import export_app, import_app
from ufseg.cli.holding import environment_held
from ufseg.cli.models import app as models_app
from ufseg.cli.plan import plan
from ufseg.cli.predict import predict
from ufseg.cli.serve import serve
from ufseg.cli.tasks import app as tasks_app
from ufseg.cli.tokens import app as tokens_app
from ufseg.cli.train import train
from ufseg.cli.workspace import app as workspace_app

app = typer.Typer(
    name="ufseg",
    help="Medical image segmentation with the Unified Focal loss: train, predict, and serve 3D Slicer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ufseg {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


app.command()(serve)
app.command()(doctor)
app.add_typer(tasks_app, name="tasks")
app.add_typer(cases_app, name="cases")
app.command()(plan)
app.command()(train)
app.command()(predict)
app.command()(evaluate)
app.command("compare-losses")(compare_losses)
app.add_typer(models_app, name="models")
app.add_typer(tokens_app, name="tokens")
app.add_typer(workspace_app, name="workspace")
app.add_typer(export_app, name="export")
app.add_typer(import_app, name="import")


def main() -> None:
    """Run the command line; a known error becomes its sentence on standard error and exit status 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Where the locale knows no "×" or "–", a question mark is better than a traceback.
            stream.reconfigure(errors="replace")
    with errors_in_words(), environment_held():
        app(prog_name="ufseg")  # also where the computing commands start themselves again
    sys.exit(0)


if __name__ == "__main__":
    main()

"""What the commands show: errors as sentences, progress as a bar on a terminal and as plain lines elsewhere."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from typing_extensions import Self

from ufseg.cli.sparkline import sparkline
from ufseg.errors import UfsegError
from ufseg.progress import Progress

PLAIN_STEP = 0.1
"""Without a terminal, a line is printed at every stage and at every such share of the work."""

out = Console()
err = Console(stderr=True)


def default_workspace() -> Path:
    """UFSEG_WORKSPACE, or a folder in the home directory."""
    return Path(os.environ.get("UFSEG_WORKSPACE", Path.home() / "ufseg-workspace"))


WorkspaceOption = Annotated[
    Path,
    typer.Option("--workspace", "-w", help="Folder of tasks, cases and models, or set UFSEG_WORKSPACE."),
]


def _without_password(context: typer.Context, url: str | None) -> str | None:
    """A command line is read by every user of the computer."""
    given = context.get_parameter_source("database")
    if url is not None and given is not None and given.name == "COMMANDLINE" and re.match(r"[^/]*//[^/@]*:[^/]*@", url):
        raise typer.BadParameter(
            "the URL has a password, which every user of this computer can see there. Give it in PGPASSWORD, ~/.pgpass "
            "or the URL in UFSEG_DATABASE."
        )
    return url


DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="UFSEG_DATABASE",
        show_envvar=True,
        callback=_without_password,
        help="PostgreSQL for a new workspace's records, postgresql+psycopg://user@host/name; its folder remembers it.",
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]


@contextmanager
def errors_in_words() -> Iterator[None]:
    """Turn this package's errors into one sentence on standard error and exit status 1."""
    try:
        yield
    except UfsegError as error:
        err.print(f"Error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except ValidationError as error:
        details = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'value'}: {str(e['msg']).removeprefix('Value error, ')}"
            for e in error.errors()
        )
        err.print(f"Error: not valid: {details}.", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        text = f"Error: {error.filename} cannot be read or written: {error.strerror}. Check the path, its permissions"
        err.print(f"{text} and the free space.", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


def parse_duration(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``5m``, ``1.5h`` or ``2d``; raises typer.BadParameter otherwise."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|m|h|d)?\s*", text)
    seconds = float(match[1]) * {"d": 86400, "h": 3600, "m": 60, "min": 60}.get(match[2] or "s", 1) if match else 0.0
    if seconds <= 0:
        raise typer.BadParameter(f"{text!r} is no duration above 0; write 90s, 5m, 1.5h or 2d.")
    return seconds


def parse_classes(given: Sequence[str]) -> dict[str, int]:
    """Name → value of ``NAME=VALUE`` options; raises typer.BadParameter."""
    parsed: dict[str, int] = {}
    for item in given:
        name, _, value = item.rpartition("=")
        if not name or not value.isdigit():
            raise typer.BadParameter(f"{item!r} is not NAME=VALUE, such as tumour=1.")
        parsed[name] = int(value)
    return parsed


def parse_numbers(given: Sequence[str]) -> dict[str, float]:
    """Name → number of ``NAME=VALUE`` options; raises typer.BadParameter."""
    parsed: dict[str, float] = {}
    for item in given:
        name, _, value = item.partition("=")
        try:
            parsed[name] = float(value)
        except ValueError as error:
            raise typer.BadParameter(f"{item!r} is not NAME=NUMBER, such as gamma=0.3.") from error
    return parsed


class ProgressDisplay:
    """Shows `Progress` reports while used as a context manager; call it with each report."""

    def __init__(self, title: str, console: Console = out) -> None:
        self._title = title
        self._console = console
        self._bar: Bar | None = None
        self._stage = ""
        self._printed = -1
        self._losses: list[float] = []

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[rest]}"),
                console=self._console,
            )
            self._bar.start()
            self._bar.add_task(self._title, total=1.0, rest="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Show one report."""
        rest = "  ".join(f"{k} {v:.4g}" for k, v in progress.scalars.items())
        if progress.eta_seconds is not None:
            rest = f"about {progress.eta_seconds:.0f} s left  {rest}"
        if self._bar is not None:
            if "loss" in progress.scalars:
                self._losses.append(progress.scalars["loss"])
                rest += f"  {sparkline(self._losses)}"
            self._bar.update(
                self._bar.task_ids[0],
                completed=progress.fraction,
                description=f"{self._title}: {progress.stage}",
                rest=rest.rstrip(),
            )
            return
        share = int(progress.fraction / PLAIN_STEP + 1e-9)
        if progress.stage != self._stage or share > self._printed:
            self._stage, self._printed = progress.stage, share
            line = f"{self._title}: {progress.stage} {100 * progress.fraction:.0f} % {rest}".rstrip()
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Interrupt:
    """While used as a context manager, Ctrl-C asks the work to stop; a second one stops the program at once.

    Call the object: it says whether a stop was asked for.
    """

    def __init__(self) -> None:
        self._asked = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

    def __call__(self) -> bool:
        return self._asked

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        err.print("Stopping after this step. Press Ctrl-C again to stop at once.")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A rich table on a terminal, tab-separated lines with a header when piped."""
    if not out.is_terminal:
        for row in [columns, *rows]:
            typer.echo("\t".join(_cell(c) for c in row))  # rich would turn tabs into blanks
        return
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*[_cell(c) for c in row])
    out.print(table)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)

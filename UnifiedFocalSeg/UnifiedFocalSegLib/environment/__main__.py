"""``python -m UnifiedFocalSegLib.environment``: the backend's environment from a terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from UnifiedFocalSegLib.errors import FocalSegError

from .checking import check
from .gpu import find_gpus
from .installing import install, repair
from .options import Options
from .places import Places, default_root
from .progress import Progress
from .removal import remove
from .space import free_bytes, needed_bytes, words
from .torch_builds import BUILDS, choose
from .wanted import Wanted, shipped


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 if the environment is as wanted."""
    chosen = _parser().parse_args(arguments)
    places = Places(chosen.root.absolute())
    try:
        return _run(chosen, places, Wanted(chosen.sources.absolute()) if chosen.sources else shipped())
    except FocalSegError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. What was downloaded is kept for the next time.", file=sys.stderr)
        return 130


def _run(chosen: argparse.Namespace, places: Places, wanted: Wanted) -> int:
    if chosen.command == "remove":
        print(f"{words(remove(places))} removed from {places.root}.")
        return 0
    if chosen.command == "check":
        report = check(places, wanted, deep=chosen.deep)
        print(report.sentence)
        return 0 if report.usable else 1
    if chosen.command == "estimate":
        choice = choose(find_gpus(), chosen.torch)
        needed, free = needed_bytes(places, choice.build), free_bytes(places.root)
        print(f"{choice.why} About {words(choice.build.download)} to download.")
        print(f"About {words(needed)} in {places.root}, where {words(free)} are free.")
        return 0 if free >= needed else 1
    given = Options(chosen.torch, chosen.wheels, chosen.offline, chosen.python)
    if chosen.command == "repair":
        report = repair(places, wanted, None if given == Options() else given, listener=_show)
        print(report.sentence)
        return 0 if report.usable else 1
    print(install(places, wanted, given, listener=_show))
    return 0


def _show(progress: Progress) -> None:
    print(f"{progress.fraction:4.0%} {progress.stage}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="UnifiedFocalSegLib.environment", description=__doc__)
    parser.add_argument("--root", type=Path, default=default_root(), help="folder of the environment")
    parser.add_argument(
        "--sources", type=Path, help="folder of the backend's sources; those of the extension if left out"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words_of_it in (("install", "install or update"), ("repair", "repair what is damaged")):
        command = commands.add_parser(name, help=words_of_it)
        command.add_argument("--torch", default="auto", choices=["auto", *BUILDS], help="build of PyTorch")
        command.add_argument("--wheels", type=Path, help="folder of wheel files")
        command.add_argument("--offline", action="store_true", help="use nothing but the wheel files")
        command.add_argument("--python", type=Path, help="interpreter of the environment")
    command = commands.add_parser("estimate", help="say what an installation would take")
    command.add_argument("--torch", default="auto", choices=["auto", *BUILDS], help="build of PyTorch")
    command = commands.add_parser("check", help="say whether it can be used")
    command.add_argument("--deep", action="store_true", help="compare every byte")
    commands.add_parser("remove", help="delete it, downloads too")
    return parser


if __name__ == "__main__":
    sys.exit(main())

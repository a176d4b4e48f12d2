"""What an environment says about itself, and whether its files are those that were installed."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from UnifiedFocalSegLib.errors import OperationCancelled
from UnifiedFocalSegLib.translation import tr as _

from .places import long_path, site_packages
from .records import read_json

# Written last into an environment: one without it is half made.
DESCRIPTION = "ufseg-environment.json"


@dataclass(frozen=True)
class Recorded:
    """One file of a package.

    Args:
        package: its name.
        path: the file.
        size: in bytes; None where the package does not say.
        sha256: base64 as in RECORD; empty where the package does not say.
    """

    package: str
    path: Path
    size: int | None
    sha256: str


def describe(environment: Path) -> dict[str, object] | None:
    """The description of a finished environment; None if it is half made."""
    return read_json(environment / DESCRIPTION)


def records_digest(environment: Path) -> str:
    """SHA-256 of all lists of files, so that a lost or shortened list shows."""
    sha256 = hashlib.sha256()
    for path in _records(environment):
        try:
            content = path.read_bytes()
        except OSError:  # one that cannot be read is another than the one that was installed
            content = b""
        sha256.update(path.parent.name.encode() + b"\0" + content)
    return sha256.hexdigest()


def recorded(environment: Path) -> Iterator[Recorded]:
    """The files of all packages."""
    for record in _records(environment):
        package = record.parent.name.rsplit(".", 1)[0].split("-")[0]
        with record.open(encoding="utf-8", newline="") as stream:
            for name, digest, size in csv.reader(stream):
                path = record.parent.parent / name
                yield Recorded(package, path, int(size) if size else None, digest.removeprefix("sha256="))


def damaged(environment: Path, deep: bool, cancelled: threading.Event | None = None) -> dict[str, list[str]]:
    """Packages with files that are missing or other than installed.

    Args:
        environment: a virtual environment.
        deep: compare every byte by its hash, not only sizes: seconds instead of a fraction of one.
        cancelled: ends it when set.

    Returns:
        Package → what is wrong with its files.

    Raises:
        OperationCancelled: `cancelled` was set.
    """
    wrong: dict[str, list[str]] = {}
    for entry in recorded(environment):
        if cancelled is not None and cancelled.is_set():
            raise OperationCancelled(_("The comparison of the files was stopped. Nothing was changed."))
        problem = _problem(entry, deep)
        if problem:
            wrong.setdefault(entry.package, []).append(problem)
    return wrong


def _problem(entry: Recorded, deep: bool) -> str:
    path = long_path(entry.path)
    try:
        size = os.stat(path).st_size
    except OSError:
        return _("{path} is missing").format(path=entry.path)
    if entry.size is not None and size != entry.size:
        return _("{path} has {size} bytes instead of {wanted}").format(path=entry.path, size=size, wanted=entry.size)
    if deep and entry.sha256:
        digest = hashlib.sha256()
        try:
            with open(path, "rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
        except OSError as error:  # a bad sector, or a virus scanner's quarantine
            return _("{path} cannot be read ({reason})").format(path=entry.path, reason=error.strerror or error)
        if base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode() != entry.sha256:
            return _("{path} has other bytes than were installed").format(path=entry.path)
    return ""


def _records(environment: Path) -> list[Path]:
    packages = site_packages(environment)
    return [] if packages is None else sorted(packages.glob("*.dist-info/RECORD"))

"""The workspace, its disk and its database, the finished models, and the port."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ufseg.doctor.finding import Finding, ok, problem, warning
from ufseg.errors import InputError, UfsegError
from ufseg.networks.available import available_models
from ufseg.networks.model_folder import WEIGHTS_FILE
from ufseg.service.listening import LOOPBACK, listen
from ufseg.workspace.disk import free_bytes, others_may_enter, sync_file, sync_folder
from ufseg.workspace.location import is_workspace
from ufseg.workspace.store import sha256_of
from ufseg.workspace.workspace import Workspace

_LEAST_FREE, _ENOUGH_FREE = 1 << 30, 10 << 30
_SLOW_SYNC_SECONDS = 0.5
_PROBE = bytes(1 << 20)
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "9p", "fuse.sshfs", "ncpfs"})


def disk(folder: Path) -> Iterator[Finding]:
    """Space, permission, and whether what is written comes to the disk.

    Args:
        folder: the workspace; need not exist, and is not made.
    """
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        sentence = f"The folder {place} cannot be written by this user."
        yield problem("permissions", sentence, "Take another workspace with --workspace, or have the rights changed.")
        return
    if place == folder and others_may_enter(folder):
        yield warning(
            "permissions",
            f"Every user of this computer may look into {folder} (mode {folder.stat().st_mode & 0o777:03o}).",
            f"If others log in here too, keep them out: chmod 700 {folder}",
        )
    else:
        yield ok("permissions", f"The folder {place} can be written.")
    free = free_bytes(place)
    text = f"{free / 1e9:.1f} GB are free on the disk of {folder}."
    if free < _LEAST_FREE:
        yield problem("disk space", text, "Free some; images, labels and models need at least 1 GB.")
    elif free < _ENOUGH_FREE:
        yield warning("disk space", text, "Free some before you train on many volumes; 10 GB are comfortable.")
    else:
        yield ok("disk space", text)
    yield _syncing(place)
    kind = file_system(place)
    if kind in _NETWORK:
        yield warning(
            "file system",
            f"{folder} lies on a network drive ({kind}), where SQLite cannot be relied upon.",
            "Take a folder on a local disk, or keep the records in PostgreSQL with --database.",
        )


def database(folder: Path, url: str | None) -> Iterator[Finding]:
    """Whether the workspace's records can be read; nothing is migrated or made."""
    if not is_workspace(folder):
        yield ok("workspace", f"There is no workspace in {folder} yet; the first use makes one.")
        return
    try:
        with Workspace(folder, url, migrate=False) as workspace:
            tasks = len(workspace.tasks.all())
            shown = workspace.database.kind.shown
    except UfsegError as error:
        yield problem("database", str(error), "'ufseg workspace check' tells more.")
        return
    yield ok("database", f"The database {shown} was read: {tasks} task{'s' if tasks != 1 else ''}.")


def models() -> Iterator[Finding]:
    """Whether the finished models are whole."""
    found, sentences = available_models()
    for model in found:
        if sha256_of(model.folder / WEIGHTS_FILE) != model.description.weights_sha256:
            sentences.append(f"The weights of the model {model.name} in {model.folder} are damaged.")
    if sentences:
        yield problem("finished models", " ".join(sentences), "Restore them from a copy, or install ufseg again.")
    else:
        names = ", ".join(model.name for model in found) or "none"
        yield ok("finished models", f"Finished models that can be installed: {names}; all of them are whole.")


def port(number: int = 0) -> Iterator[Finding]:
    """Whether the service could listen on a port of loopback."""
    try:
        listening = listen(LOOPBACK, number)
    except InputError as error:
        yield problem("port", str(error), "See that no firewall or security program forbids it.")
        return
    actual = listening.getsockname()[1]
    listening.close()
    yield ok("port", f"The service can listen on {LOOPBACK} (port {actual} was tried).")


def file_system(folder: Path) -> str | None:
    """Type of the file system that a folder lies on; None where the system does not tell."""
    mounts = Path("/proc/mounts")
    if not mounts.is_file():
        return None
    best, kind = -1, None
    resolved = folder.resolve()
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        point = Path(words[1].replace("\\040", " "))
        if (resolved == point or point in resolved.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), words[2]
    return kind


def _syncing(place: Path) -> Finding:
    start = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix=".ufseg-doctor-", dir=place) as name:
            path = Path(name) / "probe"
            path.write_bytes(_PROBE)
            sync_file(path)
            path.rename(path.with_name("renamed"))
            sync_folder(Path(name))
    except OSError as error:
        sentence = f"A file could not be written, synced and renamed in {place}: {error.strerror}."
        return problem("writing", sentence, "Check the disk and its free space, or take another workspace.")
    seconds = time.monotonic() - start
    text = f"1 MB was written and synced to the disk in {1000 * seconds:.0f} ms."
    if seconds > _SLOW_SYNC_SECONDS:
        return warning("writing", text, "Every saved label waits for this; take a faster, local disk if you can.")
    return ok("writing", text)

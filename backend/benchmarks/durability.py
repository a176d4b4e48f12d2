"""kill -9 at random instants: is everything that was acknowledged there, and intact?

    python benchmarks/durability.py [--kills 200] [--seed 0] [--database URL] [--json FILE]

Processes of their own upload images, make cases, append and restore label revisions, add and promote model versions;
others bring databases of older schema versions up to date, or make backups while they write. Each is killed at a random
instant. What it had acknowledged, by a line on its standard output once the call had returned, must then be there with
the same content, and ``ufseg workspace check`` must find nothing wrong. The operating system lives on, so this shows
that no order of writes loses anything to a dying process; it is no test of power cuts.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ufseg.errors import ConflictError, NotFoundError
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.plans.plan import Plan, ZScore
from ufseg.workspace import Workspace
from ufseg.workspace.backup import back_up
from ufseg.workspace.checking import check_folder
from ufseg.workspace.models import NewVersion
from ufseg.workspace.records import Loss, VersionScores
from ufseg.workspace.revisions import RevisionRequest

VERSIONS = Path(__file__).resolve().parents[1] / "tests" / "workspace" / "versions"
GRID = Geometry(size=(64, 48, 8), spacing=(1, 1, 2), origin=(0, 0, 0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))
CLASSES = ClassTable.of({"organ": 1, "lesion": 3})
PLAN = Plan(
    dimension=3, modality="other", spacing=(1, 1, 2), patch_size=(8, 8, 8), batch_size=1, features=(4, 8),
    kernel_sizes=((3, 3, 3), (3, 3, 3)), strides=((1, 1, 1), (2, 2, 2)), normalisation=(ZScore(),), classes=3,
)  # fmt: skip
# How long after its first sign of life a process is killed at the latest, seconds: about what it takes to migrate or
# to back up, and long enough for some ten entries.
LATEST = {"write": 0.4, "migrate": 0.5, "backup": 1.5}
# A fresh workspace every so often keeps the check after each kill short.
KILLS_PER_WORKSPACE = 20
THREADS = 2


def acknowledge(kind: str, content: Any = None) -> None:
    """Tell the parent that something is on the disk; a line that did not get out whole does not count."""
    sys.stdout.write(json.dumps([kind, content]) + "\n")
    sys.stdout.flush()


class Writer:
    """Does at random what a service does, until it is killed."""

    def __init__(self, workspace: Workspace, seed: int) -> None:
        self._workspace = workspace
        self._seed = seed
        self._speaking = threading.Lock()
        known = workspace.tasks.all()
        self._task = known[0] if known else workspace.tasks.create("Fuzz", "other", ["image"], CLASSES, 0.5)

    def run(self) -> None:
        """Several threads, as in the service."""
        threads = [threading.Thread(target=self._work, args=(n,)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, number: int) -> None:
        rng = np.random.default_rng([self._seed, number])
        acts: list[Callable[[np.random.Generator], tuple[str, Any]]]
        acts = [
            self._case,
            self._revision,
            self._revision,
            self._revision,
            self._restore,
            self._version,
            self._rollback,
        ]
        self._say(*self._case(rng))
        while True:
            self._say(*acts[rng.integers(len(acts))](rng))

    def _say(self, kind: str, content: Any) -> None:
        with self._speaking:
            acknowledge(kind, content)

    def _case(self, rng: np.random.Generator) -> tuple[str, Any]:
        from ufseg.images.image import Image

        image = rng.normal(size=(1, *GRID.array_shape)).astype(np.float32)
        file = self._workspace.files.add_image(Image(image, GRID))
        self._say("upload", file.sha256)
        subject = f"subject {rng.integers(1 << 30)}"
        case, _ = self._workspace.cases.add(self._task.id, f"case of {subject}", subject, [file.sha256])
        return "case", [case.id, case.subject, list(case.images)]

    def _revision(self, rng: np.random.Generator) -> tuple[str, Any]:
        from ufseg.images.image import Image

        label = rng.choice(np.uint8([0, 1, 3]), (1, *GRID.array_shape))
        file = self._workspace.files.add_image(Image(label, GRID))
        self._say("upload", file.sha256)
        request = RevisionRequest(label=file.sha256, classes={"organ": 1, "lesion": 3}, author="fuzz")
        return "revision", self._workspace.revisions.submit(self._some_case(rng), request).model_dump(mode="json")

    def _restore(self, rng: np.random.Generator) -> tuple[str, Any]:
        revisions = self._workspace.revisions.of_case(self._some_case(rng))
        if len(revisions) < 2:
            return self._revision(rng)
        try:
            return "revision", self._workspace.history.restore(revisions[0].id, "fuzz").model_dump(mode="json")
        except ConflictError:  # it is the newest already
            return self._revision(rng)

    def _version(self, rng: np.random.Generator) -> tuple[str, Any]:
        promoted = self._workspace.models.promoted(self._task.id)
        parent = None if promoted is None else promoted.id
        new = NewVersion(
            task=self._task.id,
            parent=parent,
            weights=self._workspace.store.add_bytes(rng.bytes(200_000), ".safetensors"),
            description=self._workspace.store.add_bytes(json.dumps(str(rng.integers(1 << 60))).encode(), ".json"),
            plan=PLAN,
            classes=CLASSES.entries,
            trained_on=(),
            loss=Loss(name="asymmetric-unified-focal"),
            scores=VersionScores(),
            gate=None,
        )
        version, used = self._workspace.models.add(new, "better", parent)
        if used:
            self._say("promotion", version.id)
        return "version", [version.id, version.number, version.weights, version.description]

    def _rollback(self, rng: np.random.Generator) -> tuple[str, Any]:
        if len(self._workspace.models.promotions(self._task.id)) < 2:
            return self._version(rng)
        first = self._workspace.models.of_task(self._task.id)[0]
        promoted = self._workspace.models.promoted(self._task.id)
        if promoted is not None and promoted.id == first.id:
            return self._version(rng)
        return "version", self._promote(first.id)

    def _promote(self, version_id: str) -> Any:
        try:
            self._workspace.models.promote(self._task.id, version_id, "looks better", "fuzz")
        except ConflictError:  # the other thread was quicker
            pass
        else:
            self._say("promotion", version_id)
        version = self._workspace.models.get(version_id)
        return [version.id, version.number, version.weights, version.description]

    def _some_case(self, rng: np.random.Generator) -> str:
        cases = self._workspace.cases.of_task(self._task.id)
        return cases[rng.integers(len(cases))].id


def play(role: str, folder: Path, seed: int, database: str | None) -> None:
    """What the processes that are killed do; each says ``ready`` once its imports are over."""
    import ufseg.images.reading
    import ufseg.images.writing  # noqa: F401 - now rather than while the clock runs

    acknowledge("ready")
    with Workspace(folder, database) as workspace:
        if role == "write":
            Writer(workspace, seed).run()
        if role == "backup":
            writer = threading.Thread(target=Writer(workspace, seed).run, daemon=True)
            writer.start()
            while True:
                before = sum(len(workspace.revisions.of_case(c.id)) for t in workspace.tasks.all()
                             for c in workspace.cases.of_task(t.id))  # fmt: skip
                if back_up(workspace, folder.with_name("backup")).whole:
                    acknowledge("backup", before)


def kill_one(role: str, folder: Path, seed: int, database: str | None, delay: float) -> list[tuple[str, Any]]:
    """Start a process, kill it `delay` seconds after its first line, and return what it acknowledged."""
    command = [sys.executable, __file__, "--role", role, "--folder", str(folder), "--seed", str(seed)]
    if database is not None:
        command += ["--database", database]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        # Read at once: a full pipe would stop the process instead of the kill.
        lines: list[str] = []
        reading = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
        reading.start()
        time.sleep(delay)
        ended = process.poll()
        process.send_signal(signal.SIGKILL)
        process.wait()
        reading.join()
    if not first or (role != "migrate" and ended is not None):
        raise SystemExit(f"The process that should have been killed ended by itself (status {ended}).")
    return [(kind, content) for kind, content in (json.loads(line) for line in lines if line.endswith("\n"))]


@dataclass
class Tally:
    """What was acknowledged so far, and what went wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: Counter[str] = field(default_factory=Counter)
    migrated: int = 0
    lost: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    slowest_opening: float = 0.0

    def check(self, folder: Path, database: str | None = None) -> None:
        """Note what `ufseg workspace check` finds."""
        self.problems += [problem.sentence for problem in check_folder(folder, database).problems]


def verify(folder: Path, database: str | None, told: list[tuple[str, Any]], tally: Tally) -> None:
    """Compare a workspace with everything that was ever acknowledged in it."""
    start = time.perf_counter()
    with Workspace(folder, database) as workspace:
        tally.slowest_opening = max(tally.slowest_opening, time.perf_counter() - start)
        tasks = workspace.tasks.all()
        promotions = Counter(p.model_version for t in tasks for p in workspace.models.promotions(t.id))
        versions = {v.id: v for t in tasks for v in workspace.models.of_task(t.id)}
        cases = {c.id: c for t in tasks for c in workspace.cases.of_task(t.id)}
        revisions = {r.id: r for c in cases for r in workspace.revisions.of_case(c)}
        told_promotions = Counter(content for kind, content in told if kind == "promotion")
        for kind, content in told:
            there = True
            if kind == "upload":
                there = _stored(workspace, content)
            elif kind == "case":
                found = cases.get(content[0])
                there = found is not None and [found.id, found.subject, list(found.images)] == content
            elif kind == "revision":
                revision = revisions.get(content["id"])
                there = revision is not None and revision.model_dump(mode="json") == content
            elif kind == "version":
                version = versions.get(content[0])
                there = version is not None and [version.number, version.weights, version.description] == content[1:]
            elif kind == "promotion":
                there = promotions[content] >= told_promotions[content]
            if not there:
                tally.lost.append(f"{kind} {content}")
    tally.check(folder, database)


def _stored(workspace: Workspace, sha256: str) -> bool:
    try:
        return workspace.files.path(sha256).is_file()
    except NotFoundError:
        return False


def old_workspace(folder: Path, rng: random.Random) -> dict[str, int]:
    """A workspace of an older schema version; returns its tables' numbers of rows."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "workspace.sqlite")) as connection:
        connection.executescript(rng.choice(sorted(VERSIONS.glob("*.sql"))).read_text(encoding="utf-8"))
    shutil.copytree(VERSIONS / "files", folder / "files")
    return _rows(folder)


def _rows(folder: Path) -> dict[str, int]:
    with closing(sqlite3.connect(folder / "workspace.sqlite")) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


def kill_migration(folder: Path, seed: int, rng: random.Random, tally: Tally) -> None:
    """Kill a process that migrates; whatever state it leaves must open and be whole."""
    before = old_workspace(folder, rng)
    kill_one("migrate", folder, seed, None, rng.uniform(0, LATEST["migrate"]))
    Workspace(folder).close()
    after = _rows(folder)
    tally.lost += [f"{n - after[t]} rows of {t}" for t, n in before.items() if t != "alembic_version" and after[t] < n]
    tally.migrated += sum(before.values())
    tally.check(folder)


def kill_backup(folder: Path, seed: int, rng: random.Random, told: list[tuple[str, Any]], tally: Tally) -> None:
    """Kill a process that writes and backs up; workspace and backup must be whole afterwards."""
    new = kill_one("backup", folder, seed, None, rng.uniform(0, LATEST["backup"]))
    backups = [content for kind, content in new if kind == "backup"]
    told += [(kind, content) for kind, content in new if kind != "backup"]
    tally.acknowledged.update(kind for kind, _ in new)
    backup = folder.with_name("backup")
    if (backup / "workspace.sqlite").exists():
        tally.check(backup)
        held = _rows(backup)["label_revisions"]
        if backups and held < backups[-1]:
            tally.lost.append(f"{backups[-1] - held} revisions of the backup")


def run(kills: int, seed: int, database: str | None) -> dict[str, Any]:
    """Kill so many processes and return the figures."""
    rng = random.Random(seed)
    tally = Tally()
    roles = ["write"] if database else ["write", "write", "write", "migrate", "backup"]
    with tempfile.TemporaryDirectory(prefix="ufseg-durability-") as name:
        told: list[tuple[str, Any]] = []
        for number in range(kills):
            role = roles[number % len(roles)]
            # One server's database holds one workspace; the others start anew from time to time.
            era = 0 if database else number // KILLS_PER_WORKSPACE
            folder = Path(name) / f"{era}" / "workspace"
            folder.parent.mkdir(exist_ok=True)
            if number % KILLS_PER_WORKSPACE == 0 and not database:
                told = []
            tally.kills[role] += 1
            if role == "migrate":
                kill_migration(Path(name) / f"old {number}", number, rng, tally)
                continue
            if role == "backup":
                kill_backup(folder, number, rng, told, tally)
            else:
                new = kill_one("write", folder, number, database, rng.uniform(0, LATEST["write"]))
                told += new
                tally.acknowledged.update(kind for kind, _ in new)
            verify(folder, database, told, tally)
            print(f"{number + 1} kills, {sum(tally.acknowledged.values())} acknowledged", file=sys.stderr)
    return {
        "kills": dict(tally.kills),
        "acknowledged": dict(sorted(tally.acknowledged.items())),
        "records of older workspaces": tally.migrated,
        "lost": tally.lost,
        "problems": tally.problems,
        "slowest opening after a kill, seconds": round(tally.slowest_opening, 3),
        "database": "PostgreSQL" if database else "SQLite",
    }


def main() -> None:
    """Run, or play one of the processes that are killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", help="PostgreSQL, an empty database; migrations and backups are left out")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--role", choices=sorted(LATEST), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role:
        play(given.role, given.folder, given.seed, given.database)
        return
    figures = run(given.kills, given.seed, given.database)
    text = json.dumps(figures, indent=2)
    if given.json:
        given.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    sys.exit(1 if figures["lost"] or figures["problems"] else 0)


if __name__ == "__main__":
    main()

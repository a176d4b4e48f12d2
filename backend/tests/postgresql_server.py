"""A PostgreSQL server of the tests' own: scratch data, a free port, ended with the tests."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")


class PostgresqlServer:
    """A running server; every workspace gets a schema of its own in it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"postgresql+psycopg://ufseg@127.0.0.1:{port}/postgres"

    def empty_database(self) -> str:
        """The URL of a new, empty schema."""
        import psycopg

        name = f"w{secrets.token_hex(6)}"
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")  # type: ignore[arg-type]
        return f"{self.url}?options=-csearch_path%3D{name}"


@contextmanager
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Start a server; skips the test where its programs are absent."""
    pytest.importorskip("psycopg", reason='psycopg is not installed; pip install "ufseg[postgresql]"')
    initdb = _program("initdb")
    scratch = Path(tempfile.mkdtemp(prefix="ufseg-postgresql-"))
    try:
        data = scratch / "data"
        user: list[str] = []
        if os.geteuid() == 0:  # which the server refuses to be
            name = _unprivileged()
            shutil.chown(scratch, name)
            user = ["runuser", "-u", name, "--"]
        _run([*user, str(initdb), "-D", str(data), "-U", "ufseg", "-A", "trust", "-E", "UTF8", "--locale=C"], scratch)
        port = _free_port()
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={scratch} -c jit=off"
        control = [*user, str(initdb.with_name("pg_ctl")), "-D", str(data), "-w"]
        _run([*control, "-l", str(scratch / "log"), "-o", options, "start"], scratch)
        try:
            yield PostgresqlServer(port)
        finally:
            _run([*control, "-m", "immediate", "stop"], scratch)
    finally:
        shutil.rmtree(scratch)


def _program(name: str) -> Path:
    found = shutil.which(name)
    candidates = [Path(found).resolve()] if found else []
    for place in _PLACES:
        candidates += sorted(Path("/").glob(f"{place[1:]}/{name}"))
    if not candidates:
        pytest.skip(f"PostgreSQL's {name} is not here; on Debian: apt-get install postgresql")
    return candidates[-1]


def _unprivileged() -> str:
    import pwd  # not on Windows

    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.skip("PostgreSQL refuses to run as root, and there is no other user here")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: Sequence[str], folder: Path) -> None:
    # Not into a pipe: the server inherits it, and reading would go on until the server ends.
    with (folder / "output").open("a+") as output:
        done = subprocess.run(command, stdout=output, stderr=output, cwd=folder, check=False, timeout=120)
        output.seek(0)
        assert done.returncode == 0, output.read()

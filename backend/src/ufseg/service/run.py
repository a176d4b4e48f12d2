"""Starting and ending the service."""

from __future__ import annotations

import importlib
import json
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TextIO

import uvicorn

from ufseg._version import __version__
from ufseg.engine.engine import Engine
from ufseg.errors import InputError
from ufseg.service.app import create_app
from ufseg.service.logs import start_logging
from ufseg.service.spool import Spool
from ufseg.workspace.workspace import Workspace

_log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
_GRACE_SECONDS = 2
_KEEP_ALIVE_SECONDS = 120


def serve(
    workspace: Path,
    device: str = "auto",
    port: int = 0,
    model_folders: Sequence[Path] = (),
    database: str | None = None,
) -> None:
    """Serve a workspace on loopback until standard input ends, or until SIGINT or SIGTERM.

    The first and only line on standard output is JSON with url, token, version, pid and spool, the folder for files by
    reference.

    Args:
        workspace: folder, made if absent.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        port: 0 takes a free one.
        model_folders: folders of finished models that can be installed by name, beside the usual places.
        database: URL of a PostgreSQL database for the records of a new workspace; see `Workspace`.

    Raises:
        ConflictError: another process runs this workspace's jobs.
        StorageError: the workspace cannot be used.
        InputError: the port is taken.
    """
    answers = _reserve_stdout()
    for ending in (signal.SIGINT, signal.SIGTERM):
        # Once uvicorn has shut down it hands the signal on; leaving by SystemExit ends jobs and workers in order.
        signal.signal(ending, lambda number, frame: sys.exit(0))
    with Workspace(workspace.expanduser(), database) as opened:
        start_logging(opened.folder)
        listening = _listen(port)
        actual = listening.getsockname()[1]
        with Engine(opened, device, warm=True, resume=True) as engine, closing(Spool()) as spool:
            token = secrets.token_urlsafe(32)
            hosts = [f"{ADDRESS}:{actual}", f"localhost:{actual}"]
            app = create_app(opened, engine, token, hosts, model_folders=model_folders, spool=spool)
            server = uvicorn.Server(
                uvicorn.Config(
                    app,
                    http="httptools",
                    loop="asyncio",
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    timeout_graceful_shutdown=_GRACE_SECONDS,
                    timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                )
            )

            def end() -> None:
                _log.info("standard input has ended, and so does the service")
                # First the jobs, so that requests that wait for one get their answer.
                engine.close()
                server.should_exit = True

            threading.Thread(target=_when_stdin_ends, args=(end,), daemon=True, name="stdin").start()
            threading.Thread(target=_load_slow_libraries, daemon=True, name="loading").start()
            hello = {"url": f"http://{ADDRESS}:{actual}", "token": token, "version": __version__, "pid": os.getpid()}
            hello["spool"] = str(spool.folder)
            print(json.dumps(hello), file=answers, flush=True)
            _log.info("ufseg %s serves %s on port %d", __version__, opened.folder, actual)
            server.run(sockets=[listening])


def _reserve_stdout() -> TextIO:
    """Standard output for our one line; whatever else is printed, by Python or C code, goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _listen(port: int) -> socket.socket:
    """A listening socket: a client that reads the start line can connect at once."""
    # With the protocol named, asyncio turns Nagle's algorithm off; else every answer would wait 40 ms for an
    # acknowledgement between its header and its body.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # on Windows this would let two programs share the port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((ADDRESS, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise InputError(
            f"The port {port} of {ADDRESS} cannot be used ({error.strerror}). Choose another one, or 0 for a free one."
        ) from error
    return listening


def _when_stdin_ends(end: Callable[[], None]) -> None:
    try:
        while os.read(0, 65536):
            pass
    except OSError as error:  # there is no standard input, so it has ended
        _log.info("standard input cannot be read: %s", error.strerror)
    end()


def _load_slow_libraries() -> None:
    """Import now what requests need later, so that none of them waits, nor `/health` for them."""
    for name in ("ufseg.images.summary", "ufseg.images.writing", "ufseg.evaluation.gate", "scipy.stats"):
        importlib.import_module(name)

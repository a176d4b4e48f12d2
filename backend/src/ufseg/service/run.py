"""Starting and ending the service."""

from __future__ import annotations

import asyncio
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
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Literal, TextIO

import uvicorn
from anyio.to_thread import current_default_thread_limiter

from ufseg._version import __version__
from ufseg.engine.engine import Engine
from ufseg.service.app import MAX_FILE_BYTES, create_app
from ufseg.service.connections import BoundedConnection
from ufseg.service.job_log import JobLog
from ufseg.service.left_behind import FINISH_TRAININGS, LeftBehind
from ufseg.service.listening import LOOPBACK, bracketed, host_headers, listen, own_names, require_protection
from ufseg.service.logs import start_logging
from ufseg.service.resuming import Resumable
from ufseg.service.spool import Spool
from ufseg.service.tls import Tls, generated_certificate
from ufseg.service.uploads import Uploads
from ufseg.workspace.disk import others_may_enter
from ufseg.workspace.workspace import Workspace

_log = logging.getLogger(__name__)

_GRACE_SECONDS = 2
_KEEP_ALIVE_SECONDS = 120
_THREADS = 8
_SWITCH_SECONDS = 0.0005
_LAST_BYTES = 256
_CLEANING_SECONDS = 600.0


def serve(
    workspace: Path,
    device: str = "auto",
    port: int = 0,
    model_folders: Sequence[Path] = (),
    database: str | None = None,
    host: str = LOOPBACK,
    tls: Tls | Literal["generate"] | None = None,
    allowed_hosts: Sequence[str] = (),
    max_file_bytes: int = MAX_FILE_BYTES,
    warm: bool = True,
    unattended: bool = False,
) -> None:
    """Serve a workspace until standard input ends, or until SIGINT or SIGTERM.

    If the last line of standard input was ``finish trainings``, trainings under way are finished first; see
    `ufseg.service.left_behind`.

    The first and only line on standard output is JSON with url, token, version, pid; on loopback also spool, the folder
    for files by reference; with TLS also fingerprint, the SHA-256 of the certificate.

    Args:
        workspace: folder, made if absent.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        port: 0 takes a free one.
        model_folders: folders of finished models that can be installed by name, beside the usual places.
        database: URL of a PostgreSQL database for the records of a new workspace; see `Workspace`.
        host: address to listen on; one that other computers reach needs `tls`.
        tls: a certificate, or ``"generate"`` for a self-signed one that is kept in the workspace's folder ``tls``.
        allowed_hosts: further names by which clients may call the service.
        max_file_bytes: largest file that may be uploaded.
        warm: start the worker of predictions at once instead of with the first one; see `Engine`.
        unattended: a service manager runs it: standard input is not looked at, and no token is printed, for standard
            output would bring it into a log.

    Raises:
        ConflictError: another process runs this workspace's jobs.
        StorageError: the workspace cannot be used.
        InputError: the port is taken, or other computers could reach the service without TLS.
    """
    require_protection(host, tls is not None)
    names = own_names(host, allowed_hosts)
    answers = _reserve_stdout()
    for ending in (signal.SIGINT, signal.SIGTERM):
        # Once uvicorn has shut down it hands the signal on; leaving by SystemExit ends jobs and workers in order.
        signal.signal(ending, lambda number, frame: sys.exit(0))
    with Workspace(workspace.expanduser(), database) as opened:
        start_logging(opened.folder)
        if others_may_enter(opened.folder):
            _log.warning("every user of this computer may look into %s; keep them out: chmod 700", opened.folder)
        used = generated_certificate(opened.folder / "tls", names) if tls == "generate" else tls
        listening = listen(host, port)
        actual = listening.getsockname()[1]
        with Engine(opened, device, warm=warm, resume=True) as engine, _spool(host) as spool:
            token = secrets.token_urlsafe(32)
            JobLog(engine)
            left = LeftBehind(engine, opened.folder)
            left.remove_address()
            resumable = Resumable(opened, Uploads(opened, spool, max_file_bytes), max_file_bytes)
            app = create_app(
                opened,
                engine,
                token,
                host_headers(names, actual, tls=used is not None),
                max_file_bytes=max_file_bytes,
                model_folders=model_folders,
                spool=spool,
                asked=left.asked,
                resumable=resumable,
            )
            server = uvicorn.Server(
                uvicorn.Config(
                    app,
                    http=BoundedConnection,
                    loop="asyncio",
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    timeout_graceful_shutdown=_GRACE_SECONDS,
                    timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                    ssl_certfile=None if used is None else used.certificate,
                    ssl_keyfile=None if used is None else used.key,
                )
            )

            def end(last_line: bytes) -> None:
                if last_line == FINISH_TRAININGS:
                    _stay(left, hello, server)
                _log.info("standard input has ended, and so does the service")
                # First the jobs, so that requests that wait for one get their answer.
                engine.close()
                server.should_exit = True

            if not unattended:
                threading.Thread(target=_when_stdin_ends, args=(end,), daemon=True, name="stdin").start()
            threading.Thread(target=_load_slow_libraries, daemon=True, name="loading").start()
            ended = threading.Event()
            threading.Thread(target=clean_up, args=(resumable, ended), daemon=True, name="cleaning").start()
            url = f"{'http' if used is None else 'https'}://{bracketed(names[0])}:{actual}"
            hello: dict[str, object] = {"url": url, "token": token, "version": __version__, "pid": os.getpid()}
            if unattended:
                del hello["token"]
            hello |= {} if spool is None else {"spool": str(spool.folder)}
            if used is not None:
                hello["fingerprint"] = used.fingerprint
                _log.info("the certificate's SHA-256 fingerprint is %s", used.fingerprint)
            print(json.dumps(hello), file=answers, flush=True)
            _log.info("ufseg %s serves %s on %s port %d", __version__, opened.folder, host, actual)
            try:
                asyncio.run(_serve(server, listening))
            finally:
                ended.set()


def _spool(host: str) -> AbstractContextManager[Spool | None]:
    """A folder for files by reference, where only programs of this computer reach the service."""
    return closing(Spool()) if host == LOOPBACK else nullcontext()


def _reserve_stdout() -> TextIO:
    """Standard output for our one line; whatever else is printed, by Python or C code, goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


async def _serve(server: uvicorn.Server, listening: socket.socket) -> None:
    # `/health` and long polls are answered by this thread. It must not wait long for the interpreter while dozens of
    # others, which read and write the workspace, want it too.
    sys.setswitchinterval(_SWITCH_SECONDS)
    current_default_thread_limiter().total_tokens = _THREADS
    await server.serve(sockets=[listening])


def _when_stdin_ends(end: Callable[[bytes], None]) -> None:
    said = b""
    try:
        while piece := os.read(0, 65536):
            said = (said + piece)[-_LAST_BYTES:]
    except OSError as error:  # there is no standard input, so it has ended
        _log.info("standard input cannot be read: %s", error.strerror)
    end(said.rstrip(b"\r\n").rpartition(b"\n")[2])


def _stay(left: LeftBehind, hello: dict[str, object], server: uvicorn.Server) -> None:
    try:
        left.stay(hello, lambda: server.should_exit)
        left.remove_address()
    except OSError as error:  # nobody could find it, so it ends; trainings go on at the next start
        _log.warning("the address cannot be left in the workspace: %s", error.strerror)


def clean_up(resumable: Resumable, ended: threading.Event, seconds: float = _CLEANING_SECONDS) -> None:
    """Remove abandoned uploads every `seconds` until `ended` is set."""
    while not ended.wait(seconds):
        try:
            if count := resumable.discard_abandoned():
                _log.info("%d abandoned uploads were removed", count)
        except OSError as error:  # a disk that is gone or read-only now may come back
            _log.warning("abandoned uploads cannot be removed: %s", error.strerror)


def _load_slow_libraries() -> None:
    """Import now what requests need later, so that none of them waits, nor `/health` for them."""
    for name in ("ufseg.images.summary", "ufseg.images.writing", "ufseg.evaluation.gate", "scipy.stats"):
        importlib.import_module(name)

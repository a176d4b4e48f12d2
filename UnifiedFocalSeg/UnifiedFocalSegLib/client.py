"""The backend's HTTP interface as methods. May be called from any thread; touches neither MRML nor Qt."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from .errors import BackendError
from .nrrd import Body
from .spool import collect, hand_over
from .translation import tr as _
from .trust import LOOPBACK, Trust

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 30.0
_FILE_SECONDS = 300.0

Json = dict[str, Any]


class BackendClient:
    """Typed calls to one backend.

    Args:
        url: the backend's address, such as ``http://127.0.0.1:40312``.
        token: its secret, sent with every request.
        trust: what its certificate is compared with, for a backend on another computer.

    Raises (all methods):
        BackendError: the backend's own sentence if it refuses, or that it does not answer.
    """

    def __init__(self, url: str, token: str, trust: Trust | None = None) -> None:
        self.url = url.rstrip("/")
        self._token, self._trust = token, trust or Trust()
        self._local = threading.local()
        self._is_local = urlsplit(self.url).hostname in LOOPBACK
        self._spool_folder: Path | None = None
        self._spool_known = False

    def health(self) -> Json:
        """Status, version, device (None until probed) and number of running jobs."""
        return self._json("GET", "/health")

    def tasks(self) -> list[Json]:
        """All tasks."""
        return self._json("GET", "/tasks")

    def task(self, task: str) -> Json:
        """One task by its id."""
        return self._json("GET", f"/tasks/{task}")

    def create_task(self, name: str, modality: str, channels: list[str], classes: list[Json], **options: Any) -> Json:
        """A new task; `options`: ``validation_fraction``."""
        return self._json(
            "POST", "/tasks", {"name": name, "modality": modality, "channels": channels, "classes": classes, **options}
        )

    def add_class(self, task: str, entry: Json) -> Json:
        """The task with one more class ``{name, value?, color?, terminology?}``."""
        return self._json("POST", f"/tasks/{task}/classes", entry)

    def upload(self, body: Body) -> str:
        """Store an image unless the backend has it already; returns its SHA-256.

        It may still be on its way to the disk; a case or revision that names it is answered once it is there. On one
        machine it is handed over in the backend's spool folder, otherwise sent.
        """
        folder = self._spool()
        handed_over = None if folder is None else hand_over(body, folder)
        if handed_over is not None:
            name, digest = handed_over
            return self._json("POST", "/files/by-reference?durable=false", {"name": name, "sha256": digest})["sha256"]
        digest = body.sha256()
        if self._request("HEAD", f"/files/{digest}", accept=(404,)).status_code != 404:
            return digest
        headers = {"Content-Type": "application/octet-stream"}
        answer = self._request("POST", "/files?durable=false", data=body, headers=headers, seconds=_FILE_SECONDS)
        stored = self._decoded(answer)["sha256"]
        if stored != digest:  # the scene's own memory is sent, without a copy
            raise BackendError(_("The volume was changed while it was sent. Try again."), "InputError", 409)
        return stored

    def download(self, sha256: str) -> bytes:
        """Bytes of a stored file."""
        folder = self._spool()
        if folder is not None:
            lent = self._json("POST", f"/files/{sha256}/by-reference")
            content = collect(folder, str(lent["name"]))
            if content is not None:
                return content
        return self._request("GET", f"/files/{sha256}", seconds=_FILE_SECONDS).content

    def _spool(self) -> Path | None:
        """The folder for files by reference; None for a backend elsewhere, or one that has none."""
        if self._is_local and not self._spool_known:
            answer = self._request("GET", "/spool", accept=(404,))
            folder = self._decoded(answer).get("folder") if answer.ok else None
            # A tunnel may make a backend elsewhere look like a local one.
            self._spool_folder = Path(folder) if folder and os.access(folder, os.R_OK | os.W_OK | os.X_OK) else None
            self._spool_known = True
        return self._spool_folder

    def cases(self, task: str) -> list[Json]:
        """Cases of a task."""
        return self._json("GET", f"/tasks/{task}/cases")

    def case(self, case: str) -> Json:
        """One case by its id."""
        return self._json("GET", f"/cases/{case}")

    def add_case(self, task: str, name: str, subject: str, images: list[str]) -> Json:
        """The case of these images: a new one, or the task's existing one with the same images."""
        return self._json("POST", f"/tasks/{task}/cases", {"name": name, "subject": subject, "images": images})

    def revisions(self, case: str) -> list[Json]:
        """Label revisions of a case, oldest first."""
        return self._json("GET", f"/cases/{case}/revisions")

    def diff(self, revision: str) -> Json:
        """What a revision changed in its parent: voxels, their box, and Dice of each class."""
        return self._json("GET", f"/revisions/{revision}/diff")

    def add_revision(self, case: str, revision: Json) -> Json:
        """Append a label revision: label, classes, author, origin.

        Optionally note, parent, model_version, region, patch; see the service's ``RevisionRequest``.
        """
        return self._json("POST", f"/cases/{case}/revisions", revision)

    def predict(self, task: str, case: str, model_version: str | None = None) -> Json:
        """Queue the segmentation of a case; returns the job."""
        request = {"case": case} if model_version is None else {"case": case, "model_version": model_version}
        return self._json("POST", f"/tasks/{task}/predictions", request)

    def train(self, task: str, request: Json) -> Json:
        """Queue a training; returns the job."""
        return self._json("POST", f"/tasks/{task}/trainings", request)

    def jobs(self, task: str | None = None) -> list[Json]:
        """Jobs, of one task or of all."""
        return self._json("GET", "/jobs" if task is None else f"/jobs?task={task}")

    def job(self, job: str, wait_seconds: float = 0.0, after: int | None = None) -> Json:
        """One job with its progress, and its result or error once it has ended.

        With `after`, a job's version, the answer comes when the job has changed since, or after `wait_seconds`.
        """
        query = "" if after is None else f"?wait={wait_seconds}&after={after}"
        return self._json("GET", f"/jobs/{job}{query}")

    def cancel_job(self, job: str) -> Json:
        """Ask a job to stop; returns the job."""
        return self._json("POST", f"/jobs/{job}/cancel")

    def available_models(self) -> Json:
        """Finished models that can be installed, under ``models``, and sentences about unreadable ones."""
        return self._json("GET", "/models/available")

    def install_model(self, name: str, task: str | None = None, author: str = "") -> Json:
        """Make a task of a finished model; returns task, model_version, whether it is new, and a message."""
        body = {"name": name, "author": author} | ({} if task is None else {"task": task})
        return self._json("POST", "/models/install", body)

    def models(self, task: str) -> list[Json]:
        """Model versions of a task."""
        return self._json("GET", f"/tasks/{task}/models")

    def model(self, model: str) -> Json:
        """One model version by its id."""
        return self._json("GET", f"/models/{model}")

    def promotions(self, task: str) -> list[Json]:
        """The log of which model version was put into use when, why and by whom."""
        return self._json("GET", f"/tasks/{task}/promotions")

    def promote(self, task: str, model_version: str, reason: str, author: str) -> Json:
        """Put a model version into use."""
        body = {"model_version": model_version, "reason": reason, "author": author}
        return self._json("POST", f"/tasks/{task}/promotions", body)

    def rollback(self, task: str, reason: str, author: str) -> Json:
        """Put the previously used model version back into use."""
        return self._json("POST", f"/tasks/{task}/rollback", {"reason": reason, "author": author})

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        return self._decoded(self._request(method, path, json=body))

    def _decoded(self, answer: requests.Response) -> Any:
        try:
            return answer.json()
        except requests.exceptions.JSONDecodeError as error:
            raise BackendError(
                _(
                    "{url} answered, but not as a UnifiedFocalSeg backend does. Check the address and the version."
                ).format(url=self.url)
            ) from error

    def _request(
        self, method: str, path: str, *, accept: tuple[int, ...] = (), seconds: float = _ANSWER_SECONDS, **options: Any
    ) -> requests.Response:
        try:
            answer = self._session().request(
                method,
                self.url + path,
                timeout=(_CONNECT_SECONDS, seconds),
                verify=self._trust.verify,
                **options,
            )
        except requests.exceptions.Timeout as error:
            raise BackendError(
                _(
                    "The backend at {url} did not answer {method} {path} within {seconds:.0f} s. "
                    "It may be overloaded; try again, or restart it."
                ).format(url=self.url, method=method, path=path, seconds=seconds)
            ) from error
        except requests.exceptions.SSLError as error:
            raise self._trust.refusal(self.url) from error
        except requests.exceptions.RequestException as error:
            raise BackendError(
                _("The backend at {url} cannot be reached. Start it again; what it has acknowledged is saved.").format(
                    url=self.url
                )
            ) from error
        if answer.ok or answer.status_code in accept:
            return answer
        raise _refusal(answer, method, path)

    def _session(self) -> requests.Session:
        """One session for each thread, because sessions are not safe to share."""
        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.auth = self._authorise  # as a mere header it would give way to an entry in ~/.netrc
            # A proxy of the hospital's network must not see what goes to this machine.
            session.trust_env = not self._is_local
            self._trust.apply(session)
        return session

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _refusal(answer: requests.Response, method: str, path: str) -> BackendError:
    """The backend's own sentence, or at least what was asked and the HTTP status."""
    try:
        error = answer.json()["error"]
        return BackendError(str(error["message"]), str(error["type"]), answer.status_code)
    except (ValueError, KeyError, TypeError):
        words = _("The backend refused {method} {path} with HTTP status {status}.").format(
            method=method, path=path, status=answer.status_code
        )
        return BackendError(words, "HTTPError", answer.status_code)

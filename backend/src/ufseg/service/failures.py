"""Every failure as JSON with a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ufseg.errors import BusyError, UfsegError

_TYPES = {
    401: "AuthenticationError",
    403: "PermissionError",
    404: "NotFoundError",
    405: "MethodNotAllowedError",
    413: "TooLargeError",
    421: "HostError",
}


def failure(status: int, kind: str, message: str) -> JSONResponse:
    """The answer of a failed request."""
    return JSONResponse({"error": {"type": kind, "message": message}}, status)


def install(app: FastAPI) -> None:
    """Answer all errors of `app` in one form."""
    app.add_exception_handler(UfsegError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unknown)


def known_failure(error: UfsegError) -> JSONResponse:
    """The answer that one of this package's errors becomes."""
    answer = failure(error.status, type(error).__name__, str(error))
    if isinstance(error, BusyError):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _known(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, UfsegError):
        return _unknown(request, error)
    return known_failure(error)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    return failure(
        422, "ValidationError", f"The request cannot be used: {_sentence(problems)} Correct it and send it again."
    )


def _sentence(problems: Sequence[dict[str, Any]]) -> str:
    parts = []
    for problem in problems[:5]:
        where = ".".join(str(part) for part in problem["loc"] if part not in ("body", "query", "path"))
        text = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
        parts.append(f"{where}: {text}" if where else text)
    more = f" (and {len(problems) - 5} more problems)" if len(problems) > 5 else ""
    return "; ".join(parts) + more + "."


def _http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else ""
    if status == 400:  # FastAPI's word for a body that is not even text
        return failure(422, "ValidationError", "The body is no JSON in UTF-8. Correct it and send it again.")
    if status in (404, 405):
        detail = f"There is nothing at {request.method} {request.url.path}. See /openapi.json for what there is."
    return failure(status, _TYPES.get(status, "HTTPError"), detail)


def _unknown(request: Request, error: Exception) -> JSONResponse:
    # The server logs the traceback after this answer.
    return failure(
        500, "InternalError", "An error within ufseg. Nothing was changed; report it with the workspace's logs."
    )

"""What the OpenAPI document says beyond what the code itself does: examples and roles."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from ufseg.service.examples import EXAMPLES
from ufseg.service.roles import roles_of

_METHODS = frozenset({"get", "head", "post", "put", "patch", "delete"})


def document(app: FastAPI) -> None:
    """Complete the document that `app` serves."""
    plain = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(plain())
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]


def _completed(found: dict[str, Any]) -> dict[str, Any]:
    schemas = found["components"]["schemas"]
    # FastAPI names its own form of validation errors, which `ufseg.service.failures` replaces.
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for name, example in EXAMPLES.items():
        if name in schemas:
            schemas[name]["examples"] = [example]
    for path, item in found["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                roles = roles_of(method.upper(), path)
                operation["x-roles"] = roles
                text = operation.get("description", "")
                operation["description"] = f"{text}\n\nRoles: {', '.join(roles)}.".strip()
                for status, answer in operation["responses"].items():
                    _correct_streams(status, answer.get("content", {}))
    return found


def _correct_streams(status: str, content: dict[str, Any]) -> None:
    """What FastAPI writes of an endpoint that answers with events: errors in their form, and events as one string."""
    kind = "text/event-stream"
    if kind not in content:
        return
    if status >= "400":
        content["application/json"] = content.pop(kind)
    else:
        # Readers of the document disagree whether the schema is that of the stream or of one event.
        content[kind].pop("schema", None)

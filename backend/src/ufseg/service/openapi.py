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
    return found

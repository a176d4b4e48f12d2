"""What each role may ask for. What is not listed here is the maintainer's."""

from __future__ import annotations

import re

from ufseg.workspace.records import Role

_READING = ("GET", "HEAD")
_MAINTAINERS_READING = re.compile(r"/(audit|metrics)")
_ANNOTATORS_WRITING = (
    ("POST", re.compile(r"/files(/.+)?")),
    ("POST", re.compile(r"/uploads")),
    ("PATCH", re.compile(r"/uploads/[^/]+")),
    ("POST", re.compile(r"/tasks/[^/]+/cases")),
    ("POST", re.compile(r"/tasks/[^/]+/predictions")),
    ("POST", re.compile(r"/cases/[^/]+/(revisions|restore)")),
    ("POST", re.compile(r"/jobs/[^/]+/cancel")),  # of predictions only, which the endpoint sees to
)
_OF_METRICS = re.compile(r"/(metrics|health)")


def may(role: Role, method: str, path: str) -> bool:
    """Whether a role may do so.

    Args:
        role: of the token.
        method: of HTTP, in capitals.
        path: of the request, or its template in the OpenAPI document.
    """
    if role == "maintainer":
        return True
    if role == "metrics":
        return method in _READING and _OF_METRICS.fullmatch(path) is not None
    if method in _READING:
        return _MAINTAINERS_READING.fullmatch(path) is None
    return any(method == m and pattern.fullmatch(path) is not None for m, pattern in _ANNOTATORS_WRITING)


def roles_of(method: str, path: str) -> list[Role]:
    """The roles that may do so."""
    every: tuple[Role, ...] = ("annotator", "maintainer", "metrics")
    return [role for role in every if may(role, method, path)]

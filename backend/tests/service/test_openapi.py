"""The OpenAPI document: what it promises holds, and everything in it has an example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openapi_fuzzing import existing_ids, fuzz, start
from pydantic import BaseModel
from service_process import Json, ServiceProcess

from ufseg.engine import requests as engine_requests
from ufseg.evaluation import rule
from ufseg.service import file_routes, finished_routes, resuming, schemas
from ufseg.service.examples import EXAMPLES
from ufseg.workspace import records, revisions

MODULES = (schemas, rule, file_routes, resuming, finished_routes, engine_requests, revisions, records)


def test_a_few_hundred_made_up_requests_get_documented_answers_below_500(tmp_path: Path) -> None:
    """The long form is ``benchmarks/openapi_fuzz.py``."""
    with start(tmp_path) as service:
        report = fuzz(service, 10, "examples,fuzzing", existing_ids(service))
        assert service.get("/health")["status"] == "ok"
    assert report.passed, report.output
    assert report.cases >= 200, report.output


def _resolved(document: Json, schema: Json) -> Json:
    """A schema, or the one of an array's items, with its reference followed."""
    schema = schema.get("items", schema)
    name = schema.get("$ref", "").rpartition("/")[2]
    return dict(document["components"]["schemas"][name]) if name else schema


def test_every_body_and_answer_has_an_example(service: ServiceProcess) -> None:
    document = service.get("/openapi.json")
    lacking = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            parts = {"body": operation.get("requestBody", {})} | operation["responses"]
            for status, part in parts.items():
                for kind, content in part.get("content", {}).items():
                    if kind == "application/octet-stream":
                        continue
                    if "example" not in content and "examples" not in _resolved(document, content.get("schema", {})):
                        lacking.append(f"{method} {path} {status}")
    assert lacking == []


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_every_example_is_valid(name: str) -> None:
    model: Any = next(getattr(module, name) for module in MODULES if hasattr(module, name))
    assert issubclass(model, BaseModel)
    model.model_validate(EXAMPLES[name])


def test_the_document_says_who_may_what(service: ServiceProcess) -> None:
    paths = service.get("/openapi.json")["paths"]
    assert paths["/tasks/{task}/promotions"]["post"]["x-roles"] == ["maintainer"]
    assert paths["/cases/{case}/revisions"]["post"]["x-roles"] == ["annotator", "maintainer"]
    assert paths["/metrics"]["get"]["x-roles"] == ["maintainer", "metrics"]
    assert all("Roles: " in o["description"] for item in paths.values() for o in item.values())

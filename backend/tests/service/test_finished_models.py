"""Finished models installed over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from service_process import ServiceProcess
from tiny_models import write_squares_model
from workspace_samples import CLASSES


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of finished models; beside it, outside, another model."""
    folder = tmp_path_factory.mktemp("finished") / "models"
    write_squares_model(folder / "squares")
    (folder / "broken").mkdir()
    (folder / "broken" / "model.json").write_text("{}", encoding="utf-8")
    (folder / "broken" / "weights.safetensors").write_bytes(b"")
    write_squares_model(folder.parent / "outside")
    return folder


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path_factory.mktemp("serving") / "workspace", "--models", str(models)) as running:
        yield running


def test_what_is_available(serving: ServiceProcess) -> None:
    answer = serving.get("/models/available")
    squares = next(model for model in answer["models"] if model["name"] == "squares")
    assert (squares["task"], squares["modality"], squares["channels"]) == ("Squares", "other", ["image"])
    assert [(c["value"], c["name"]) for c in squares["classes"]] == [(e.value, e.name) for e in CLASSES.entries]
    assert squares["scores"]["mean"] == 0.75
    assert squares["size_bytes"] > 1000
    assert [p for p in answer["problems"] if "broken" in p]


def test_installed_once(serving: ServiceProcess) -> None:
    request = {"name": "squares", "task": "By one click", "author": "reader"}
    first = serving.answer("POST", "/models/install", json=request)
    assert first.status_code == 201, first.text
    done = first.json()
    assert done["new"]
    assert done["task"]["promoted"] == done["model_version"]["id"]
    assert (done["model_version"]["origin"], done["model_version"]["author"]) == ("installed", "reader")
    again = serving.answer("POST", "/models/install", json=request)
    assert again.status_code == 200
    assert again.json()["model_version"] == done["model_version"]
    assert "Nothing was changed" in again.json()["message"]
    assert len(serving.get(f"/tasks/{done['task']['id']}/models")) == 1


@pytest.mark.parametrize("name", ["../outside", "{outside}", "squares/../../outside", ".", "nothing", "broken"])
def test_only_names_of_available_models_are_installed(serving: ServiceProcess, models: Path, name: str) -> None:
    before = serving.get("/tasks")
    name = name.replace("{outside}", str(models.parent / "outside"))
    message = serving.refused("POST", "/models/install", 404, json={"name": name})
    assert "squares" in message
    assert serving.get("/tasks") == before


def test_a_task_that_means_something_else_refuses_it(serving: ServiceProcess) -> None:
    classes = [{"value": 1, "name": "lesion"}]
    serving.post("/tasks", {"name": "Other", "modality": "other", "channels": ["image"], "classes": classes})
    message = serving.refused("POST", "/models/install", 409, json={"name": "squares", "task": "Other"})
    assert "its class 1 is 'lesion', the model's 'organ'" in message

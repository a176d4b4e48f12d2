"""Files and labels that come over the wire."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from service_process import Json, ServiceProcess, nrrd
from workspace_samples import GRID, sample, subjects

from ufseg.images.geometry import Geometry


def _split(content: bytes) -> tuple[bytes, bytes]:
    head, _, voxels = content.partition(b"\n\n")
    return head, voxels


def _refused(service: ServiceProcess, content: bytes, words: str) -> None:
    assert words in service.refused("POST", "/files", 422, data=content)
    assert list((service.workspace / "incoming").iterdir()) == []
    assert service.answer("HEAD", f"/files/{hashlib.sha256(content).hexdigest()}").status_code == 404


def test_a_file_comes_back_as_it_was(service: ServiceProcess, tmp_path: Path) -> None:
    oblique = Geometry(
        size=(5, 4, 3), spacing=(0.7, 1.1, 2.5), origin=(-3.5, 8.25, 100.0),
        direction=(0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0),
    )  # fmt: skip
    content = nrrd(np.arange(60, dtype=np.int16).reshape(1, 3, 4, 5), tmp_path, oblique)
    answer = service.answer("POST", "/files", data=content).json()
    sha256 = hashlib.sha256(content).hexdigest()
    assert (answer["sha256"], answer["size_bytes"]) == (sha256, len(content))
    assert (answer["channels"], answer["dtype"]) == (1, "int16")
    assert Geometry.model_validate(answer["geometry"]).difference(oblique) is None
    assert service.answer("GET", f"/files/{sha256}").content == content
    head = service.answer("HEAD", f"/files/{sha256}")
    assert head.headers["content-length"] == str(len(content))
    assert head.headers["content-type"] == "application/octet-stream"


def test_a_file_without_a_known_length_is_taken_too(service: ServiceProcess, tmp_path: Path) -> None:
    content = nrrd(sample(70).image, tmp_path)
    answer = service.answer("POST", "/files", data=iter([content[:1000], content[1000:]]))
    assert answer.json()["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_nan_image_is_refused(service: ServiceProcess, tmp_path: Path) -> None:
    image = sample(0).image.copy()
    image[0, 3, 4] = np.nan
    _refused(service, nrrd(image, tmp_path), "The uploaded file holds 1 value that is NaN or infinite")


def test_a_truncated_file_is_refused_with_the_numbers(service: ServiceProcess, tmp_path: Path) -> None:
    content = nrrd(sample(0).image, tmp_path)
    _refused(service, content[:-10], "holds 5110 bytes of voxels, but its header promises 5120")


def test_a_file_with_a_time_axis_is_refused(service: ServiceProcess) -> None:
    head = b"NRRD0004\ntype: uint8\ndimension: 4\nsizes: 2 2 2 2\nencoding: raw\n"
    head += b"space dimension: 4\nspace directions: (1,0,0,0) (0,1,0,0) (0,0,1,0) (0,0,0,1)\n"
    answer = service.answer("POST", "/files", data=head + b"\n" + bytes(16))
    assert answer.status_code == 422, answer.text


def test_a_header_that_points_elsewhere_is_refused(service: ServiceProcess, tmp_path: Path) -> None:
    head, voxels = _split(nrrd(sample(0).image, tmp_path))
    _refused(service, head + b"\ndata file: /etc/passwd\n\n" + voxels, "points to another file")
    _refused(service, head + b"\ndatafile: /etc/passwd\n\n" + voxels, "points to another file")


def test_a_compressed_file_is_refused(service: ServiceProcess, tmp_path: Path) -> None:
    head, voxels = _split(nrrd(sample(0).image, tmp_path))
    squeezed = head.replace(b"encoding: raw", b"encoding: gzip") + b"\n\n" + gzip.compress(voxels)
    _refused(service, squeezed, "'gzip'")


@pytest.mark.parametrize("content", [b"", b"NRRD0004\n", b"not an image", b"\x1f\x8b" + bytes(500)])
def test_what_is_no_image_is_refused(service: ServiceProcess, content: bytes) -> None:
    answer = service.answer("POST", "/files", data=content)
    assert answer.status_code == 422
    assert answer.json()["error"]["type"] == "ImageError"


@pytest.fixture(scope="session")
def case(service: ServiceProcess) -> Json:
    task = service.add_task("labels")
    return service.add_case(task, 30, subjects("training", 1)[0])


def test_a_case_is_made_once(service: ServiceProcess, case: Json) -> None:
    body = {"name": "again", "subject": case["subject"], "images": case["images"]}
    answer = service.answer("POST", f"/tasks/{case['task']}/cases", json=body)
    assert answer.status_code == 200
    assert answer.json()["id"] == case["id"]


def _submission(service: ServiceProcess, content: bytes, classes: Json) -> Json:
    return {"label": service.upload(content), "classes": classes, "author": "reader"}


def test_classes_travel_by_name(service: ServiceProcess, tmp_path: Path) -> None:
    own = service.add_case(service.add_task("by name"), 31, subjects("validation", 1)[0])
    theirs = np.select([sample(31).label == 1, sample(31).label == 3], [2, 1], 0).astype(np.uint8)
    revision = service.submit(own, theirs, classes={"lesion": 1, "organ": 2})
    assert revision["number"] == 1
    stored = service.answer("GET", f"/files/{revision['label']}").content
    np.testing.assert_array_equal(np.frombuffer(_split(stored)[1], np.uint8).reshape(32, 40), sample(31).label)
    assert service.get(f"/cases/{own['id']}")["membership"] == "validation"
    assert service.get(f"/revisions/{revision['id']}") == revision
    assert service.get(f"/cases/{own['id']}/revisions") == [revision]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": (20, 32)}, "size (20, 32) against (40, 32)"),
        ({"spacing": (2.0, 1.0)}, "spacing (2, 1) mm against (1, 1)"),
    ],
)
def test_a_label_on_another_grid_is_refused_with_the_numbers(
    service: ServiceProcess, case: Json, tmp_path: Path, changes: Json, words: str
) -> None:
    grid = GRID.model_copy(update=changes)
    body = _submission(service, nrrd(np.ones((1, *grid.array_shape), np.uint8), tmp_path, grid), {"organ": 1})
    assert words in service.refused("POST", f"/cases/{case['id']}/revisions", 422, json=body)
    assert service.get(f"/cases/{case['id']}/revisions") == []


@pytest.mark.parametrize(
    ("classes", "words"),
    [({"organ": 1, "tumour": 3}, "no class named 'tumour'"), ({"organ": 1}, "[3]"), ({}, "classes")],
)
def test_a_label_with_other_classes_is_refused(
    service: ServiceProcess, case: Json, tmp_path: Path, classes: Json, words: str
) -> None:
    body = _submission(service, nrrd(sample(30).label[np.newaxis], tmp_path), classes)
    assert words in service.refused("POST", f"/cases/{case['id']}/revisions", 422, json=body)
    assert service.get(f"/cases/{case['id']}/revisions") == []
    assert service.get(f"/cases/{case['id']}")["membership"] is None


def test_a_class_is_added_without_touching_the_others(service: ServiceProcess) -> None:
    task = service.add_task("classes")
    added = service.post(f"/tasks/{task['id']}/classes", {"name": "vessel", "color": [255, 0, 0]})
    assert [(e["name"], e["value"]) for e in added["classes"]] == [("organ", 1), ("lesion", 3), ("vessel", 4)]
    assert "never change" in service.refused("POST", f"/tasks/{task['id']}/classes", 422, json={"name": "organ"})


def test_what_has_no_model_or_labels_yet_says_what_to_do(service: ServiceProcess, case: Json) -> None:
    path = f"/tasks/{case['task']}"
    assert "has no model yet. Train one first" in service.refused(
        "POST", f"{path}/predictions", 409, json={"case": case["id"]}
    )
    assert "no labelled training case" in service.refused("POST", f"{path}/trainings", 409, json={})
    assert "no earlier model" in service.refused("POST", f"{path}/rollback", 409, json={"reason": "", "author": "me"})
    assert "'labels' already" in service.refused(
        "POST", "/tasks", 409,
        json={"name": "labels", "modality": "CT", "channels": ["a"], "classes": [{"value": 1, "name": "o"}]},
    )  # fmt: skip

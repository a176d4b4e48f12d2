"""The ways in which files come and go, on a real service."""

from __future__ import annotations

import gzip
import hashlib
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import requests
from service_process import Json, ServiceProcess, nrrd
from workspace_samples import GRID, sample, subjects

from ufseg.images.geometry import Geometry

LIMIT = 16 << 20
SPACE = Geometry(size=(9, 8, 7), spacing=(1, 1, 2), origin=(5, 6, 7), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))


@pytest.fixture(scope="session")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return nrrd(sample(71).image, tmp_path_factory.mktemp("content"))


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(service: ServiceProcess, name: str, content: bytes) -> Path:
    path = Path(service.hello["spool"]) / name
    path.write_bytes(content)
    return path


def _peak_bytes(service: ServiceProcess) -> int:
    """Most memory that the service's process has had, Linux only."""
    status = Path(f"/proc/{service.process.pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


def test_the_spool_folder_is_private_and_goes_with_the_service(tmp_path: Path) -> None:
    with ServiceProcess(tmp_path / "workspace") as service:
        folder = Path(service.hello["spool"])
        assert folder.stat().st_mode & 0o777 == 0o700
        assert service.get("/spool") == {"folder": str(folder)}
        put(service, "left.nrrd", b"data")
    assert not folder.exists()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a disk in memory")
def test_a_killed_services_folder_goes_when_the_next_one_starts(tmp_path: Path) -> None:
    killed = ServiceProcess(tmp_path / "workspace")
    folder = Path(killed.hello["spool"])
    put(killed, "left.nrrd", b"data")
    killed.process.send_signal(signal.SIGKILL)
    killed.process.wait()
    assert folder.exists()
    with ServiceProcess(tmp_path / "workspace"):
        assert not folder.exists()


@pytest.mark.parametrize("durable", ["true", "false"])
def test_a_file_is_taken_by_reference(service: ServiceProcess, tmp_path: Path, durable: str) -> None:
    content = nrrd(sample(72 if durable == "true" else 73).image, tmp_path)
    path = put(service, "image.nrrd", content)
    body = {"name": "image.nrrd", "sha256": sha(content)}
    answer = service.answer("POST", f"/files/by-reference?durable={durable}", json=body)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["sha256"], answer.json()["size_bytes"]) == (sha(content), len(content))
    assert not path.exists()
    assert service.answer("GET", f"/files/{sha(content)}").content == content
    assert list(Path(service.hello["spool"]).iterdir()) == []
    lent = service.post(f"/files/{sha(content)}/by-reference", None)
    assert Path(lent["path"]).read_bytes() == content
    Path(lent["path"]).unlink()


@pytest.mark.parametrize("name", ["../x.nrrd", "/etc/passwd", ".taken-1.nrrd", "a/b.nrrd", "", "x\n", "x.txt"])
def test_a_path_is_no_reference(service: ServiceProcess, name: str) -> None:
    service.refused("POST", "/files/by-reference", 422, json={"name": name})


def test_links_folders_and_absent_files_are_refused(service: ServiceProcess, tmp_path: Path, content: bytes) -> None:
    folder, target = Path(service.hello["spool"]), tmp_path / "secret.nrrd"
    target.write_bytes(content)
    (folder / "soft.nrrd").symlink_to(target)
    os.mkfifo(folder / "pipe.nrrd")
    (folder / "folder.nrrd").mkdir()
    put(service, "first.nrrd", content)
    os.link(folder / "first.nrrd", folder / "hard.nrrd")
    for name in ("soft", "pipe", "folder", "hard"):
        words = service.refused("POST", "/files/by-reference", 422, json={"name": f"{name}.nrrd"})
        assert "not a plain file" in words
    service.refused("POST", "/files/by-reference", 404, json={"name": "absent.nrrd"})
    assert target.read_bytes() == content
    (folder / "first.nrrd").unlink()
    assert list(folder.iterdir()) == []


def test_a_reference_whose_bytes_are_others_is_never_stored(service: ServiceProcess, tmp_path: Path) -> None:
    content = nrrd(sample(74).image, tmp_path)
    wrong = sha(b"other")
    put(service, "image.nrrd", content)
    body = {"name": "image.nrrd", "sha256": wrong}
    assert "changed while it was sent" in service.refused("POST", "/files/by-reference", 422, json=body)
    put(service, "image.nrrd", content)
    assert service.answer("POST", "/files/by-reference?durable=false", json=body).status_code == 201
    task = service.add_task("wrong reference")
    case = {"name": "c", "subject": "s", "images": [wrong]}
    assert "changed while it was sent" in service.refused("POST", f"/tasks/{task['id']}/cases", 422, json=case)
    service.refused("POST", f"/tasks/{task['id']}/cases", 404, json=case)
    assert service.get(f"/tasks/{task['id']}/cases") == []


def test_a_stored_file_that_was_damaged_is_mended_by_its_like(service: ServiceProcess, tmp_path: Path) -> None:
    content = nrrd(sample(79).image, tmp_path)
    hashed = service.upload(content)
    stored = service.workspace / "files" / hashed[:2] / f"{hashed[2:]}.nrrd"
    stored.write_bytes(content[:-1] + b"?")
    put(service, "again.nrrd", content)
    assert service.post("/files/by-reference", {"name": "again.nrrd", "sha256": hashed})["sha256"] == hashed
    assert stored.read_bytes() == content


def test_a_case_of_a_file_that_is_still_on_its_way_waits_for_it(service: ServiceProcess, tmp_path: Path) -> None:
    task = service.add_task("on its way")
    content = nrrd(sample(75).image, tmp_path)
    stored = service.answer("POST", "/files?durable=false", data=content).json()["sha256"]
    case = service.post(f"/tasks/{task['id']}/cases", {"name": "c", "subject": "s", "images": [stored]})
    assert (service.workspace / "files" / stored[:2] / f"{stored[2:]}.nrrd").read_bytes() == content
    assert case["images"] == [stored]


def test_the_checksum_of_a_body_is_compared(service: ServiceProcess, tmp_path: Path) -> None:
    content = nrrd(sample(76).image, tmp_path)
    headers = {"X-Content-SHA256": sha(b"other")}
    assert "changed while it was sent" in service.refused("POST", "/files", 422, data=content, headers=headers)
    assert service.answer("HEAD", f"/files/{sha(content)}").status_code == 404
    headers = {"X-Content-SHA256": sha(content)}
    assert service.answer("POST", "/files", data=content, headers=headers).status_code == 201


def test_a_zstd_body_is_unfolded_and_an_answer_folded(service: ServiceProcess, tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    content = nrrd(np.arange(504, dtype=np.int16).reshape(1, 7, 8, 9), tmp_path, SPACE)
    body = zstandard.ZstdCompressor().compress(content)
    answer = service.answer("POST", "/files", data=body, headers={"Content-Encoding": "zstd"})
    assert answer.json()["sha256"] == sha(content), answer.text
    url = f"{service.url}/files/{sha(content)}"
    headers = dict(service.session.headers) | {"Accept-Encoding": "zstd"}
    with requests.get(url, headers=headers, stream=True, timeout=10) as folded:
        assert folded.headers["Content-Encoding"] == "zstd"
        raw = folded.raw.read(decode_content=False)
    assert zstandard.ZstdDecompressor().decompressobj().decompress(raw) == content


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_broken_zstd_body_is_refused(service: ServiceProcess, tmp_path: Path, cut: int) -> None:
    zstandard = pytest.importorskip("zstandard")
    body = zstandard.ZstdCompressor(write_checksum=True).compress(nrrd(sample(77).image, tmp_path))
    damaged = body[:cut] + bytes([body[cut] ^ 255]) + body[cut + 1 :]
    service.refused("POST", "/files", 422, data=damaged, headers={"Content-Encoding": "zstd"})
    service.refused("POST", "/files", 422, data=body[:-100], headers={"Content-Encoding": "zstd"})
    assert list((service.workspace / "incoming").iterdir()) == []


def test_a_zstd_bomb_is_stopped_at_the_limit(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    head = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2048 2048 512\nencoding: raw\n\n"
    squeezer = zstandard.ZstdCompressor(level=1).compressobj()
    zeros = bytes(1 << 24)
    body = squeezer.compress(head) + b"".join(squeezer.compress(zeros) for _ in range(128)) + squeezer.flush()
    assert len(body) < 1 << 20 < LIMIT < 128 << 24
    with ServiceProcess(tmp_path / "workspace", "--max-file-mib", "16") as small:
        before = _peak_bytes(small)
        words = small.refused("POST", "/files", 413, data=body, headers={"Content-Encoding": "zstd"})
        assert f"at most {LIMIT} are taken" in words
        # Of 2 GiB; the service also loads libraries in the background.
        assert _peak_bytes(small) - before < 256 << 20
        assert list((small.workspace / "incoming").iterdir()) == []


def test_another_encoding_is_refused(service: ServiceProcess, content: bytes) -> None:
    headers = {"Content-Encoding": "gzip"}
    assert "zstd" in service.refused("POST", "/files", 415, data=gzip.compress(content), headers=headers)


def test_an_upload_goes_on_after_the_service_was_killed(tmp_path: Path) -> None:
    content = nrrd(np.arange(504, dtype=np.int16).reshape(1, 7, 8, 9), tmp_path, SPACE)
    service = ServiceProcess(tmp_path / "workspace")
    begun = service.post("/uploads", {"size_bytes": len(content), "sha256": sha(content)})
    path = f"/uploads/{begun['id']}"
    first = service.answer("PATCH", path, data=content[:500], headers={"Upload-Offset": "0"}).json()
    assert (first["offset"], first["file"]) == (500, None)
    service.process.send_signal(signal.SIGKILL)
    service.process.wait()
    with ServiceProcess(tmp_path / "workspace") as again:
        assert again.get(path)["offset"] == 500
        words = again.refused("PATCH", path, 409, data=content[400:], headers={"Upload-Offset": "400"})
        assert "Go on from 500" in words
        words = again.refused("PATCH", path, 422, data=content[500:] + b"x", headers={"Upload-Offset": "500"})
        assert again.get(path)["offset"] == 500
        last = again.answer("PATCH", path, data=content[500:], headers={"Upload-Offset": "500"}).json()
        assert last["file"]["sha256"] == sha(content)
        assert again.answer("GET", f"/files/{sha(content)}").content == content
        again.refused("GET", path, 404)
        assert list((again.workspace / "incoming").iterdir()) == []


def test_an_upload_of_other_bytes_is_refused(service: ServiceProcess, content: bytes) -> None:
    begun = service.post("/uploads", {"size_bytes": len(content), "sha256": sha(b"other")})
    path = f"/uploads/{begun['id']}"
    assert sha(content) in service.refused("PATCH", path, 422, data=content, headers={"Upload-Offset": "0"})
    service.refused("GET", path, 404)
    service.refused("GET", "/uploads/..%2f..%2fetc", 404)
    service.refused("POST", "/uploads", 413, json={"size_bytes": 1 << 50, "sha256": sha(b"")})


def _case(service: ServiceProcess, name: str, folder: Path, number: int) -> Json:
    image = service.upload(nrrd(np.full((1, 7, 8, 9), number, np.int16), folder, SPACE))
    body = {"name": name, "subject": subjects("training", 1)[0], "images": [image]}
    return service.post(f"/tasks/{service.add_task(name)['id']}/cases", body)


def test_a_patch_makes_the_same_label_map_as_sending_it_whole(service: ServiceProcess, tmp_path: Path) -> None:
    case = _case(service, "patched", tmp_path, 1)
    other = _case(service, "whole", tmp_path, 2)
    old = np.zeros((7, 8, 9), np.uint8)
    old[1:4, 2:5, 3:6] = 1
    new = old.copy()
    new[2:5, 3:7, 1:4] = 3
    names = {"classes": {"organ": 1, "lesion": 3}, "author": "reader"}

    def send(whole: np.ndarray, grid: Geometry = SPACE) -> str:
        return service.upload(nrrd(whole[np.newaxis], tmp_path, grid))

    first = service.post(f"/cases/{case['id']}/revisions", names | {"label": send(old)})
    whole = service.post(f"/cases/{other['id']}/revisions", names | {"label": send(new)})
    cut = SPACE.model_copy(update={"size": (3, 4, 3), "origin": tuple(SPACE.position((1, 3, 2)).tolist())})
    label = send(new[2:5, 3:7, 1:4], cut)
    body = names | {"label": label, "parent": first["id"], "patch": {"base": first["label"], "start": [1, 3, 2]}}
    patched = service.post(f"/cases/{case['id']}/revisions", body)
    assert patched["label"] == whole["label"]
    assert (patched["parent"], patched["number"]) == (first["id"], 2)

    url = f"/cases/{case['id']}/revisions"
    for start in ([1, 3, 3], [0, 3, 2]):
        wrong = body | {"patch": {"base": first["label"], "start": start}}
        assert "origin" in service.refused("POST", url, 422, json=wrong)
    outside = body | {"patch": {"base": first["label"], "start": [7, 3, 2]}}
    assert "does not lie in the image" in service.refused("POST", url, 422, json=outside)
    foreign = body | {"patch": {"base": label, "start": [1, 3, 2]}}
    assert "neither that of a revision" in service.refused("POST", url, 422, json=foreign)
    assert len(service.get(url)) == 2


def test_a_patch_of_a_flat_image(service: ServiceProcess) -> None:
    case = service.add_case(service.add_task("flat patches"), 78, subjects("training", 1)[0])
    revision = service.submit(case, sample(78).label)
    part = np.full((2, 3), 3, np.uint8)
    grid = GRID.model_copy(update={"size": (3, 2), "origin": tuple(GRID.position((4, 5)).tolist())})
    label = service.upload(nrrd(part[np.newaxis], service.workspace.parent, grid))
    body = {"label": label, "classes": {"organ": 1, "lesion": 3}, "author": "reader"}
    made = service.post(
        f"/cases/{case['id']}/revisions", body | {"patch": {"base": revision["label"], "start": [4, 5]}}
    )
    expected = sample(78).label.copy()
    expected[5:7, 4:7] = 3
    stored = service.answer("GET", f"/files/{made['label']}").content
    np.testing.assert_array_equal(np.frombuffer(stored.partition(b"\n\n")[2], np.uint8).reshape(32, 40), expected)

"""Images on their way to a real backend and back: through its spool folder, and sent."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def client(slicer_scene, backend):
    """A client of the shared backend."""
    from UnifiedFocalSegLib.client import BackendClient

    return BackendClient(backend.url, backend.token)


def body(seed: int, on_read=None):
    """A volume of voxels that no other seed has."""
    from UnifiedFocalSegLib.geometry import Geometry
    from UnifiedFocalSegLib.nrrd import Body

    grid = Geometry((32, 20, 12), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    array = np.random.default_rng(seed).integers(0, 1000, (12, 20, 32)).astype(np.int16)
    return Body(array, grid, on_read)


def content(of) -> bytes:
    return b"".join(bytes(piece) for piece in of)


def requests_of(client, monkeypatch):
    """The requests that a client makes from now on."""
    seen = []
    original = client._request

    def request(method, path, **options):
        seen.append(f"{method} {path.partition('?')[0]}")
        return original(method, path, **options)

    monkeypatch.setattr(client, "_request", request)
    return seen


def test_a_local_backend_gets_and_gives_by_reference(client, monkeypatch):
    seen = requests_of(client, monkeypatch)
    sha256 = client.upload(body(1))
    assert sha256 == body(1).sha256()
    assert client.download(sha256) == content(body(1))
    assert seen == ["GET /spool", "POST /files/by-reference", f"POST /files/{sha256}/by-reference"]
    assert client.upload(body(1)) == sha256
    assert list(client._spool().iterdir()) == []


@pytest.mark.parametrize("why", ["elsewhere", "gone"])
def test_what_cannot_be_handed_over_is_sent(client, monkeypatch, tmp_path, why):
    if why == "elsewhere":  # as for the address of another machine
        client._is_local = False
    else:
        client._spool_known, client._spool_folder = True, tmp_path / "gone"
    seen = requests_of(client, monkeypatch)
    number = 2 if why == "elsewhere" else 3
    sha256 = client.upload(body(number))
    assert seen == [f"HEAD /files/{sha256}", "POST /files"]
    client._is_local, client._spool_folder = False, None
    assert client.download(sha256) == content(body(number))


def test_an_upload_that_is_stopped_leaves_nothing(client):
    from UnifiedFocalSegLib.errors import OperationCancelled

    def stop(_count):
        raise OperationCancelled("Stopped.")

    with pytest.raises(OperationCancelled):
        client.upload(body(4, stop))
    assert list(client._spool().iterdir()) == []


def test_a_volume_that_changes_while_it_is_handed_over_is_refused(client):
    from UnifiedFocalSegLib.errors import BackendError

    changed = body(5)
    changed.sha256 = lambda: body(6).sha256()
    sha256 = client.upload(changed)
    with pytest.raises(BackendError, match="changed while it was sent"):
        client.download(sha256)

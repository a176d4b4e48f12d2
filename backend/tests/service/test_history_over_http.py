"""Diffs and restored revisions over HTTP."""

from __future__ import annotations

from service_process import ServiceProcess
from workspace_samples import sample


def test_a_diff_is_asked_for_and_an_earlier_revision_put_back(service: ServiceProcess) -> None:
    task = service.add_task("History")
    case, other = (service.add_case(task, number, f"subject {number}") for number in (0, 1))
    first = service.submit(case, sample(0).label)
    second = service.submit(case, sample(1).label, parent=first["id"])
    diff = service.get(f"/revisions/{second['id']}/diff")
    assert (diff["revision"], diff["against"]) == (second["id"], first["id"])
    assert diff["changed"] == int((sample(0).label != sample(1).label).sum())
    assert set(diff["per_class"]) == {"organ", "lesion"}
    assert service.get(f"/revisions/{second['id']}/diff?against={second['id']}")["changed"] == 0
    body = {"revision": first["id"], "author": "chief", "note": "wrong side"}
    assert "another case" in service.refused("POST", f"/cases/{other['id']}/restore", 422, json=body)
    restored = service.post(f"/cases/{case['id']}/restore", body)
    assert (restored["origin"], restored["restored_from"]) == ("restored", first["id"])
    assert service.get(f"/cases/{case['id']}/revisions") == [first, second, restored]
    service.refused("POST", f"/cases/{case['id']}/restore", 409, json=body)
    service.refused("POST", f"/cases/{case['id']}/restore", 404, json=body | {"revision": "nobody"})
    service.refused("GET", "/revisions/nobody/diff", 404)

"""The rule by which a task's gate decides."""

from __future__ import annotations

from service_process import ServiceProcess


def test_a_task_has_a_rule_of_its_own_and_its_history(service: ServiceProcess) -> None:
    task, other = service.add_task("strict"), service.add_task("as always")
    path = f"/tasks/{task['id']}/gate"
    default = {"min_cases": 3, "max_class_drop": 0.02, "max_surface_drop": 0.05, "margin": 0.0, "max_p": None}
    assert service.get(path) == default
    assert service.get(f"{path}/changes") == []
    first = service.post(path, {"min_cases": 8, "author": "me", "note": "few are noisy"})
    second = service.post(path, {"min_cases": 8, "max_surface_drop": None, "author": "you"})
    assert first["rule"] == default | {"min_cases": 8}
    assert service.get(path) == second["rule"] == default | {"min_cases": 8, "max_surface_drop": None}
    assert service.get(f"{path}/changes") == [first, second]
    assert service.get(f"/tasks/{other['id']}/gate") == default
    assert "author" in service.refused("POST", path, 422, json={"min_cases": 8})
    assert "max_class_drop" in service.refused("POST", path, 422, json={"max_class_drop": -1, "author": "me"})
    assert service.get(f"{path}/changes") == [first, second]

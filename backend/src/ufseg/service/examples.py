"""An example of each body and answer in the OpenAPI document."""

from __future__ import annotations

from typing import Any

_WHEN = "2026-03-02T09:30:00Z"
_TASK, _CASE, _REVISION = "3f0c9a7be21d4485", "9b1d2c3e4f506172", "a1b2c3d4e5f60718"
_VERSION, _JOB = "5e4d3c2b1a098f7e", "c0ffee1234567890"
_IMAGE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_LABEL = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
_CLASSES = [
    {"value": 1, "name": "anterior", "color": [255, 170, 0], "terminology": None},
    {"value": 2, "name": "posterior", "color": [0, 120, 255], "terminology": None},
]
_GEOMETRY = {
    "size": [36, 50, 33],
    "spacing": [1.0, 1.0, 1.0],
    "origin": [0.0, 0.0, 0.0],
    "direction": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
}
_PLAN = {
    "dimension": 3,
    "modality": "MRI",
    "spacing": [1.0, 1.0, 1.0],
    "patch_size": [40, 56, 40],
    "batch_size": 2,
    "features": [32, 64, 128],
    "kernel_sizes": [[3, 3, 3], [3, 3, 3], [3, 3, 3]],
    "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
    "normalisation": [{"kind": "z-score"}],
    "classes": 3,
}
_VALIDATION = {"cases": 12, "mean": 0.886, "per_class": {"anterior": 0.891, "posterior": 0.881}}
_PUBLISHED = {"cases": 22, "mean": 0.886, "per_class": {"anterior": 0.891, "posterior": 0.881}}
_JOB_PROGRESS = {"fraction": 0.4, "stage": "training", "eta_seconds": 36.0, "scalars": {"loss": 0.21}}

_TASK_ANSWER: dict[str, Any] = {
    "id": _TASK,
    "name": "Hippocampus MRI",
    "modality": "MRI",
    "channels": ["T1"],
    "classes": _CLASSES,
    "validation_fraction": 0.25,
    "promoted": _VERSION,
    "cases": {"total": 40, "training": 28, "validation": 12, "unlabelled": 0},
    "created": _WHEN,
}
_VERSION_ANSWER: dict[str, Any] = {
    "id": _VERSION,
    "task": _TASK,
    "number": 2,
    "parent": None,
    "weights": _IMAGE,
    "description": _LABEL,
    "plan": _PLAN,
    "classes": _CLASSES,
    "trained_on": [_REVISION],
    "origin": "trained",
    "loss": {"name": "asymmetric-unified-focal", "options": {}},
    "scores": {"validation": _VALIDATION, "published": None},
    "gate": None,
    "notes": [],
    "author": "reader",
    "note": "",
    "status": "promoted",
    "created": _WHEN,
}

EXAMPLES: dict[str, Any] = {
    "TaskRequest": {
        "name": "Hippocampus MRI",
        "modality": "MRI",
        "channels": ["T1"],
        "classes": [{"value": 1, "name": "anterior"}, {"value": 2, "name": "posterior"}],
        "validation_fraction": 0.25,
    },
    "ClassRequest": {"name": "amygdala", "color": [0, 200, 80]},
    "CaseRequest": {"name": "case 7", "subject": "subject 7", "images": [_IMAGE]},
    "RevisionRequest": {
        "label": _LABEL,
        "classes": {"anterior": 1, "posterior": 2},
        "author": "reader",
        "note": "border to the amygdala corrected",
        "origin": "corrected",
        "parent": _REVISION,
        "model_version": _VERSION,
        "region": {"start": [0, 0, 4], "stop": [36, 50, 20]},
    },
    "RestoreRequest": {"revision": _REVISION, "author": "reader", "note": "the first one was right"},
    "PredictionRequest": {"case": _CASE},
    "TrainingRequest": {"budget_seconds": 60, "author": "reader"},
    "PromotionRequest": {"model_version": _VERSION, "reason": "better on small lesions", "author": "reader"},
    "GateRuleRequest": {
        "min_cases": 5,
        "max_class_drop": 0.01,
        "max_surface_drop": 0.05,
        "margin": 0.005,
        "max_p": 0.05,
        "author": "reader",
        "note": "small structures count",
    },
    "GateRule": {"min_cases": 3, "max_class_drop": 0.02, "max_surface_drop": 0.05, "margin": 0.0, "max_p": None},
    "GateRuleChange": {
        "id": 1,
        "task": _TASK,
        "rule": {"min_cases": 5, "max_class_drop": 0.01, "max_surface_drop": 0.05, "margin": 0.0, "max_p": None},
        "author": "reader",
        "note": "small structures count",
        "created": _WHEN,
    },
    "RollbackRequest": {"reason": "misses small lesions", "author": "reader"},
    "InstallRequest": {"name": "hippocampus-mri", "author": "reader"},
    "Health": {
        "status": "ok",
        "version": "0.1.0",
        "device": {"name": "NVIDIA H100", "kind": "cuda", "note": None},
        "running_jobs": 1,
    },
    "FileRecord": {
        "sha256": _IMAGE,
        "size_bytes": 118_972,
        "channels": 1,
        "dtype": "int16",
        "geometry": _GEOMETRY,
    },
    "Task": _TASK_ANSWER,
    "Case": {
        "id": _CASE,
        "task": _TASK,
        "name": "case 7",
        "subject": "subject 7",
        "images": [_IMAGE],
        "geometry": _GEOMETRY,
        "membership": "training",
        "revisions": 1,
        "created": _WHEN,
    },
    "LabelRevision": {
        "id": _REVISION,
        "case": _CASE,
        "number": 1,
        "label": _LABEL,
        "classes": {"anterior": 1, "posterior": 2},
        "author": "reader",
        "note": "",
        "origin": "manual",
        "parent": None,
        "model_version": None,
        "region": None,
        "restored_from": None,
        "created": _WHEN,
    },
    "RevisionDiff": {
        "revision": _REVISION,
        "against": None,
        "changed": 5,
        "region": {"start": [3, 4, 5], "stop": [4, 5, 10]},
        "per_class": {"anterior": {"voxels": 5, "before": 0, "added": 5, "removed": 0, "dice": 0.0}},
    },
    "Job": {
        "id": _JOB,
        "task": _TASK,
        "kind": "training",
        "state": "running",
        "progress": _JOB_PROGRESS,
        "request": {"budget_seconds": 60, "author": "reader"},
        "result": None,
        "error": None,
        "created": _WHEN,
        "started": _WHEN,
        "finished": None,
        "version": 12,
    },
    "ModelVersion": _VERSION_ANSWER,
    "Promotion": {
        "id": 3,
        "task": _TASK,
        "model_version": _VERSION,
        "reason": "better on the validation cases",
        "author": "gate",
        "rollback": False,
        "created": _WHEN,
    },
    "AvailableAnswers": {
        "models": [
            {
                "name": "hippocampus-mri",
                "task": "Hippocampus MRI",
                "modality": "MRI",
                "channels": ["T1"],
                "classes": _CLASSES,
                "summary": "Anterior and posterior hippocampus in T1-weighted MRI",
                "licence": "CC-BY-SA 4.0",
                "scores": _PUBLISHED,
                "size_bytes": 6_000_000,
            }
        ],
        "problems": [],
    },
    "InstalledAnswer": {
        "task": _TASK_ANSWER,
        "model_version": _VERSION_ANSWER
        | {
            "origin": "installed",
            "trained_on": [],
            "author": "",
            "scores": {"validation": None, "published": _PUBLISHED},
        },
        "new": True,
        "message": "Installed as version 1 of the task 'Hippocampus MRI'; it is in use now.",
    },
    "AuditEntry": {
        "id": 17,
        "action": "label submitted",
        "subject": _REVISION,
        "task": _TASK,
        "author": "reader",
        "actor": "ward 3",
        "role": "annotator",
        "request": "0f1e2d3c4b5a6978",
        "created": _WHEN,
    },
    "Reference": {"name": "0c1d2e3f.nrrd", "sha256": _IMAGE},
    "Lent": {"name": "0c1d2e3f.nrrd", "path": "/dev/shm/ufseg-spool/0c1d2e3f.nrrd"},
    "SpoolFolder": {"folder": "/dev/shm/ufseg-spool"},
    "UploadRequest": {"size_bytes": 104_857_600, "sha256": _IMAGE},
    "UploadState": {
        "size_bytes": 104_857_600,
        "sha256": _IMAGE,
        "id": "0123456789abcdef01234567",
        "offset": 52_428_800,
        "file": None,
    },
    "ErrorAnswer": {"error": {"type": "NotFoundError", "message": "There is no case with the id 'x'."}},
}

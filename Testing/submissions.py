"""Tasks and labelled phantoms in a backend."""

from __future__ import annotations

import itertools

import slicer

import phantom
from nodes import add_segmentation, add_volume, paint

CLASSES = [{"name": "a", "value": 3}, {"name": "b", "value": 7}, {"name": "c", "value": 5}]
VALUES = {c["name"]: c["value"] for c in CLASSES}
_number = itertools.count(1)


def new_task(logic, classes=CLASSES, **options):
    """A task with a name of its own."""
    return logic.create_task(f"task {next(_number)}", "MRI", classes, wait=True, **options).result


def submit_phantom(logic, task, seed: int, subject: str):
    """A phantom study with its true label as a revision; returns the revision."""
    image, label, geometry = phantom.study(seed)
    volume = add_volume(slicer.mrmlScene, image, geometry, f"phantom {seed}")
    node = add_segmentation(slicer.mrmlScene, volume)
    for name, value in phantom.VALUES.items():
        paint(node, volume, name, label == value)
    return logic.submit_correction(node, volume, author="tester", task=task, subject=subject, wait=True).result

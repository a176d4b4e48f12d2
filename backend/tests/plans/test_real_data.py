"""Plans of real data sets, and a training step of each."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.datasets import read_dataset
from ufseg.images.reading import read_case, read_label_map
from ufseg.losses import DeepSupervisionLoss, create
from ufseg.networks.build import build_network
from ufseg.plans.explain import explain
from ufseg.plans.fingerprint import fingerprint
from ufseg.plans.fit import check_fits
from ufseg.plans.memory import DEFAULT_BUDGETS, training_gb
from ufseg.plans.plan import HuWindow, Modality, Plan
from ufseg.plans.planner import make_plan
from ufseg.plans.preprocessing import preprocess_image, preprocess_label

CPU = DEFAULT_BUDGETS["cpu"]


class Expected(NamedTuple):
    modality: Modality
    dimension: int
    spacing: tuple[float, ...]
    patch: tuple[int, ...]
    levels: int
    channels: int


DATASETS = {
    "hippocampus_mri": Expected("MRI", 3, (1, 1, 1), (40, 56, 40), 4, 1),
    "lgg_flair_mri": Expected("MRI", 3, (2, 2, 2), (20, 64, 80), 5, 1),
    "drive_fundus": Expected("other", 2, (1, 1), (320, 320), 6, 3),
    "lung_ct_slices": Expected("CT", 2, (1, 1), (320, 320), 6, 1),
    "torso_ct": Expected("CT", 3, (3, 3, 3), (40, 48, 48), 4, 1),
}


def cases_of(folder: Path) -> tuple[list[CaseFiles], ClassTable]:
    """Some cases; the lone CT lies in no data set's layout."""
    if folder.name != "torso_ct":
        dataset = read_dataset(folder)
        return dataset.cases[:: max(1, len(dataset.cases) // 5)], dataset.classes
    label = folder / "example_seg_model_output.nii.gz"
    classes = ClassTable.of({f"class {v}": v for v in read_label_map(label).values() if v})
    return [CaseFiles(id="t", subject="t", images=(folder / "example_ct.nii.gz",), label=label)], classes


def batch_of_one(files: CaseFiles, plan: Plan, classes: ClassTable) -> tuple[torch.Tensor, torch.Tensor]:
    """The middle of a case, padded to the plan's patch."""
    image, label = read_case(files, classes)
    assert label is not None
    channels, indices = preprocess_image(image, plan)[0], preprocess_label(label, plan, classes)
    wanted = [(max(0, (n - p) // 2), min(n, p), p) for n, p in zip(indices.shape, plan.patch_size, strict=True)]
    cut = tuple(slice(start, start + length) for start, length, _ in wanted)
    pad = [(0, patch - length) for _, length, patch in wanted]
    return (
        torch.from_numpy(np.pad(channels[(slice(None), *cut)], [(0, 0), *pad]))[None],
        torch.from_numpy(np.pad(indices[cut], pad))[None, None],
    )


@pytest.mark.parametrize("name", DATASETS)
def test_the_plan_suits_the_data_and_a_step_can_be_taken(shared_data: Path, name: str) -> None:
    expected = DATASETS[name]
    cases, classes = cases_of(shared_data / name)
    fp = fingerprint(cases, classes, expected.modality, dataset=name)
    plan = make_plan(fp, classes, CPU)
    assert (plan.dimension, plan.spacing, plan.patch_size) == expected[1:4]
    assert (len(plan.features), plan.batch_size, len(plan.normalisation)) == (expected.levels, 2, expected.channels)
    assert isinstance(plan.normalisation[0], HuWindow) == (expected.modality == "CT")
    assert training_gb(plan) <= CPU.gb
    check_fits(plan, fp, classes)
    assert len(explain(fp, plan, CPU)) >= 10

    torch.manual_seed(0)
    network = build_network(plan, len(plan.normalisation), deep_supervision=True).train()
    image, label = batch_of_one(cases[0], plan, classes)
    loss = DeepSupervisionLoss(create("asymmetric-unified-focal"))(network(image), label)
    loss.backward()
    assert math.isfinite(loss.item())
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_the_papers_plan_of_drive(shared_data: Path) -> None:
    dataset = read_dataset(shared_data / "drive_fundus")
    assert (len(dataset.cases), len(dataset.test)) == (20, 20)
    fp = fingerprint(dataset.cases[:4], dataset.classes, "other", dataset=dataset.name)
    plan = make_plan(fp, dataset.classes, 4, architecture="paper")
    assert (plan.patch_size, plan.batch_size, len(plan.normalisation)) == ((512, 512), 2, 3)
    image, _ = read_case(dataset.cases[0], dataset.classes)
    assert preprocess_image(image, plan)[0].shape == (3, 512, 512)


def test_volumes_slice_by_slice(shared_data: Path) -> None:
    cases, classes = cases_of(shared_data / "lgg_flair_mri")
    plan = make_plan(fingerprint(cases, classes, "MRI"), classes, 4, dimension=2)
    assert (plan.dimension, plan.spacing, plan.patch_size) == (2, (1, 1), (256, 256))
    assert plan.batch_size == 8

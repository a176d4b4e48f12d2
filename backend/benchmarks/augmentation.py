"""Time of a training patch, from a prepared case to augmented tensors, beside MONAI and batchgeneratorsv2.

Each contender cuts a patch around a labelled voxel of a volume twice as long as the patch along each axis, then rotates
(±15°), scales (.85 to 1.18), mirrors and elastically deforms it. With ``all`` it also changes contrast, brightness,
gamma, noise, blur and resolution, every kind on every patch. Elastic deformations are as strong for all: displacements
of up to 4.5 voxels, smooth over about 10. They are run in turn in one process, and the medians are compared.

    python benchmarks/augmentation.py                                        # 64³ and 128³
    python benchmarks/augmentation.py --sizes 16 --repeats 3                 # to try it
    python benchmarks/augmentation.py --markdown results/augmentation-cpu.md # also written to a file

batchgeneratorsv2 (pip install batchgeneratorsv2) is compared if it can be imported.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ufseg.networks.device import choose_device
from ufseg.plans.plan import Plan, ZScore
from ufseg.training.augmentation import draw_batch
from ufseg.training.case_store import CaseStore, StoredCase
from ufseg.training.cases import PreparedCase
from ufseg.training.sampling import PatchSampler
from ufseg.training.settings import AugmentationSettings

LARGEST_DISPLACEMENT = 4.5
SMOOTHNESS = 5.0  # deviation of the Gaussian in voxels; control points 10 voxels apart are about as smooth
INTENSITIES = ("contrast", "brightness", "gamma", "noise", "blur", "low_resolution")
Draw = Callable[[int], Any]


def main() -> None:
    arguments = _arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    lines = [
        "# Data and augmentation of a patch",
        "",
        f"{choose_device('cpu').name}, {torch.get_num_threads()} threads, {_versions()}, "
        f"{datetime.now(timezone.utc):%Y-%m-%d}. Medians of {arguments.repeats} patches, the contenders in turn in one "
        "process. Made by `benchmarks/augmentation.py`, which says what is measured.",
        "",
        "| patch | kinds | ours (ms) | MONAI (ms) | batchgeneratorsv2 (ms) | MONAI / ours | batchgeneratorsv2 / ours |",
        "|---|---|---|---|---|---|---|",
    ]
    for size in arguments.sizes:
        for kinds in ("geometry", "all"):
            with tempfile.TemporaryDirectory() as folder:
                contenders, absent = _contenders(size, kinds == "all", Path(folder))
                times = _times(contenders, arguments.repeats)
            lines.append(_row(size, kinds, times))
            print(lines[-1], flush=True)
    if absent:
        lines += ["", absent]
        print(absent)
    if arguments.markdown:
        arguments.markdown.parent.mkdir(parents=True, exist_ok=True)
        arguments.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _row(size: int, kinds: str, times: dict[str, float]) -> str:
    ours = times["ours"]
    cells = [f"{1e3 * times[name]:.1f}" if name in times else "–" for name in ("ours", "monai", "batchgeneratorsv2")]
    ratios = [f"{times[name] / ours:.1f} ×" if name in times else "–" for name in ("monai", "batchgeneratorsv2")]
    return f"| {size}³ | {kinds} | {' | '.join(cells + ratios)} |"


def _times(contenders: dict[str, Draw], repeats: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(repeats + 1):
        for name, draw in contenders.items():
            start = time.perf_counter()
            draw(number)
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[1:]) for name, values in taken.items()}


def _contenders(size: int, everything: bool, folder: Path) -> tuple[dict[str, Draw], str | None]:
    rng = np.random.default_rng(0)
    image = rng.normal(0, 1, (1, *[2 * size] * 3)).astype(np.float32)
    label = np.zeros((2 * size,) * 3, np.uint8)
    label[size // 2 : size, size // 2 : size, size // 2 : size] = 1
    stored = CaseStore(folder).write("case", [PreparedCase.of("case", image, label)])[0]
    contenders = {"ours": _ours(stored, size, everything), "monai": _monai(image, label, size, everything)}
    try:
        contenders["batchgeneratorsv2"] = _batchgenerators(stored, size, everything)
    except ImportError as error:
        return contenders, f"batchgeneratorsv2 was not compared: {error}."
    return contenders, None


def _ours(case: StoredCase, size: int, everything: bool) -> Draw:
    plan = Plan(
        dimension=3,
        modality="MRI",
        spacing=(1.0,) * 3,
        patch_size=(size,) * 3,
        batch_size=1,
        features=(8, 8, 8),
        kernel_sizes=((3, 3, 3),) * 3,
        strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)),
        normalisation=(ZScore(),),
        classes=2,
    )
    intensities = dict.fromkeys(INTENSITIES, 1.0 if everything else 0.0)
    # Of some hundred control points the largest displacement is about three deviations.
    elastic = {"elastic": 1.0, "elastic_voxels": LARGEST_DISPLACEMENT / 3}
    settings = AugmentationSettings.model_validate({"affine": 1.0, "mirror": (0.5, 0.5, 0.5), **elastic, **intensities})
    sampler = PatchSampler([case], plan, 0, 1.0, settings.shift_voxels)
    device = torch.device("cpu")
    return lambda step: draw_batch(sampler.places(step), plan, settings, np.random.default_rng(step), device)


def _monai(image: np.ndarray, label: np.ndarray, size: int, everything: bool) -> Draw:
    from monai import transforms as mt

    keys = ["image", "label"]
    angle = float(np.radians(15))
    # Uniform noise blurred by a Gaussian keeps this share of its range at its largest places.
    left = 4 * 0.577 / (2 * np.sqrt(np.pi) * SMOOTHNESS) ** 1.5
    magnitude = LARGEST_DISPLACEMENT / left
    steps: list[Any] = [
        mt.RandCropByPosNegLabeld(
            keys,
            "label",
            spatial_size=(size,) * 3,
            pos=1,
            neg=0,
            num_samples=1,
            fg_indices_key="fg",
            bg_indices_key="bg",
        ),
        mt.Rand3DElasticd(
            keys,
            sigma_range=(SMOOTHNESS, SMOOTHNESS),
            magnitude_range=(0.5 * magnitude, magnitude),
            prob=1.0,
            rotate_range=(angle,) * 3,
            scale_range=(0.16,) * 3,
            mode=["bilinear", "nearest"],
            padding_mode="zeros",
        ),
        *[mt.RandFlipd(keys, prob=0.5, spatial_axis=axis) for axis in range(3)],
    ]
    if everything:
        steps += [
            mt.RandScaleIntensityFixedMeand("image", prob=1.0, factors=0.3),
            mt.RandScaleIntensityd("image", factors=0.25, prob=1.0),
            mt.RandShiftIntensityd("image", offsets=0.3, prob=1.0),
            mt.RandAdjustContrastd("image", prob=1.0, gamma=(0.7, 1.5)),
            mt.RandGaussianNoised("image", prob=1.0, std=0.25),
            mt.RandGaussianSmoothd("image", (0.4, 1.0), (0.4, 1.0), (0.4, 1.0), prob=1.0),
            mt.RandSimulateLowResolutiond("image", prob=1.0, zoom_range=(0.5, 1.0)),
        ]
    chain = mt.Compose(steps)
    indices = mt.FgBgToIndicesd("label", fg_postfix="_fg", bg_postfix="_bg")(
        {"image": torch.from_numpy(image), "label": torch.from_numpy(label)[None]}
    )
    # The whole case is in memory and its foreground indexed, as MONAI's CacheDataset keeps it.
    case = {"image": indices["image"], "label": indices["label"], "fg": indices["label_fg"], "bg": indices["label_bg"]}
    return lambda step: chain(dict(case))


def _batchgenerators(case: StoredCase, size: int, everything: bool) -> Draw:
    from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
    from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
    from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
    from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
    from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
    from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
    from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
    from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
    from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms

    angle = float(np.radians(15))
    steps: list[Any] = [
        SpatialTransform(
            (size,) * 3,
            patch_center_dist_from_border=0,
            random_crop=False,
            p_elastic_deform=1.0,
            elastic_deform_scale=(SMOOTHNESS / size, SMOOTHNESS / size),
            elastic_deform_magnitude=(0.5 * LARGEST_DISPLACEMENT, LARGEST_DISPLACEMENT),
            p_rotation=1.0,
            rotation=(-angle, angle),
            p_scaling=1.0,
            scaling=(0.85, 1.18),
            mode_seg="nearest",
        ),
        MirrorTransform(allowed_axes=(0, 1, 2)),
    ]
    if everything:
        steps += [
            ContrastTransform(BGContrast((0.7, 1.4)), preserve_range=False, synchronize_channels=False),
            MultiplicativeBrightnessTransform((0.8, 1.25), synchronize_channels=False),
            GammaTransform(
                (0.7, 1.5), p_invert_image=0.0, synchronize_channels=False, p_per_channel=1.0, p_retain_stats=0.0
            ),
            GaussianNoiseTransform((0, 0.06)),
            GaussianBlurTransform((0.4, 1.0)),
            SimulateLowResolutionTransform(
                (0.5, 1.0), synchronize_channels=False, synchronize_axes=True, ignore_axes=()
            ),
        ]
    chain = ComposeTransforms(steps)
    # nnU-Net cuts a patch so large that the rotated and scaled one fits in.
    large = int(np.ceil(size * 1.5 / 1.18))

    def draw(step: int) -> Any:
        rng = np.random.default_rng(step)
        positions = case.foreground[0]
        centre = positions[int(rng.integers(len(positions)))]
        start = np.clip(centre - large // 2, 0, np.asarray(case.shape) - large)
        box = tuple(slice(int(a), int(a) + large) for a in start)
        image = torch.from_numpy(np.array(case.image[(slice(None), *box)]))
        segmentation = torch.from_numpy(np.array(case.label[box])[None].astype(np.int16))
        return chain(image=image, segmentation=segmentation)

    return draw


def _versions() -> str:
    found = [f"torch {torch.__version__}"]
    for name in ("monai", "batchgeneratorsv2"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--markdown", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()

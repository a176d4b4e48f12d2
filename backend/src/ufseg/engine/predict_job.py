"""A prediction from image files to a label file."""

from __future__ import annotations

import time
from collections import OrderedDict
from pathlib import Path

from ufseg.engine.specs import PredictionOutcome, PredictionSpec
from ufseg.engine.stages import part_of
from ufseg.images.case_files import CaseFiles
from ufseg.images.reading import read_case
from ufseg.images.writing import write_label_map
from ufseg.inference.predictor import Predictor
from ufseg.networks.device import Device
from ufseg.networks.model_folder import read_model
from ufseg.progress import CancelCheck, Progress, ProgressCallback, raise_if_cancelled


class PredictorCache:
    """The models used last, loaded: a model version never changes, so its id is enough to know it by.

    Args:
        device: where they are loaded.
        size: how many are kept.
    """

    def __init__(self, device: Device, size: int = 2) -> None:
        self._device = device
        self._size = size
        self._predictors: OrderedDict[str, Predictor] = OrderedDict()

    def get(self, version: str, folder: Path) -> Predictor:
        """The model version `version`, from its folder if it is not loaded."""
        if version not in self._predictors:
            while len(self._predictors) >= self._size:
                self._predictors.popitem(last=False)
            self._predictors[version] = Predictor(*read_model(folder, self._device), self._device)
        self._predictors.move_to_end(version)
        return self._predictors[version]


def run_prediction(
    spec: PredictionSpec, cache: PredictorCache, progress: ProgressCallback, cancelled: CancelCheck
) -> PredictionOutcome:
    """Segment a case and write the label map, on the image's own grid, to ``spec.output``.

    Raises:
        UfsegError: the model or the images cannot be used, memory or disk do not suffice, or the job was cancelled.
    """
    times = [time.monotonic()]
    progress(Progress(0.0, "loading the model"))
    predictor = cache.get(spec.model_version, spec.model)
    times.append(time.monotonic())
    raise_if_cancelled(cancelled)
    image, _ = read_case(CaseFiles(id="case", subject="case", images=spec.images))
    times.append(time.monotonic())
    label = predictor.predict(image, progress=part_of(progress, 0.05, 0.95), cancelled=cancelled)
    times.append(time.monotonic())
    write_label_map(spec.output, label, predictor.description.classes)
    times.append(time.monotonic())
    steps = ("load", "read", "predict", "write")
    return PredictionOutcome(seconds={s: b - a for s, a, b in zip(steps, times, times[1:], strict=False)})

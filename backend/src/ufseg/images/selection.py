"""Part of a dataset: some of its channels, some of its classes, or several classes taken as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ufseg.errors import DatasetError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.dataset import Dataset


def select_channels(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """The same cases with some of their channels, in the order given, such as ``["t1ce"]`` of BraTS20.

    Raises:
        DatasetError: no name, an unknown one or one given twice, or the channels are colours in one file.
    """
    unknown = [n for n in names if n not in dataset.channel_names]
    if not names or unknown or len(set(names)) < len(names):
        raise DatasetError(
            f"Of the channels of {dataset.name} ({', '.join(dataset.channel_names)}), {', '.join(names) or 'none'} "
            "cannot be taken. Name some of them, each once."
        )
    places = [dataset.channel_names.index(n) for n in names]

    def chosen(case: CaseFiles) -> CaseFiles:
        if len(case.images) != len(dataset.channel_names):
            raise DatasetError(
                f"The {len(dataset.channel_names)} channels of case {case.id} are in {len(case.images)} file(s) and "
                "cannot be taken apart. Leave the channels as they are."
            )
        return case.model_copy(update={"images": tuple(case.images[p] for p in places)})

    return replace(
        dataset,
        channel_names=list(names),
        cases=[chosen(c) for c in dataset.cases],
        test=[chosen(c) for c in dataset.test],
    )


def select_classes(dataset: Dataset, parts: Mapping[str, Sequence[str]]) -> Dataset:
    """The same cases with other classes; what is in none of them becomes background.

    Args:
        dataset: as read.
        parts: name of each new class → the classes that it is made of; ``{"tumour": ["necrotic core", "oedema",
            "enhancing tumour"]}``. The new values are 1, 2, … in this order.

    Raises:
        DatasetError: no class, an unknown one, or one used twice.
    """
    used = [name for names in parts.values() for name in names]
    unknown = [n for n in used if n not in dataset.classes.names]
    if not used or not all(parts.values()) or unknown or len(set(used)) < len(used):
        raise DatasetError(
            f"Of the classes of {dataset.name} ({', '.join(dataset.classes.names)}), {', '.join(used) or 'none'} "
            "cannot be taken. Name some of them, each once."
        )
    values = {dataset.classes.value_of(n): new for new, names in enumerate(parts.values(), start=1) for n in names}

    def changed(case: CaseFiles) -> CaseFiles:
        pairs = values.items() if case.relabel is None else [(old, values.get(v, 0)) for old, v in case.relabel]
        return case.model_copy(update={"relabel": tuple(sorted(pairs))})

    return replace(
        dataset,
        classes=ClassTable.of({name: value for value, name in enumerate(parts, start=1)}),
        cases=[changed(c) for c in dataset.cases],
        test=[changed(c) for c in dataset.test],
    )

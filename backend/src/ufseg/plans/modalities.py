"""Which channels hold Hounsfield units, where a task mixes CT with others."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ufseg.plans.plan import Modality

# Words between anything but letters and digits, for channels are called "ct_venous" as well as "CT venous".
_WORDS: dict[Modality, str] = {
    "CT": r"ct|cta|cect|ncct|ldct",
    "MRI": r"mri?|t1\w*|t2\w*|pd\w*|flair|adc|dwi|swi|dce\w*",
    "other": r"pet|suv|spect|us|ultrasound|dose|red|green|blue",
}
_PATTERNS = {
    modality: re.compile(rf"(?<![a-z0-9])({words})(?![a-z0-9])", re.IGNORECASE) for modality, words in _WORDS.items()
}


def channel_modalities(modality: Modality, names: Sequence[str], count: int) -> tuple[Modality, ...]:
    """Modality of each of `count` channels.

    A single channel is what the task says. Of several, one whose name tells its modality ("CT", "T1", "PET", "red") is
    that; the others are what the task says.

    Args:
        modality: the task's.
        names: of the channels; without effect if their number is not `count`.
        count: channels that the images really have.
    """
    if count == 1 or len(names) != count:
        return (modality,) * count
    return tuple(next((m for m, pattern in _PATTERNS.items() if pattern.search(name)), modality) for name in names)

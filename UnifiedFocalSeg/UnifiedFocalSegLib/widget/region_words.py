"""The annotated region of a correction in words."""

from __future__ import annotations

import numpy as np
from slicer.i18n import tr as _

from UnifiedFocalSegLib.geometry import Geometry
from UnifiedFocalSegLib.regions import Region, plane_names


def in_words(region: Region | None, geometry: Geometry) -> str:
    """What saving with a region means, in a sentence with the numbers."""
    if region is None:
        return _("Everything counts as corrected: what is not painted is background.")
    start, stop = np.array(region["start"]), np.array(region["stop"])
    share = float(np.prod((stop - start) / np.array(geometry.size)))
    restricted = [a for a in range(3) if stop[a] - start[a] < geometry.size[a]]
    if not restricted:
        return _("The region holds the whole volume: what is not painted is background.")
    if len(restricted) == 1:
        axis = restricted[0]
        what = _("{plane} slices {first} to {last} of {count}").format(
            plane=plane_names(geometry)[axis], first=start[axis], last=stop[axis] - 1, count=geometry.size[axis]
        )
    else:
        spans = " × ".join(f"{a}–{b - 1}" for a, b in zip(start, stop, strict=True))
        what = _("the box of voxels {spans} (i × j × k)").format(spans=spans)
    return _("Only {what} count as corrected ({share:.0%} of the volume); nothing is learned from the rest.").format(
        what=what, share=share
    )

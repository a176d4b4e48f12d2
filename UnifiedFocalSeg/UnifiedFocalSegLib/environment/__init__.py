"""The backend's own Python environment: made, checked, repaired and removed, without Slicer's packages.

Only the standard library is needed. ``python -m UnifiedFocalSegLib.environment --help`` does the same from a terminal.
"""

from .checking import Report, check
from .installing import install, repair
from .options import Options
from .places import Places, default_root
from .progress import Progress
from .removal import remove
from .wanted import Wanted, shipped

__all__ = [
    "Options",
    "Places",
    "Progress",
    "Report",
    "Wanted",
    "check",
    "default_root",
    "install",
    "remove",
    "repair",
    "shipped",
]

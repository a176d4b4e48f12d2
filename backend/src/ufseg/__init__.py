"""Medical image segmentation with the Unified Focal loss.

Imports go only downwards: ``cli``, ``service`` → ``engine`` → ``workspace`` → ``training``, ``inference``,
``evaluation`` → ``plans``, ``networks`` → ``images``, ``losses``. ``errors`` and ``progress`` stand below all.
Importing this package imports neither torch nor SimpleITK, so that ``ufseg --help`` is quick.
"""

from ufseg._version import __version__

__all__ = ["__version__"]

"""Label maps that the backend has and that were here already, so that only changes need to be sent or compared."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict

import numpy as np

_KEPT = 32
# Label maps shrink to a hundredth at the fastest setting already.
_LEVEL = 1


class KnownLabels:
    """Compressed label maps by the SHA-256 under which the backend keeps them; the newest 32. For any thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[tuple[int, ...], bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, sha256: str, label: np.ndarray) -> None:
        """Keep a label map, uint8 ``[k, j, i]``."""
        packed = zlib.compress(np.ascontiguousarray(label), _LEVEL)
        with self._lock:
            self._kept[sha256] = (label.shape, packed)
            self._kept.move_to_end(sha256)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def get(self, sha256: str | None) -> np.ndarray | None:
        """The label map, not to be changed; None if it is not known."""
        with self._lock:
            found = self._kept.get(sha256) if sha256 else None
        if found is None:
            return None
        shape, packed = found
        return np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape)

"""How far an installation is, from uv's own lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from UnifiedFocalSegLib.translation import tr as _

_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_DOWNLOADING = re.compile(r"^\s*Downloading (\S+) \(([\d.]+) ?(B|[KMG]iB)\)")
_DOWNLOADED = re.compile(r"^\s*Downloaded (\S+)")
_PREPARED = re.compile(r"^\s*Prepared (\d+) packages?")
_RESOLVED = re.compile(r"^\s*Resolved (\d+) packages?")


@dataclass(frozen=True)
class Progress:
    """One step forward.

    Args:
        fraction: 0 to 1 of the whole installation.
        stage: what is done now, for people.
    """

    fraction: float
    stage: str


Listener = Callable[[Progress], None]


class StepProgress:
    """The share of the whole that one step has.

    Args:
        listener: told of each progress.
        start, end: fractions of the whole between which the step lies.
        stage: what it does, for people.
    """

    def __init__(self, listener: Listener, start: float, end: float, stage: str) -> None:
        self._listener, self._start, self._end, self.stage = listener, start, end, stage
        self.report(0.0)

    def report(self, fraction: float, detail: str = "") -> None:
        """Tell how much of the step is done, 0 to 1."""
        words = _("{stage}: {detail}").format(stage=self.stage, detail=detail) if detail else self.stage
        self._listener(Progress(self._start + (self._end - self._start) * min(max(fraction, 0.0), 1.0), words))


class Downloads:
    """Bytes that uv announces and finishes, out of an estimate of all.

    Args:
        step: where the progress goes.
        expected: bytes to download in all, estimated; larger announcements raise it.
    """

    def __init__(self, step: StepProgress, expected: int) -> None:
        self._step, self._expected = step, max(expected, 1)
        self._announced: dict[str, int] = {}
        self._done: dict[str, int] = {}

    def line(self, text: str) -> None:
        """Take over one line of uv's."""
        if started := _DOWNLOADING.match(text):
            name, size, unit = started.groups()
            self._announced[name] = int(float(size) * _UNITS[unit])
            self._report(_("downloading {name} ({size} {unit})").format(name=name, size=size, unit=unit))
        elif ended := _DOWNLOADED.match(text):
            self._done[ended.group(1)] = self._announced.get(ended.group(1), 0)
            waiting = [name for name in self._announced if name not in self._done]
            names = ", ".join(sorted(waiting))
            self._report(_("downloading {names}").format(names=names) if waiting else _("downloaded"))
        elif resolved := _RESOLVED.match(text):
            self._report(_("{count} packages").format(count=resolved.group(1)))
        elif prepared := _PREPARED.match(text):
            self._step.report(0.95, _("linking {count} packages").format(count=prepared.group(1)))

    def _report(self, detail: str) -> None:
        total = max(self._expected, sum(self._announced.values()))
        self._step.report(0.9 * sum(self._done.values()) / total, detail)

"""One progress bar over several steps."""

from __future__ import annotations

from ufseg.progress import Progress, ProgressCallback


def part_of(progress: ProgressCallback, start: float, stop: float, stage: str | None = None) -> ProgressCallback:
    """A callback whose 0 to 1 fills `start` to `stop` of `progress`.

    Args:
        progress: of the whole work.
        start, stop: the step's share, 0 to 1.
        stage: shown instead of the step's own words, if given.
    """

    def report(step: Progress) -> None:
        fraction = start + (stop - start) * min(max(step.fraction, 0.0), 1.0)
        progress(Progress(fraction, stage or step.stage, step.eta_seconds, step.scalars))

    return report

"""Progress out of what uv prints."""

from __future__ import annotations

from UnifiedFocalSegLib.environment.progress import Downloads, StepProgress


def test_bytes():
    told = []
    lines = Downloads(StepProgress(told.append, 0.0, 1.0, "packages"), 100 << 20)
    for line in (
        "Resolved 2 packages in 1.2s",
        "Downloading torch (150.0MiB)",
        "Downloading numpy (50.0MiB)",
        " Downloaded numpy",
        " Downloaded torch",
        "Prepared 2 packages in 3s",
    ):
        lines.line(line)
    fractions = [round(p.fraction, 3) for p in told]
    assert fractions == [0.0, 0.0, 0.0, 0.0, 0.225, 0.9, 0.95]
    assert told[4].stage == "packages: downloading torch"


def test_other_lines_change_nothing():
    told = []
    lines = Downloads(StepProgress(told.append, 0.0, 1.0, "packages"), 1)
    lines.line("warning: something")
    lines.line("")
    assert len(told) == 1

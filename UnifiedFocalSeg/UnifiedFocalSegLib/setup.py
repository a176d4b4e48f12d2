"""Setting up the backend's own environment: what it takes, and doing it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from .backend_process import startup_environment
from .environment import Options, Places, Progress, Report, check, default_root, install, repair, shipped
from .environment.gpu import find_gpus
from .environment.space import folder_bytes, free_bytes, needed_bytes
from .environment.torch_builds import choose
from .errors import SetupError
from .operation import Control, Operation, Script
from .translation import tr as _


@dataclass(frozen=True)
class SetupPlan:
    """What a set-up would do on this computer.

    Args:
        report: what is there now.
        root: folder it goes to.
        hardware: the build of PyTorch and why, in a sentence that names the GPU.
        download: bytes to fetch, about; less if some are kept from an earlier attempt.
        needed: bytes it adds on the disk, about.
        free: free bytes on that disk.
    """

    report: Report
    root: Path
    hardware: str
    download: int
    needed: int
    free: int

    @property
    def fits(self) -> bool:
        """Whether the disk has room for it."""
        return self.free >= self.needed


def plan_setup() -> SetupPlan:
    """Look at this computer. Blocks for up to some seconds: call it from a worker thread.

    Raises:
        SetupError: the extension comes without the backend's sources.
    """
    places = Places(default_root())
    choice = choose(find_gpus())
    needed = needed_bytes(places, choice.build)
    kept = folder_bytes(places.cache) / max(1, choice.build.installed)
    download = int(choice.build.download * max(0.0, 1.0 - kept))
    return SetupPlan(check(places, shipped()), places.root, choice.why, download, needed, free_bytes(places.root))


class Setup:
    """Part of the logic: the set-up. Needs `Connection` beside it."""

    def examine_setup(self, *, wait: bool = False) -> Operation:
        """Look what a set-up would take; result: a `SetupPlan`. Nothing is changed."""

        def script() -> Script:
            return (yield lambda _control: plan_setup())

        return self._run("examine", _("Look at this computer"), script(), wait)

    def install_backend(self, options: Options | None = None, *, wait: bool = False) -> Operation:
        """Install the backend's own environment, or update or repair it; result: its Python.

        A cancel takes effect within a second, and what was in use before stays in use until the new one works.

        Args:
            options: build of PyTorch, wheel folder and so on, to install anew; if None, nothing is done where all is
                whole and belongs to this extension, and else the options of the last installation hold.
            wait: block until it has ended.
        """

        def script() -> Script:
            places = Places(default_root())
            variables = startup_environment()  # without Slicer's own libraries

            def work(control: Control) -> os.PathLike | None:
                def told(progress: Progress) -> None:
                    control.report(progress.fraction, progress.stage)

                if options is None:
                    report = repair(
                        places, shipped(), None, variables=variables, listener=told, cancelled=control.cancelled
                    )
                    if not report.usable:
                        raise SetupError(report.sentence)
                else:
                    chosen = replace(options, variables=variables)
                    install(places, shipped(), chosen, listener=told, cancelled=control.cancelled)
                return places.python()

            return (yield work)

        return self._run("install-backend", _("Install the backend"), script(), wait)

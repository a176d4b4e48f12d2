"""Training every loss under the same conditions, and scoring each on the same cases."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from statistics import fmean

from ufseg import __version__
from ufseg.comparison.entrants import Entrant
from ufseg.comparison.files import write_text
from ufseg.comparison.request import ComparisonRequest, begin
from ufseg.comparison.runs import Run, RunStore
from ufseg.comparison.scoring import score_model
from ufseg.comparison.splits import Split
from ufseg.engine.stages import part_of
from ufseg.engine.train_job import warm_up
from ufseg.errors import ConflictError, TrainingError
from ufseg.evaluation.metrics import DICE
from ufseg.images.reading import read_case
from ufseg.inference.predictor import Predictor
from ufseg.networks.device import Device
from ufseg.networks.model_folder import LossChoice, ModelDescription, read_model, write_model
from ufseg.plans.fingerprint import fingerprint
from ufseg.plans.fit import check_fits
from ufseg.plans.memory import DEFAULT_BUDGETS
from ufseg.plans.plan import Plan
from ufseg.plans.planner import make_plan
from ufseg.progress import CancelCheck, ProgressCallback, raise_if_cancelled
from ufseg.training.cases import TrainingCase
from ufseg.training.prepare import prepare_cases
from ufseg.training.sampling import is_among
from ufseg.training.settings import TrainingSettings
from ufseg.training.trainer import train

PLAN_FILE = "plan.json"
CASES_FOLDER = "prepared-cases"
CHECKPOINT_FILE = "checkpoint.safetensors"

Report = Callable[[str], None]


@dataclass(frozen=True)
class Comparison:
    """A comparison under way.

    Args:
        request: what is compared.
        split: the cases of the request.
        output: folder of all its files.
        device: where to compute.
        plan: of every run; None makes one from the training cases.
    """

    request: ComparisonRequest
    split: Split
    output: Path
    device: Device
    plan: Plan | None = None

    @property
    def store(self) -> RunStore:
        """Its finished runs."""
        return RunStore(self.output)

    def run(
        self,
        *,
        resume: bool,
        progress: ProgressCallback,
        cancelled: CancelCheck,
        report: Report,
        on_seed: Callable[[list[Run]], None],
    ) -> list[Run]:
        """Do the runs that are missing.

        Args:
            resume: go on with the comparison in the output folder.
            progress: told the fraction of all runs.
            cancelled: asked before each step and case; what is finished stays.
            report: told each finished run in a line.
            on_seed: given all runs whenever every loss has finished one more seed.

        Returns:
            All runs in the order of the request.

        Raises:
            UfsegError: data, memory or disk do not suffice; the folder is another comparison's; cancelled.
        """
        begin(self.request, self.output, resume)
        missing = [(seed, e) for seed, e in self.request.runs if self.store.find(e, seed) is None]
        total = self.request.seeds * len(self.request.entrants)
        if not missing:
            report(f"All {total} runs are finished.")
            return self.store.finished(self.request)
        for case in self.split.test:  # lest one that cannot be read be found after the first training
            raise_if_cancelled(cancelled)
            read_case(case, self.request.classes)
        plan = self._plan(part_of(progress, 0.0, 0.02), cancelled)
        prepared, validation = self._prepared(plan, part_of(progress, 0.02, 0.05), cancelled)
        self._warm_up(plan, prepared)
        done = total - len(missing)
        if done:
            report(f"{done} of {total} runs are finished already.")
        for number, (seed, entrant) in enumerate(missing):
            share = part_of(progress, 0.05 + 0.95 * number / len(missing), 0.05 + 0.95 * (number + 1) / len(missing))
            run = self._one(entrant, seed, plan, prepared, validation, share, cancelled)
            done += 1
            report(f"[{done}/{total}] {_told(run)}")
            if number + 1 == len(missing) or missing[number + 1][0] != seed:
                on_seed(self.store.finished(self.request))
        del prepared, validation
        shutil.rmtree(self.output / CASES_FOLDER, ignore_errors=True)
        return self.store.finished(self.request)

    def predictor(self, entrant: Entrant, seed: int) -> Predictor:
        """The model of a finished run; raises StorageError."""
        return Predictor(*read_model(self.store.folder(entrant, seed), self.device), self.device)

    def _plan(self, progress: ProgressCallback, cancelled: CancelCheck) -> Plan:
        path = self.output / PLAN_FILE
        if path.exists():
            before = Plan.read(path)
            if self.plan not in (None, before):
                raise ConflictError(
                    f"The comparison in {self.output} was begun with another plan, which is in {path.name} there. "
                    "Leave --plan out, or name another folder."
                )
            return before
        found = fingerprint(
            self.split.training,
            self.request.classes,
            self.request.modality,
            progress,
            cancelled,
            channel_names=self.request.channel_names,
            dataset=self.request.dataset,
        )
        plan = self.plan or make_plan(
            found, self.request.classes, DEFAULT_BUDGETS[self.device.kind], architecture=self.request.architecture
        )
        check_fits(plan, found, self.request.classes)
        write_text(path, plan.model_dump_json(indent=2) + "\n")
        return plan

    def _prepared(
        self, plan: Plan, progress: ProgressCallback, cancelled: CancelCheck
    ) -> tuple[list[TrainingCase], list[TrainingCase]]:
        """Training and validation cases, the latter only for a schedule that needs them."""
        prepared = prepare_cases(
            # Together, so that both know which classes were annotated somewhere.
            [*self.split.training, *self.split.validation],
            plan,
            self.request.classes,
            progress,
            cancelled,
            folder=self.output / CASES_FOLDER,
        )
        watched = {case.id for case in self.split.validation}
        return (
            [case for case in prepared if not is_among(case.id, watched)],
            [case for case in prepared if is_among(case.id, watched)],
        )

    def _warm_up(self, plan: Plan, prepared: Sequence[TrainingCase]) -> None:
        """One step with every loss, thrown away: the first steps of a process load and compile what later ones find
        ready, and would be paid out of the budget of the runs that happen to come first."""
        if self.request.budget_seconds is None:
            return
        warm_up()
        for entrant in self.request.entrants:
            settings = TrainingSettings(budget_seconds=1e-6, loss=entrant.loss, loss_options=entrant.options)
            with suppress(TrainingError):  # told in the run itself
                train(prepared, plan, settings, device=self.device)

    def _one(
        self,
        entrant: Entrant,
        seed: int,
        plan: Plan,
        prepared: Sequence[TrainingCase],
        validation: Sequence[TrainingCase],
        progress: ProgressCallback,
        cancelled: CancelCheck,
    ) -> Run:
        folder = self.store.folder(entrant, seed)
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = folder / CHECKPOINT_FILE
        settings = TrainingSettings(
            budget_seconds=self.request.budget_seconds,
            epochs=self.request.epochs,
            schedule=self.request.schedule,
            loss=entrant.loss,
            loss_options=entrant.options,
            seed=seed,
        )
        stage = f"{entrant.label}, seed {seed}"
        try:
            result = train(
                prepared,
                plan,
                settings,
                device=self.device,
                validation=validation,
                checkpoint=checkpoint,
                resume=checkpoint.exists(),
                progress=part_of(progress, 0.0, 0.85, stage),
                cancelled=cancelled,
            )
        except TrainingError as error:
            # A loss that does not train is a finding of the comparison, not its end.
            run = Run(entrant=entrant, seed=seed, steps=0, seconds=0.0, scores={}, failure=str(error))
            self.store.write(run)
            checkpoint.unlink(missing_ok=True)
            return run
        count = len(plan.normalisation)
        names = self.request.channel_names
        description = ModelDescription(
            name=f"{self.request.dataset}: {stage}",
            task=self.request.dataset,
            plan=result.plan,
            classes=self.request.classes,
            # A colour file holds several channels.
            channel_names=list(names) if len(names) == count else [f"channel {n + 1}" for n in range(count)],
            loss=LossChoice(name=entrant.loss, options=entrant.options),
            trained_on=list(self.request.training),
            seconds=result.seconds,
            device=self.device.name,
            created=datetime.now(timezone.utc),
            ufseg_version=__version__,
        )
        write_model(folder, description, result.state_dict)
        scores = score_model(
            self.predictor(entrant, seed),
            self.split.test,
            self.request.classes,
            part_of(progress, 0.85, 1.0, f"{stage}: scoring"),
            cancelled,
        )
        run = Run(
            entrant=entrant,
            seed=seed,
            steps=result.steps,
            seconds=result.seconds,
            scores=scores,
            notes=result.notes,
        )
        self.store.write(run)
        checkpoint.unlink(missing_ok=True)
        return run


def _told(run: Run) -> str:
    name = f"{run.entrant.label}, seed {run.seed}"
    if run.failure is not None:
        return f"{name}: failed. {run.failure}"
    dice = [s.values[DICE.name] for of_case in run.scores.values() for s in of_case.values()]
    counted = [v for v in dice if v is not None]
    mean = f"DSC {fmean(counted):.3f}" if counted else "no class counted"
    return f"{name}: {mean}, {run.steps} steps in {run.seconds:.0f} s"

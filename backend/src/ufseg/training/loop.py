"""The optimisation loop: its state, its steps, its end."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from ufseg.errors import CancelledError, InputError, OutOfMemoryError
from ufseg.networks.build import build_network, load_weights, network_state, supports_deep_supervision
from ufseg.networks.device import autocast_dtype
from ufseg.networks.head_names import without_heads
from ufseg.networks.memory import memory_errors
from ufseg.plans.plan import Plan
from ufseg.progress import CancelCheck, Progress, ProgressCallback
from ufseg.training.augmentation import Crop, gather, warp
from ufseg.training.averaging import WeightAverage
from ufseg.training.checkpoint import (
    Checkpoint,
    CheckpointHeader,
    HistoryPoint,
    read_checkpoint,
    write_checkpoint,
)
from ufseg.training.curve import Curve
from ufseg.training.objective import Objective
from ufseg.training.optimisation import make_optimisation
from ufseg.training.precision import precision_problem, training_autocast
from ufseg.training.prefetch import Prefetch
from ufseg.training.sampling import PatchSampler, steps_per_epoch
from ufseg.training.shrinking import smaller_plan, step_in_words
from ufseg.training.validation import validation_loss
from ufseg.training.work import Work

MAX_GRADIENT_NORM = 12.0
# On a GPU reading the loss waits for the step to finish, so it is read now and then only.
GPU_STEPS_PER_READING = 10
SECONDS_PER_REPORT = 0.5
# Of what writing a checkpoint took: it must not slow the training of a large network.
SHORTEST_TIMES_BETWEEN = 30


class Loop:
    """State of one training.

    Raises:
        InputError: unknown loss or loss option.
    """

    def __init__(self, work: Work) -> None:
        self._started = time.monotonic()
        self._work, self._settings, self._device, self._ranks = work, work.settings, work.device, work.ranks
        self.plan = work.plan
        self._data: Prefetch[tuple[list[Crop], np.random.Generator]] | None = None
        self.notes: list[str] = []
        settings = work.settings
        supervised = settings.deep_supervision and supports_deep_supervision(work.plan)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network = build_network(work.plan, len(work.plan.normalisation), supervised)
        if work.initial is not None:
            load_weights(network, work.initial)
        self._network = network.to(work.device.torch_device).train()
        self._forward = work.ranks.wrap(self._network, work.device)
        self._objective = Objective(settings).to(work.device.torch_device)
        self._optimisation = make_optimisation(self._network, settings, work.initial is not None)
        self._scaler = torch.amp.GradScaler(work.device.kind, enabled=autocast_dtype(work.device) == torch.float16)
        averages = settings.averaging > 0 and not self._optimisation.validates
        self._average = WeightAverage(self._network.named_parameters(), settings.averaging) if averages else None
        self._best: dict[str, Tensor] = {}
        self._curve = Curve()
        self._use(self.plan)
        self._total_steps = None if settings.epochs is None else settings.epochs * self._epoch_length
        self._epoch_step = 0
        self._seconds_before = 0.0
        self.steps = 0

    @property
    def history(self) -> list[HistoryPoint]:
        """The curve so far."""
        return self._curve.history

    @property
    def seconds(self) -> float:
        """In the loop, over all processes that worked on this training one after the other."""
        return self._seconds_before + time.monotonic() - self._started

    def resume(self) -> None:
        """Continue from the checkpoint; see `ufseg.training.trainer.train`."""
        if self._work.checkpoint is None:
            raise InputError("Resuming needs a checkpoint file; none was given.")
        saved = read_checkpoint(self._work.checkpoint, self._work.fingerprint)
        header = saved.header
        load_weights(self._network, saved.weights)
        if self._average is not None:
            self._average.load(saved.average)
        self._best = dict(saved.best)
        self._optimisation.load_tensors(saved.moments, header.step)
        self._optimisation.load_numbers(header.schedule)
        if header.loss_scale is not None and self._scaler.is_enabled():
            self._scaler.load_state_dict(self._scaler.state_dict() | {"scale": header.loss_scale})
        self._use(self.plan.model_copy(update={"patch_size": header.patch_size, "batch_size": header.batch_size}))
        self._total_steps = header.total_steps
        self._epoch_step = header.epoch_step
        self._seconds_before = header.seconds
        self._curve = Curve(header.history)
        self.notes = list(header.notes)
        self.steps = header.step

    def run(self, progress: ProgressCallback, cancelled: CancelCheck) -> None:
        """Train to the end; see `ufseg.training.trainer.train` for what is raised."""
        try:
            self._run(progress, cancelled)
        finally:
            if self._data is not None:
                self._data.close()

    def _run(self, progress: ProgressCallback, cancelled: CancelCheck) -> None:
        reported = written = time.monotonic()
        writing = 0.0
        self._report(progress)
        while True:
            fraction, finished, stopped = self._decide(cancelled)
            if finished:
                break
            if stopped:
                if self.steps:
                    self._save()
                raise CancelledError(f"The training was stopped after {self.steps} steps. No model was made.")
            if not self._step_or_shrink(fraction, progress):
                continue
            if self._optimisation.validates and self._epoch_step == self._epoch_length:
                self._end_epoch()
            elif self._curve.is_due(fraction):
                self._note()
            now = time.monotonic()
            if now - reported >= SECONDS_PER_REPORT:
                self._read()
                self._report(progress)
                reported = now
            if now - written >= max(self._settings.checkpoint_seconds, SHORTEST_TIMES_BETWEEN * writing):
                self._save()
                written = time.monotonic()
                writing = written - now
        self._note()
        self._seconds_before, self._started = self.seconds, time.monotonic()
        self._save()
        self._report(progress, finished=True)

    def result(self) -> dict[str, Tensor]:
        """The weights to be used, on the CPU, without heads of deep supervision."""
        state = self._best or network_state(self._network)
        if self._average is not None:
            state |= {name: tensor.detach().cpu() for name, tensor in self._average.tensors.items()}
        return without_heads(state)

    def _decide(self, cancelled: CancelCheck) -> tuple[float, bool, bool]:
        """Share done, whether that is all, whether to stop; as the first process sees it, in all of them."""
        values = [0.0, 0.0, 0.0]
        if self._ranks.is_first:
            finished = self._finished()
            values = [self._fraction(), float(finished), float(not finished and cancelled())]
        fraction, end, stop = self._ranks.from_first(values)
        return fraction, bool(end), bool(stop)

    def _fraction(self) -> float:
        if self._total_steps is not None:
            return self.steps / self._total_steps
        return self.seconds / (self._settings.budget_seconds or 1.0)

    def _finished(self) -> bool:
        if self._optimisation.finished:
            return True
        if self._total_steps is not None:
            return self.steps >= self._total_steps
        # Half a step early, so that on average the last one ends on time.
        return self.steps > 0 and self._fraction() * (1 + 0.5 / self.steps) >= 1

    def _step_or_shrink(self, fraction: float, progress: ProgressCallback) -> bool:
        """Do a step; if the memory does not suffice, make the next ones smaller and return False."""
        try:
            with memory_errors(self._device, step_in_words(self.plan), "make the plan's features smaller"):
                self._do_step(fraction)
            return True
        except OutOfMemoryError:
            smaller = smaller_plan(self.plan) if self._ranks.count == 1 else None
            if smaller is None:
                raise
        # The error's traceback held what the failed step had allocated, and is held itself by a cycle of references.
        gc.collect()
        start = f"The memory of {self._device.name} did not suffice for a step with {step_in_words(self._work.plan)}"
        self.notes = [note for note in self.notes if not note.startswith(start)]
        self.notes.append(f"{start}; from step {self.steps + 1} on it was {step_in_words(smaller)}.")
        self._optimisation.optimizer.zero_grad(set_to_none=True)
        if self.steps == 0:
            self._optimisation.optimizer.state.clear()  # a first step that failed may have left half of it
        if self._scaler.is_enabled():
            self._scaler = torch.amp.GradScaler(self._device.kind, init_scale=self._scaler.get_scale())
        if self._device.kind == "cuda":
            torch.cuda.empty_cache()
        before = self._epoch_length
        self._use(smaller)
        if self._total_steps is not None:
            self._total_steps = self.steps + round((self._total_steps - self.steps) * self._epoch_length / before)
        self._epoch_step = 0
        self._report(progress)
        return False

    def _use(self, plan: Plan) -> None:
        problem = precision_problem(plan, self._device)
        if problem is not None and problem not in self.notes:
            self.notes.append(problem)
        self.plan = plan
        if self._data is not None:
            self._data.close()
        self._data = Prefetch(self._gatherer(plan), ahead=self._device.kind == "cuda")
        self._epoch_length = steps_per_epoch(self._work.cases, plan, self._ranks.count)

    def _gatherer(self, plan: Plan) -> Callable[[int], tuple[list[Crop], np.random.Generator]]:
        """As a function of the step: what it needs of the cases, and the generator of the rest of its randomness."""
        settings, ranks = self._settings, self._ranks
        sampler = PatchSampler(
            self._work.cases,
            plan,
            settings.seed,
            settings.foreground,
            settings.augmentation.shift_voxels,
            new=self._work.new_cases,
            rank=ranks.rank,
            ranks=ranks.count,
        )
        pinned = self._device.kind == "cuda"

        def make(step: int) -> tuple[list[Crop], np.random.Generator]:
            rng = np.random.default_rng((settings.seed, 3, step * ranks.count + ranks.rank))
            return gather(sampler.places(step), plan, settings.augmentation, rng, pinned=pinned), rng

        return make

    def _do_step(self, fraction: float) -> None:
        optimizer = self._optimisation.optimizer
        self._optimisation.before_step(fraction)
        assert self._data is not None
        crops, rng = self._data.take(self.steps)
        image, label = warp(crops, self.plan, self._settings.augmentation, rng, self._device.torch_device)
        with training_autocast(self.plan, self._device):
            outputs = self._forward(image)
        loss = self._objective(outputs, label)
        optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(self._network.parameters(), MAX_GRADIENT_NORM)
        self._scaler.step(optimizer)
        self._scaler.update()
        self.steps += 1
        self._epoch_step += 1
        if self._average is not None:
            self._average.update(self._network.named_parameters(), self.steps)
        self._curve.add(loss)
        if self._device.kind == "cpu" or self._curve.pending >= GPU_STEPS_PER_READING:
            self._read()

    def _end_epoch(self) -> None:
        self._epoch_step = 0
        own = self._work.validation[self._ranks.rank :: self._ranks.count]
        total, patches = validation_loss(self._network, self._objective, own, self.plan, self._device)
        total, count = self._ranks.sum([total, float(patches)])
        if self._optimisation.end_epoch(total / count):
            self._best = network_state(self._network)
        self._note(total / count)

    def _read(self) -> None:
        self._curve.read(self.steps, self._optimisation.rate)

    def _note(self, validation: float | None = None) -> None:
        self._read()
        self._curve.note(self.steps, self.seconds, self._optimisation.rate, validation)

    def _report(self, progress: ProgressCallback, finished: bool = False) -> None:
        if not self._ranks.is_first:
            return
        fraction = 1.0 if finished else min(self._fraction(), 1.0) if self.steps else 0.0
        seconds = self.seconds
        eta = seconds / fraction * (1 - fraction) if fraction > 0 else self._settings.budget_seconds
        scalars = {"step": float(self.steps), "learning_rate": self._optimisation.rate}
        if not np.isnan(self._curve.smooth):
            scalars["loss"] = self._curve.smooth
        if self.history and self.history[-1].validation_loss is not None:
            scalars["validation_loss"] = self.history[-1].validation_loss
        shrunk = self.plan != self._work.plan
        stage = f"out of memory, training on with {step_in_words(self.plan)}" if shrunk else "training"
        progress(Progress(fraction, stage, eta, scalars))

    def _save(self) -> None:
        if self._work.checkpoint is None or not self._ranks.is_first:
            return
        self._read()
        header = CheckpointHeader(
            job=self._work.fingerprint,
            step=self.steps,
            seconds=self.seconds,
            history=self.history,
            loss_scale=self._scaler.get_scale() if self._scaler.is_enabled() else None,
            schedule=self._optimisation.numbers(),
            epoch_step=self._epoch_step,
            total_steps=self._total_steps,
            patch_size=self.plan.patch_size,
            batch_size=self.plan.batch_size,
            notes=self.notes,
        )
        average = self._average.tensors if self._average is not None else {}
        state = network_state(self._network)
        write_checkpoint(
            self._work.checkpoint, Checkpoint(header, state, average, self._optimisation.tensors(), self._best)
        )

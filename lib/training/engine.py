"""The training loop for any network from windows to one or more outputs: read `Training.run` first.

Accumulates gradients, validates, stops early, saves, resumes exactly and stops on request. Knows no model by
name, chooses no hyperparameter and writes only its state directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np
import torch
from scipy.special import expit, softmax
from torch import nn

from lib.config.training import Recipe
from lib.errors import DataError, StudyError, TrainingDiverged, TrainingStopped
from lib.metrics.losses import intercept_refitted_loss, mean_loss
from lib.metrics.ternary import CLASSES
from lib.training.average import Average
from lib.training.batches import Order, Windows
from lib.training.checkpoint import CheckpointStore, Position
from lib.training.checkpointing import Checkpointing
from lib.training.context import OUTPUTS, Loss, TrainingContext, TrainingResult
from lib.training.devices import Device, rng_state, seed_everything, set_rng_state
from lib.training.draws import Draws, drawing
from lib.training.energy import EnergyMeter, find_counters
from lib.training.forward import evaluation_batch, forward, keeps_statistics, summed_loss
from lib.training.health import Watch, likely_cause, worries
from lib.training.layers import use_fast_layers
from lib.training.memory import memory_told
from lib.training.meter import Meter
from lib.training.optim import build_optimizer, clip_gradients, learning_rate, set_learning_rate
from lib.training.progress import say, say_once
from lib.training.signals import StopSignals
from lib.training.state import open_state
from lib.training.threads import kept_threads

if TYPE_CHECKING:
    from lib.datasets.windows import Samples


def train(
    network: nn.Module,
    train: Samples,
    selection: Samples,
    loss: Loss,
    recipe: Recipe,
    context: TrainingContext,
) -> TrainingResult:
    """Fit a network, or continue where an earlier invocation stopped.

    On CPU an interrupted and resumed training ends in the same bytes as an uninterrupted one. It keeps its
    number of threads: another number would give other bytes.

    Args:
        network: (batch, L, channels) float32 to (batch,) logits or values, or to (batch, outputs) logits.
            Afterwards it is on the device and holds the weights with the lowest selection loss.
        train: windows to learn from.
        selection: windows on which training stops and chooses (of the primary symbol, where a row has
            several).
        loss: ``bce`` for targets 0/1, ``ce`` for numbers of classes, ``mse`` for returns.
        recipe: optimiser, schedule, batch and stopping.
        context: where and how.

    Raises:
        TrainingStopped: SIGINT, SIGTERM or heat; the state is saved and the next call continues.
        TrainingDiverged: the loss became NaN or exploded; the last good checkpoint is kept.
        DataError: a part without windows.
        ModelError: the network's output has another shape, or the memory does not suffice.
        StudyError: too little disk space; another process holds the state (TrainingStopped).
    """
    for name, samples in (("training", train), ("selection", selection)):
        if len(samples) == 0:
            raise DataError(f"the {name} part has no windows; check the dates of data.splits.")
    with (
        open_state(context.state_dir, context.fingerprint, context.runtime.lock_timeout_seconds) as state,
        StopSignals() as signals,
        memory_told(context.micro_batch or recipe.effective_batch),
    ):
        store = CheckpointStore.of(network, state.folder, context.runtime.keep_checkpoints)
        training = Training(
            network=network,
            train=train,
            selection=selection,
            loss=loss,
            recipe=recipe,
            context=context,
            store=store,
            signals=signals,
        )
        try:
            return training.run()
        finally:
            training.settle()
            context.progress.close()


def validation_losses(output: torch.Tensor, target: torch.Tensor, loss: Loss) -> tuple[float, float]:
    """Mean loss of a network's outputs, as they are and with the intercept re-fitted, in float64 on the CPU.

    Args:
        output: (n,) logits or values, or (n, classes) logits.
        target: (n,) as in training; for `ce` the numbers of the classes.
        loss: which.
    """
    forecast, wanted = (values.cpu().numpy().astype(np.float64) for values in (output, target))
    if loss == "bce":
        forecast = expit(forecast)
    elif loss == "ce":
        forecast, wanted = softmax(forecast, axis=1), wanted + CLASSES[0]
    return tuple(  # type: ignore[return-value]
        measure(wanted, forecast, loss == "bce") for measure in (mean_loss, intercept_refitted_loss)
    )


class Training:
    """One training: `run` is the overview, the other methods are its steps."""

    def __init__(
        self,
        *,
        network: nn.Module,
        train: Samples,
        selection: Samples,
        loss: Loss,
        recipe: Recipe,
        context: TrainingContext,
        store: CheckpointStore,
        signals: StopSignals,
    ) -> None:
        self.recipe, self.context, self.store, self.signals = recipe, context, store, signals
        self.samples, self.loss = train, loss
        found = store.latest()
        choices = found[0]["choices"] if found else {}  # the machine's choices hold for the whole run
        runtime = context.runtime
        if "threads" in choices:
            runtime = kept_threads(runtime, int(choices["threads"]), str(context.state_dir))
        precision = choices.get("precision", context.precision)
        self.device = Device.choose(runtime, precision, context.job_threads)
        self.micro_batch = int(
            choices.get("micro_batch")
            or min(context.micro_batch or recipe.effective_batch, recipe.effective_batch)
        )
        self.compiled = bool(choices.get("compile", self._wants_compile()))
        if not found:
            store.require_space(network, recipe.averaging > 0)
            seed_everything(context.seed)  # weights are the caller's; this is for layers that draw themselves

        use_fast_layers(network)  # dropout of any network belongs to windows and steps then
        self.network = network.to(self.device.handle)
        self.step_network = cast(nn.Module, torch.compile(network)) if self.compiled else network
        self.optimizer = build_optimizer(network, recipe)
        self.average = Average(network, recipe.averaging) if recipe.averaging else None
        self.windows, self.draws = Windows(train, self.device.handle), Draws(self.device.handle)
        self.order = Order(len(train), recipe.effective_batch, context.seed)
        selection = selection.every(recipe.validation_stride, 0)
        shared = self.windows.matrix if selection.matrix is train.matrix else None
        self.selection = Windows(selection, self.device.handle, shared)

        choices = {
            "micro_batch": self.micro_batch,
            "precision": self.device.precision,
            "compile": self.compiled,
            "threads": self.device.threads,
        }
        identity = {"fingerprint": context.fingerprint, "choices": choices}
        self.checkpointing = Checkpointing(
            store, network, self.optimizer, self.device, identity, self.average
        )
        self.at, self.finished, self.resumed = Position(), False, found is not None
        self.loss_sum = torch.zeros((), dtype=self.device.accumulator, device=self.device.handle)
        self.watch, self.meter = Watch(self.device), Meter()
        self.energy = EnergyMeter(find_counters(self.device.kind), context.state_dir)
        if found:
            self.at, self.finished = self.checkpointing.restore(*found)
            self.loss_sum += self.at.loss_sum
            say(f"Resuming after step {self.at.step} ({store.folder}).")

    def run(self) -> TrainingResult:
        """Steps and validations until patience or the steps run out, then the best weights."""
        self.context.thermal.should_stop = self.signals.requested
        self._tell_what_was()
        with self.energy:
            while not self.finished:
                try:
                    self._train_until_validation()
                    losses = self._validate()
                except TrainingStopped as stop:
                    raise self._saved(stop) from None
                self._conclude(*losses)
        self._honour_signal()  # one that came with the last step must not be forgotten
        return self._result()

    def _tell_what_was(self) -> None:
        """Report the plan and, after a resume, the past to observers."""
        self.context.progress.total_steps = self.recipe.max_steps
        for row in self.at.history:
            if self.context.report:
                self.context.report(row["step"], row["selection_loss"])

    def _train_until_validation(self) -> None:
        """The steps that are left before the next validation."""
        at, recipe = self.at, self.recipe
        self.network.train()
        self.meter.start()
        while at.steps_seen < recipe.validate_every_steps and at.step < self._last_step():
            self._step(torch.from_numpy(self.order.step(at.step)).to(self.device.handle))
            self.context.thermal.check(at.step)
            self._honour_signal()
        at.loss_sum = float(self.loss_sum)  # waits for the device, so that the clock is right
        at.train_seconds += self.meter.stop()
        self._refuse_divergence()

    def _step(self, batch: torch.Tensor) -> None:
        """From a batch, as numbers of windows, to new weights."""
        at = self.at
        loss = self._accumulate(batch)
        set_learning_rate(self.optimizer, self._learning_rate(at.step))
        norm = clip_gradients(self.network, self.recipe.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update()
        at.step += 1
        at.steps_seen += 1
        self.loss_sum += loss
        self.watch.note(loss, norm)
        if self.meter.step(len(batch)):
            self._look(loss)

    def _accumulate(self, batch: torch.Tensor) -> torch.Tensor:
        """Gradients of the mean loss over one effective batch, in micro-batches; returns that mean.

        Each micro-batch counts by its number of windows, and dropout draws for each window whatever its
        micro-batch, so the gradients are those of one big batch.
        Within one autocast context weights are cast to bf16 once for all micro-batches. A stop signal is
        honoured between micro-batches: the unfinished step is forgotten, and redone on resume with the
        random numbers it began with.
        """
        parts = batch.split(self.micro_batch)
        start = rng_state(self.device) if len(parts) > 1 and not keeps_statistics(self.network) else None
        total, first = torch.zeros((), device=self.device.handle), 0
        with self.device.autocast(), drawing(self.draws):
            for part in parts:
                if first and start is not None and self.signals.requested():
                    set_rng_state(start, self.device)
                    self.optimizer.zero_grad(set_to_none=True)
                    self._honour_signal()
                inputs, target = self.windows.gather(part)
                self.draws.begin(self.context.seed, self.at.step, first, len(part))
                first += len(part)
                output = forward(self.step_network, inputs, OUTPUTS[self.loss])
                loss = summed_loss(output, target, self.loss) / len(batch)
                loss.backward()
                total += loss.detach()
        return total

    def _validate(self) -> tuple[float, float]:
        """Mean loss over the selection windows, as it is and with the intercept re-fitted."""
        self.network.eval()
        outputs, targets = [], []
        with (
            self.average.in_place() if self.average is not None else nullcontext(),
            torch.inference_mode(),
            self.device.autocast(),
        ):
            for inputs, target in self.selection.in_order(evaluation_batch(self.micro_batch)):
                outputs.append(forward(self.step_network, inputs, OUTPUTS[self.loss]).float())
                targets.append(target)
                self.context.progress.alive("validating")
                self._honour_signal()
        return validation_losses(torch.cat(outputs), torch.cat(targets), self.loss)

    def _conclude(self, validation_loss: float, selection_loss: float) -> None:
        """Record a validation, keep the best weights, decide whether to continue; save; report."""
        at, context = self.at, self.context
        if not np.isfinite(validation_loss):
            self._diverged(f"the validation loss became {validation_loss}")
        row = self._book(validation_loss, selection_loss)
        improved = selection_loss < at.best_loss
        if improved:
            at.best_step, at.best_loss = at.step, selection_loss
            self._keep_best()
        self._decide()

        for worry in worries(at.history, self.device):
            say_once(
                f"{context.state_dir}: {worry}",
                f"WARNING: {context.progress.label} step {at.step}: {worry}.",
            )
        self._track(row)
        context.progress.validated(at.step, row["train_loss"], selection_loss, improved)
        self.device.release()
        self._save_if_due()
        if context.report:
            context.report(at.step, selection_loss)

    def _decide(self) -> None:
        """Whether training anneals from here, or is over."""
        at, recipe = self.at, self.recipe
        impatient = at.step - at.best_step >= recipe.patience_steps
        if recipe.schedule == "cosine":
            at.stopped_early = impatient and at.step < recipe.max_steps
        elif at.decay_from is None and (impatient or at.step >= recipe.decay_begins_by):
            at.decay_from = min(at.step, recipe.decay_begins_by)  # between validations it began by itself
            at.stopped_early = at.step < recipe.decay_begins_by
        self.finished = at.step >= self._last_step() or (recipe.schedule == "cosine" and at.stopped_early)

    def _last_step(self) -> int:
        """Step after which nothing more is learned: the rate is at its floor."""
        if self.at.decay_from is None:
            return self.recipe.max_steps
        return self.at.decay_from + self.recipe.annealing_steps

    def _keep_best(self) -> None:
        with self.average.in_place() if self.average is not None else nullcontext():
            self.checkpointing.keep_best()

    def _save_if_due(self) -> None:
        """Save what is due after a validation. A failure is reported and does not end the training."""
        every = self.context.runtime.checkpoint_every_steps
        due = self.at.step // every > (self.at.step - self.recipe.validate_every_steps) // every
        self.settle(wait=self.finished or due)
        with self._tolerating():
            if self.finished:  # saved as well, so that a crash while predicting costs no training
                self.checkpointing.finish(self.at)
            elif due:
                self._save()

    def _track(self, row: dict[str, Any]) -> None:
        numbers = {name: value for name, value in row.items() if name != "step"}
        self.context.tracker.log(numbers, row["step"])

    def _book(self, validation_loss: float, selection_loss: float) -> dict[str, Any]:
        """Add a validation to the history and begin the next stretch."""
        at = self.at
        train_loss = at.loss_sum / at.steps_seen
        row = {
            "step": at.step,
            "train_loss": train_loss,
            "validation_loss": validation_loss,
            "selection_loss": selection_loss,
            "learning_rate": self._learning_rate(at.step - 1),
            "seconds": at.train_seconds + self.meter.stop(),
            "samples_per_second": at.steps_seen * self.recipe.effective_batch / max(at.train_seconds, 1e-9),
            "temperature": self.context.thermal.last,
        }
        at.history.append(row)
        at.first_loss = train_loss if at.first_loss is None else at.first_loss
        at.loss_sum, at.steps_seen, at.train_seconds = 0.0, 0, 0.0
        self.loss_sum.zero_()
        return row

    # --- looking after the run -----------------------------------------------------------------

    def _look(self, loss: torch.Tensor) -> None:
        """Refuse divergence and show progress; waits for the device."""
        self._refuse_divergence()
        at = self.at
        self.context.progress.update(at.step, float(loss), self.meter.speed(), self.context.thermal.last)

    def _honour_signal(self) -> None:
        if self.signals.requested():
            raise TrainingStopped(
                f"Training stopped by {self.signals.name} after step {self.at.step}. The work so far is "
                "saved; the same command continues (Snakemake: with --rerun-incomplete)."
            )

    def _refuse_divergence(self) -> None:
        reason = self.watch.verdict(self.at.first_loss, self.recipe.explosion_factor)
        if reason:
            self._diverged(reason)

    def _diverged(self, reason: str) -> NoReturn:
        at = self.at
        self.settle()
        kept = self.store.checkpoints()
        raise TrainingDiverged(
            f"Training diverged at or shortly before step {at.step}: {reason}. "
            f"{likely_cause(self.samples, self._learning_rate(max(0, at.step - 1)))}. "
            + (f"The last good checkpoint is {kept[-1]}." if kept else "There is no checkpoint yet.")
        )

    def _learning_rate(self, step: int) -> float:
        return learning_rate(step, self.recipe, self.at.decay_from)

    def _save(self) -> None:
        # Weights that diverged must never replace good ones: there is no way back from them.
        self._refuse_divergence()
        self.at.loss_sum = float(self.loss_sum)
        self.checkpointing.save(self.at)

    def settle(self, wait: bool = True) -> None:
        """Finish the last checkpoint, or (`wait` false) only check a finished write.

        A failure is reported and does not end the training.
        """
        with self._tolerating():
            self.checkpointing.settle(wait)

    @contextmanager
    def _tolerating(self) -> Iterator[None]:
        try:
            yield
        except TrainingDiverged:
            raise
        except StudyError as error:
            say(f"WARNING: {error} Training goes on without; earlier checkpoints are kept.")

    def _saved(self, stop: TrainingStopped) -> TrainingStopped:
        """The same stop, after saving."""
        self.at.train_seconds += self.meter.stop()
        self.settle()
        try:
            self._save()
            self.checkpointing.settle()
        except TrainingDiverged:
            raise
        except StudyError as error:
            return TrainingStopped(f"{stop}\nBUT the latest state is NOT saved: {error}")
        return stop

    def _wants_compile(self) -> bool:
        if self.context.compile is not None:
            return self.context.compile
        setting = self.context.runtime.compile
        # On CPU compiling costs minutes and gains little for matrix products of this size.
        return setting == "on" or (setting == "auto" and self.device.kind == "cuda")

    def _result(self) -> TrainingResult:
        at = self.at
        return TrainingResult(
            best_step=at.best_step,
            best_loss=at.best_loss,
            steps=at.step,
            stopped_early=at.stopped_early,
            history=at.history,
            seconds=sum(row["seconds"] for row in at.history),
            # Stretches are equally long, so the mean speed is the harmonic mean of theirs.
            samples_per_second=len(at.history) / sum(1 / row["samples_per_second"] for row in at.history),
            peak_memory_bytes=self.device.peak_memory(),
            device=self.device.kind,
            precision=self.device.precision,
            micro_batch=self.micro_batch,
            threads=self.device.threads,
            resumed=self.resumed,
            kwh=self.energy.kwh,
        )

"""Several networks of the same shape trained at once: one forward and backward pass computes all of them.

For models that leave a device idle. Each member is a `Training` of its own, with its own windows, random
numbers, clipping, early stopping, checkpoints and result; only the gradients are computed together (stacked
weights under `torch.func.vmap`). A member ends in what it would have become alone, up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.func import functional_call, vmap

from lib.config.training import Recipe
from lib.errors import ModelError, TrainingStopped
from lib.training.checkpoint import CheckpointStore
from lib.training.context import Loss, TrainingContext, TrainingResult
from lib.training.engine import Training
from lib.training.forward import summed_loss
from lib.training.layers import separate_streams
from lib.training.memory import memory_told
from lib.training.signals import StopSignals
from lib.training.state import open_state

if TYPE_CHECKING:
    from lib.datasets.windows import Samples


@dataclass(frozen=True)
class Member:
    """One network of a pack, with what `lib.training.engine.train` takes."""

    network: nn.Module
    train: Samples
    selection: Samples
    context: TrainingContext


def train_together(members: Sequence[Member], loss: Loss, recipe: Recipe) -> list[TrainingResult]:
    """Fit networks of the same shape, or continue where an earlier invocation stopped.

    Heat and stop signals are the first member's matter; all members are saved then.

    Args:
        members: with equally many training windows each; the states of all are held meanwhile.
        loss: as for one training.
        recipe: the same for all.

    Returns:
        One result per member, in their order.

    Raises:
        TrainingStopped, TrainingDiverged, StudyError: as for one training. A member that diverges ends the
            pack; the others' latest checkpoints are kept.
        ModelError: numbers of windows differ; the memory does not suffice.
    """
    if len({len(member.train) for member in members}) > 1:
        raise ModelError("runs trained together must have equally many training windows.")
    with ExitStack() as stack:
        signals = stack.enter_context(StopSignals())
        stack.enter_context(memory_told(members[0].context.micro_batch or recipe.effective_batch))
        joined: list[_Joined] = []
        for member in members:
            joined.append(_join(member, loss, recipe, stack, joined[0].training if joined else None))
        try:
            _run(joined, signals)
        finally:
            members[0].context.progress.close()
        return [one.training.result() for one in joined]


@dataclass
class _Joined:
    """A training with its random stream, which is PyTorch's global one whenever its turn has come."""

    training: Training
    stream: torch.Generator

    @contextmanager
    def turn(self) -> Iterator[Training]:
        """Within it the global random stream is this member's."""
        torch.set_rng_state(self.stream.get_state())
        try:
            yield self.training
        finally:
            self.stream.set_state(torch.get_rng_state())


def _join(member: Member, loss: Loss, recipe: Recipe, stack: ExitStack, first: Training | None) -> _Joined:
    context = replace(member.context, compile=False)
    runtime = context.runtime
    state = stack.enter_context(
        open_state(context.state_dir, context.fingerprint, runtime.lock_timeout_seconds)
    )
    same_matrix = first is not None and first.samples.matrix is member.train.matrix
    training = Training(
        network=member.network,
        train=member.train,
        selection=member.selection,
        loss=loss,
        recipe=recipe,
        context=context,
        store=CheckpointStore.of(member.network, state.folder, runtime.keep_checkpoints),
        signals=StopSignals(),  # never set: the pack stops as a whole, between two steps
        matrix=first.windows.matrix if first is not None and same_matrix else None,
    )
    stream = torch.Generator()
    stream.set_state(torch.get_rng_state())  # as the training has just seeded or restored it
    return _Joined(training, stream)


def _run(joined: list[_Joined], signals: StopSignals) -> None:
    context = joined[0].training.context
    context.thermal.should_stop = signals.requested
    for one in joined:
        one.training.prepare()
    while left := [one for one in joined if not one.training.finished]:
        # A kill between two members' checkpoints leaves some of them behind: those catch up first.
        place = min(_place(one) for one in left)
        group = [one for one in left if _place(one) == place]
        try:
            _train_epoch(group, context, signals)
            for one in group:
                with one.turn() as training:
                    training.end_epoch(training.validate())
            _honour(signals)
        except TrainingStopped as stop:
            raise _saved([one for one in left if not one.training.finished], stop) from None
    _honour(signals)  # one that came with the last step must not be forgotten


def _place(one: _Joined) -> tuple[int, int]:
    return one.training.at.epoch, one.training.at.step_in_epoch


def _train_epoch(group: list[_Joined], context: TrainingContext, signals: StopSignals) -> None:
    """The steps of this epoch that are left, for members that have come equally far."""
    trainings = [one.training for one in group]
    stack = _Stack([training.network for training in trainings])
    streams = [one.stream for one in group]
    for batches in zip(*[training.begin_epoch() for training in trainings], strict=True):
        with separate_streams(streams):
            losses = stack.accumulate(trainings, batches)
        for training, batch, loss in zip(trainings, batches, losses, strict=True):
            training.finish_step(batch, loss)
        context.thermal.check(trainings[0].at.step)
        _honour(signals)
    for training in trainings:
        training.end_steps()


def _honour(signals: StopSignals) -> None:
    if signals.requested():
        raise TrainingStopped(
            f"Training of a pack stopped by {signals.name}. The work so far is saved; the same command "
            "continues (Snakemake: with --rerun-incomplete)."
        )


def _saved(left: list[_Joined], stop: TrainingStopped) -> TrainingStopped:
    """The same stop, after saving every member."""
    for one in left:
        with one.turn() as training:
            stop = training.saved(stop)
    return stop


class _Stack:
    """The weights of several networks in one tensor each; the networks' own are views of them."""

    def __init__(self, networks: list[nn.Module]) -> None:
        self.network = networks[0]
        self.parameters: dict[str, torch.Tensor] = {}
        self._owners: dict[str, list[nn.Parameter]] = {}
        for name, parameter in networks[0].named_parameters():
            owners = [network.get_parameter(name) for network in networks]
            stacked = torch.stack([owner.detach() for owner in owners])
            for owner, view in zip(owners, stacked, strict=True):
                owner.data = view
            self.parameters[name] = stacked.requires_grad_(parameter.requires_grad)
            self._owners[name] = owners
        self.buffers = {
            name: torch.stack([network.get_buffer(name) for network in networks])
            for name, _ in networks[0].named_buffers()
        }
        self._forward = vmap(self._one, randomness="different")

    def _one(
        self, parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor], inputs: torch.Tensor
    ) -> torch.Tensor:
        output: torch.Tensor = functional_call(self.network, (parameters, buffers), (inputs,))
        return output

    def accumulate(self, trainings: list[Training], batches: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        """Put the gradients of each member's mean loss where its optimiser finds them; returns the means."""
        first = trainings[0]
        totals = [torch.zeros((), device=first.device.handle) for _ in trainings]
        split = [batch.split(first.micro_batch) for batch in batches]
        with first.device.autocast():
            for parts in zip(*split, strict=True):
                pairs = [
                    training.windows.gather(part) for training, part in zip(trainings, parts, strict=True)
                ]
                outputs = self._forward(
                    self.parameters, self.buffers, torch.stack([inputs for inputs, _ in pairs])
                )
                losses = [
                    summed_loss(output, target, first.loss) / len(batches[0])
                    for output, (_, target) in zip(outputs, pairs, strict=True)
                ]
                torch.stack(losses).sum().backward()
                totals = [total + loss.detach() for total, loss in zip(totals, losses, strict=True)]
        for name, owners in self._owners.items():
            gradient = self.parameters[name].grad
            self.parameters[name].grad = None
            if gradient is not None:
                for owner, own in zip(owners, gradient, strict=True):
                    owner.grad = own
        return totals

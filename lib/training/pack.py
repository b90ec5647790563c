"""Several networks of the same shape trained at once: one forward and backward pass computes all of them.

For models that leave a device idle. Each member is a `Training` of its own, with its own windows, random
numbers, clipping, early stopping, checkpoints and result; only the gradients are computed together (stacked
weights under `torch.func.vmap`). A member ends in what it would have become alone, up to rounding.

An interrupted pack ends in the same bytes as an uninterrupted one (on CPU), because the same members are
computed together at every step: whoever leaves does so at the end of an epoch, once those that stay have
saved, and a killed pack goes on from a place that all its members have saved (`lib.training.pack_state`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.config.training import Recipe
from lib.errors import ModelError, StudyError, TrainingDiverged, TrainingStopped
from lib.training.checkpoint import CheckpointStore
from lib.training.context import Loss, TrainingContext, TrainingResult
from lib.training.engine import Training
from lib.training.layers import separate_streams
from lib.training.pack_state import go_back_to_common_place, record_pack
from lib.training.progress import say
from lib.training.retention import pack_keeps
from lib.training.signals import StopSignals
from lib.training.stack import Stack
from lib.training.state import open_state
from lib.training.streams import as_global, copies_of_global

if TYPE_CHECKING:
    from lib.datasets.windows import Samples


@dataclass(frozen=True)
class Member:
    """One network of a pack, with what `lib.training.engine.train` takes."""

    network: nn.Module
    train: Samples
    selection: Samples
    context: TrainingContext


def train_together(members: Sequence[Member], loss: Loss, recipe: Recipe) -> list[TrainingResult | None]:
    """Fit networks of the same shape, or continue where an earlier invocation stopped.

    The first member leads: heat, stop signals and progress are its matter, and all are saved on a stop. A
    companion that cannot be trained here (it diverges, its saved state does not fit) is left out with a
    warning, and the others go on; its own job meets the same trouble and reports it.

    Args:
        members: with equally many training windows each; the states of all are held meanwhile.
        loss: as for one training.
        recipe: the same for all.

    Returns:
        One result per member, in their order; None for a companion that was left out.

    Raises:
        TrainingStopped, StudyError: as for one training.
        TrainingDiverged: the first member diverged; the others are saved at the end of that epoch.
        ModelError: numbers of windows differ, or the memory does not suffice.
    """
    if len({len(member.train) for member in members}) > 1:
        raise ModelError("runs trained together must have equally many training windows.")
    with ExitStack() as stack:
        signals = stack.enter_context(StopSignals())
        try:
            joined = _join_all(members, loss, recipe, stack)
            _run(joined, signals)
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"out of memory with {len(members)} runs trained together. Lower training.pack. "
                f"({str(error).splitlines()[0]})"
            ) from error
        finally:
            members[0].context.progress.close()
        done = {one.number: one.training.result() for one in joined if one.training.finished}
        return [done.get(number) for number in range(len(members))]


@dataclass
class _Joined:
    """A training with its random streams, which are PyTorch's global ones whenever its turn has come."""

    number: int
    """Among the members; 0 leads."""
    training: Training
    streams: list[torch.Generator]
    """The CPU's; then that of the device, if it is another."""
    error: TrainingDiverged | None = None
    """What is wrong with it; it leaves at the end of the epoch."""

    @property
    def context(self) -> TrainingContext:
        return self.training.context

    @property
    def place(self) -> tuple[int, int]:
        return self.training.at.epoch, self.training.at.step_in_epoch

    @contextmanager
    def turn(self) -> Iterator[Training]:
        """Within it the global random streams are this member's."""
        with ExitStack() as stack:
            for stream in self.streams:
                stack.enter_context(as_global(stream))
            yield self.training

    def close_epoch(self) -> None:
        """Validate and book the epoch."""
        with self.turn() as training:
            training.close_epoch(training.validate())

    def attempt(self, work: Callable[..., None], *arguments: torch.Tensor) -> None:
        """Do what may find out that the member has diverged; the first such error is kept."""
        try:
            work(*arguments)
        except TrainingDiverged as error:
            self.error = self.error or error


def _join_all(members: Sequence[Member], loss: Loss, recipe: Recipe, stack: ExitStack) -> list[_Joined]:
    stores = []
    for member in members:
        context = member.context
        state = stack.enter_context(
            open_state(context.state_dir, context.fingerprint, context.runtime.lock_timeout_seconds)
        )
        n_parameters = sum(parameter.numel() for parameter in member.network.parameters())
        stores.append(
            CheckpointStore(state.folder, pack_keeps(n_parameters, context.runtime.keep_checkpoints))
        )
    go_back_to_common_place(stores)
    joined: list[_Joined] = []
    for number, (member, store) in enumerate(zip(members, stores, strict=True)):
        try:
            joined.append(_join(number, member, store, loss, recipe, joined[0].training if joined else None))
        except StudyError as error:
            if number == 0:
                raise
            _tell_left_out(member.context, error)
    _require_space(joined)
    record_pack([one.context for one in joined])
    for one in joined:
        if not one.training.resumed:  # the place to go back to, should a kill spare only some first saves
            with one.turn() as training:
                training.save_epoch()
    return joined


def _join(
    number: int, member: Member, store: CheckpointStore, loss: Loss, recipe: Recipe, first: Training | None
) -> _Joined:
    same_matrix = first is not None and first.samples.matrix is member.train.matrix
    training = Training(
        network=member.network,
        train=member.train,
        selection=member.selection,
        loss=loss,
        recipe=recipe,
        context=replace(member.context, compile=False),
        store=store,
        signals=StopSignals(),  # never set: the pack stops as a whole, between two steps
        matrix=first.windows.matrix if first is not None and same_matrix else None,
    )
    # As the training has just seeded or restored them.
    return _Joined(number, training, copies_of_global(training.device.handle))


def _require_space(joined: Sequence[_Joined]) -> None:
    """Check that the disk can hold what all members together have yet to write.

    Raises:
        StudyError: it cannot.
    """
    need = 0
    for one in joined:
        if not one.training.finished:
            folder = one.training.store.folder
            there = sum(path.stat().st_size for path in folder.iterdir())
            need += max(0, one.training.store.most_bytes(one.training.network) - there)
    folder = joined[0].training.store.folder
    free = shutil.disk_usage(folder).free
    if free < need:
        raise StudyError(
            f"{folder}: the checkpoints of the {len(joined)} runs that are trained together need up to "
            f"{need / 1e9:.2f} GB more, free are {free / 1e9:.2f} GB. Make space, keep fewer "
            "(training.keep_checkpoints) or train fewer at once (training.pack)."
        )


def _run(joined: list[_Joined], signals: StopSignals) -> None:
    context = joined[0].context
    context.thermal.should_stop = signals.requested
    for one in joined:
        one.training.prepare()
    while left := _unfinished(joined):
        # Members that have no saved place in common with the others catch up first.
        place = min(one.place for one in left)
        group = [one for one in left if one.place == place]
        # Whoever leads, they are stacked in the same order.
        group.sort(key=lambda one: str(one.context.state_dir))
        try:
            _train_epoch(group, context, signals)
            _end_epoch(group, joined)
            _honour(signals)
        except TrainingStopped as stop:
            raise _saved(_unfinished(joined), stop) from None
    _honour(signals)  # one that came with the last step must not be forgotten


def _unfinished(joined: list[_Joined]) -> list[_Joined]:
    return [one for one in joined if not one.training.finished and not one.error]


def _train_epoch(group: list[_Joined], context: TrainingContext, signals: StopSignals) -> None:
    """The steps of this epoch that are left, for members that have come equally far.

    One that diverges is computed to the end of the epoch all the same: when that is noticed depends on the
    clock, and the others must be computed in the same company whenever they are.
    """
    trainings = [one.training for one in group]
    gradients = _gradients(group)
    for batches in zip(*[training.begin_epoch() for training in trainings], strict=True):
        losses = gradients(batches)
        for one, batch, loss in zip(group, batches, losses, strict=True):
            one.attempt(one.training.finish_step, batch, loss)
        context.thermal.check(trainings[0].at.step)
        _honour(signals)
        if all(one.error for one in group):
            break
    for one in group:
        one.attempt(one.training.end_steps)


def _gradients(group: list[_Joined]) -> Callable[[tuple[torch.Tensor, ...]], list[torch.Tensor]]:
    """From a batch of each member to its mean loss; gradients lie where each optimiser finds them."""
    if len(group) == 1:  # as when it is trained alone, in every byte
        one = group[0]

        def alone(batches: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
            with one.turn() as training:
                return [training.accumulate(batches[0])]

        return alone
    trainings = [one.training for one in group]
    stack = Stack([training.network for training in trainings])
    streams = [one.streams[-1] for one in group]

    def together(batches: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        with separate_streams(streams):
            return stack.accumulate(trainings, batches)

    return together


def _end_epoch(group: list[_Joined], joined: list[_Joined]) -> None:
    """Validate and save. Whoever leaves, finished or diverged, does so after all the others have saved."""
    for one in group:
        if not one.error:
            one.attempt(one.close_epoch)
    sound = [one for one in group if not one.error]
    over = [one for one in sound if one.training.finished]
    someone_leaves = len(group) > 1 and (over or len(sound) < len(group))
    for one in sound:
        if someone_leaves or (one.training.save_is_due() and one not in over):
            with one.turn() as training:
                training.save_epoch()
    if len(sound) < len(group):
        _leave_out([one for one in group if one.error], joined)
    for one in over:
        one.training.save_result()
    for one in sound:
        one.training.report()
    leader = joined[0]
    if leader.error:
        raise leader.error


def _leave_out(diverged: list[_Joined], joined: list[_Joined]) -> None:
    record_pack([one.context for one in joined if not one.error])
    for one in diverged:
        record_pack([one.context])
        if one.number and one.error:
            _tell_left_out(one.context, one.error)


def _tell_left_out(context: TrainingContext, error: StudyError) -> None:
    say(
        f"WARNING: {context.state_dir}: left out; the runs trained together go on without it, and its own "
        f"job trains it alone. {type(error).__name__}: {error}"
    )


def _honour(signals: StopSignals) -> None:
    if signals.requested():
        raise TrainingStopped(
            f"Training of a pack stopped by {signals.name}. The work so far is saved; the same command "
            "continues (Snakemake: with --rerun-incomplete)."
        )


def _saved(left: list[_Joined], stop: TrainingStopped) -> TrainingStopped:
    """The same stop, after saving every member; one that is found diverged keeps its last good checkpoint."""
    for one in left:
        with one.turn() as training:
            try:
                stop = training.saved(stop)
            except TrainingDiverged as error:
                say(f"WARNING: {one.context.state_dir}: not saved. {error}")
    return stop

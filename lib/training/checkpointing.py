"""Checkpointing: gathers the state of a training, saves it and restores it.

Holds the best weights in memory in the meantime. A checkpoint is copied and then written by a thread beside
the training; one that is cut short by a kill leaves the one before in force. `lib.training.checkpoint`
handles files; the loop decides when to save.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from lib.errors import IntegrityError
from lib.training.average import Average
from lib.training.checkpoint import CheckpointStore, Payload, Position
from lib.training.devices import Device, rng_state, set_rng_state
from lib.training.writer import Writer, host_copy


class Checkpointing:
    """Saves and restores one training.

    Args:
        store: where.
        network: on its device.
        optimizer: of that network.
        device: whose random streams to keep.
        identity: stored in every checkpoint: `fingerprint` and the machine's `choices`.
        average: of the weights, if one is kept.
    """

    def __init__(
        self,
        store: CheckpointStore,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        device: Device,
        identity: dict[str, Any],
        average: Average | None = None,
    ) -> None:
        self.store, self.network, self.optimizer, self.device = store, network, optimizer, device
        self.identity, self.average = identity, average
        self.best: dict[str, torch.Tensor] = {}
        self.writer = Writer()
        self._copy: Payload | None = None
        """Of weights, optimiser and random streams; kept for its memory."""

    def keep_best(self) -> None:
        """Copy the weights into the CPU's memory, reusing the former copy's where nobody writes it now."""
        former = None if self.writer.busy() else self.best
        self.best = host_copy(self.network.state_dict(), former)

    def save(self, at: Position) -> None:
        """Copy everything, and begin to write it as a checkpoint beside the training; `settle` ends that.

        Raises:
            StudyError: the checkpoint before could not be written, and `settle` was not called.
        """
        self.writer.join()  # it may still read the former copy
        state: dict[str, Any] = {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": rng_state(self.device),
        }
        if self.average is not None:
            state["average"] = self.average.state_dict()
        self._copy = host_copy(state, self._copy)
        payload = self.identity | {"position": at.plain()} | self._copy
        own_are_best = at.best_step == at.step and self.average is None
        best = None if own_are_best or not at.best_step else self.best
        position = replace(at)
        self.writer.start(lambda: self.store.save(payload, position, best))

    def settle(self, wait: bool = True) -> None:
        """Finish writing the last checkpoint.

        Args:
            wait: for the end of writing; otherwise an unfinished write continues.

        Raises:
            StudyError: it could not be written; the earlier ones stay.
        """
        if wait or not self.writer.busy():
            self.writer.join()

    def finish(self, at: Position) -> None:
        """Give the network its best weights and write them as the result. Raises StudyError if that fails.

        Call `settle` first: the checkpoints on the way are deleted.
        """
        self.network.load_state_dict(self.best)
        self.store.save_finished(
            self.identity | {"position": at.plain(), "model": self.best, "finished": True}
        )

    def restore(self, payload: Payload, best: dict[str, torch.Tensor] | None) -> tuple[Position, bool]:
        """Put everything back as it was saved.

        Returns:
            Where training was, and whether it was finished (then the network holds the best weights).

        Raises:
            IntegrityError: the network is not the one that was saved.
        """
        at, finished = Position(**payload["position"]), bool(payload.get("finished"))
        try:
            self.network.load_state_dict(payload["model"])
            if not finished:
                self.optimizer.load_state_dict(payload["optimizer"])
                if self.average is not None:
                    self.average.load_state_dict(payload["average"])
        except (RuntimeError, ValueError) as error:
            raise IntegrityError(
                f"{self.store.folder}: the saved state does not fit this network "
                f"({str(error).splitlines()[0]}). The model's code has changed since: delete that folder."
            ) from error
        if not finished:
            set_rng_state(payload["rng"], self.device)
            if best is not None:
                self.best = best
            elif at.best_step:
                self.keep_best()
        return at, finished

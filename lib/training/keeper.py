"""Between the loop and its checkpoints: gathers what must be kept, and puts it back.

Holds the best epoch's weights in memory in the meantime. Files are the matter of `lib.training.checkpoint`;
when to save is the loop's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from lib.errors import IntegrityError
from lib.training.checkpoint import CheckpointStore, Payload, Position
from lib.training.devices import Device, rng_state, set_rng_state


class Keeper:
    """Keeps one training.

    Args:
        store: where.
        network: on its device.
        optimizer: of that network.
        device: whose random streams to keep.
        identity: told to every checkpoint: `fingerprint` and the machine's `choices`.
    """

    def __init__(
        self,
        store: CheckpointStore,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        device: Device,
        identity: dict[str, Any],
    ) -> None:
        self.store, self.network, self.optimizer, self.device = store, network, optimizer, device
        self.identity = identity
        self.best: dict[str, torch.Tensor] = {}

    def keep_best(self) -> None:
        """Copy the weights into the CPU's memory, reusing the former copy's."""
        for name, value in self.network.state_dict().items():
            if name in self.best:
                self.best[name].copy_(value)
            else:
                self.best[name] = value.detach().to("cpu", copy=True)

    def save(self, at: Position) -> None:
        """Write a checkpoint. Raises StudyError if that fails; the earlier ones stay."""
        payload = self.identity | {
            "position": at.plain(),
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": rng_state(self.device),
        }
        own_are_best = at.best_epoch == at.epoch and at.step_in_epoch == 0
        self.store.save(payload, at, None if own_are_best or not at.best_epoch else self.best)

    def finish(self, at: Position) -> None:
        """Give the network its best weights and write them as the result. Raises StudyError like `save`."""
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
        except (RuntimeError, ValueError) as error:
            raise IntegrityError(
                f"{self.store.folder}: the saved state does not fit this network "
                f"({str(error).splitlines()[0]}). The model's code has changed since: delete that folder."
            ) from error
        if not finished:
            set_rng_state(payload["rng"], self.device)
            if best is not None:
                self.best = best
            elif at.best_epoch:
                self.keep_best()
        return at, finished

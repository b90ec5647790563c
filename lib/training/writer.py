"""Writes beside the training: copies its state into the CPU's memory, and writes it from a thread.

Knows neither what is written nor where.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch


class Writer:
    """Does one piece of work at a time in a thread of its own, for which the interpreter waits at its end."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._last: Future[object] | None = None

    def busy(self) -> bool:
        """Whether the last piece is not done yet."""
        return self._last is not None and not self._last.done()

    def start(self, work: Callable[[], object]) -> None:
        """Begin a piece of work; waits for the one before and raises what that one raised."""
        self.join()
        self._last = self._pool.submit(work)

    def join(self) -> None:
        """Wait until the last piece is done. What it raised is raised here, once."""
        last, self._last = self._last, None
        if last is not None:
            last.result()


def host_copy(value: Any, former: Any = None) -> Any:
    """A copy in the CPU's memory of tensors in dictionaries, lists and tuples; the rest is passed on.

    Args:
        value: what to copy. Numbers, texts and the like are taken as they are.
        former: an earlier copy that is not needed any more; tensors of the same shape and type are written
            over, because taking new memory from the system costs more than copying.
    """
    if isinstance(value, torch.Tensor):
        if isinstance(former, torch.Tensor) and (former.shape, former.dtype) == (value.shape, value.dtype):
            return _filled(former, value.detach())
        room = torch.empty(value.shape, dtype=value.dtype, device="cpu")
        return _filled(room, value.detach())
    if isinstance(value, Mapping):
        known = former if isinstance(former, dict) else {}
        return {key: host_copy(entry, known.get(key)) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        before = (
            former if isinstance(former, list | tuple) and len(former) == len(value) else [None] * len(value)
        )
        return type(value)(host_copy(entry, old) for entry, old in zip(value, before, strict=True))
    return value


def _filled(room: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """`room` with the numbers of a tensor.

    From CPU to CPU by NumPy, with one thread, which is as fast as memory is. PyTorch would start all its
    threads for every tensor: where other work keeps a core busy, they wait for one another ten times longer.
    """
    if value.device.type == "cpu" and value.is_contiguous():
        np.copyto(_bytes(room), _bytes(value))
        return room
    return room.copy_(value)


def _bytes(tensor: torch.Tensor) -> np.ndarray:
    return tensor.view(-1).view(torch.uint8).numpy()

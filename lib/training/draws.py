"""Random bytes for dropout that belong to a window and an optimiser step, not to a micro-batch or a device.

SplitMix64 (Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195) is a function of a key and a counter. The
key follows from the run's seed and the step; the counter from the use of dropout within the forward pass, the
window's place in the batch and the element. So a batch cut into micro-batches of any size draws the same, and
nothing has to be stored to resume. Decides neither what is dropped nor how much.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from lib.errors import ModelError

_GAMMA, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_SHIFTS = (30, 27, 31)
_OF_ONE_USE = 1 << 40
"""Counters that one use of dropout in a forward pass may take."""


class Draws:
    """Bytes for the forward passes of one training.

    Args:
        device: where they are wanted.
    """

    def __init__(self, device: torch.device) -> None:
        # Tensors on the device, because MPS may round large numbers that are given as Python's, and because
        # a compiled network would be compiled again for each.
        numbers = (_GAMMA, _FIRST, _SECOND, _OF_ONE_USE, *((1 << (64 - shift)) - 1 for shift in _SHIFTS))
        on_device = torch.tensor([_signed(number) for number in numbers]).to(device)
        self._gamma, self._first, self._second, self._use, *self._masks = on_device.unbind()
        self._place = torch.zeros(2, dtype=torch.int64, device=device)
        """Key of the step, and number of the micro-batch's first window."""
        self.windows, self._uses = 0, 0

    def begin(self, seed: int, step: int, first: int, windows: int) -> None:
        """Before each forward pass in training mode.

        Args:
            seed: of the run.
            step: number of the optimiser step.
            first: place in the effective batch of the first window.
            windows: of this forward pass.
        """
        key = int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0])
        self._place.copy_(torch.tensor([_signed(key), first]))
        self.windows, self._uses = windows, 0

    def bytes(self, shape: torch.Size) -> torch.Tensor:
        """int8 of a shape whose first dimension counts windows, or equally many rows of each, in order.

        Raises:
            ModelError: it does not.
        """
        if self.windows == 0 or shape[0] % self.windows:
            raise ModelError(
                f"dropout on shape {tuple(shape)} in a pass of {self.windows} windows: the first dimension "
                "must count windows, or equally many rows of each, for draws that belong to a window."
            )
        elements = shape.numel() // self.windows
        words = -(-elements // 8)
        counter = torch.arange(self.windows * words, device=self._place.device)
        counter += self._place[1] * words + self._use * self._uses
        self._uses += 1
        drawn = self._mixed(counter.mul_(self._gamma).add_(self._place[0]))
        return drawn.view(torch.int8).view(self.windows, -1)[:, :elements].reshape(shape)

    def _mixed(self, state: torch.Tensor) -> torch.Tensor:
        """SplitMix64's output function, in place."""
        part = torch.empty_like(state)
        for shift, mask, factor in zip(_SHIFTS, self._masks, (self._first, self._second, None), strict=True):
            torch.bitwise_right_shift(state, shift, out=part)
            state.bitwise_xor_(part.bitwise_and_(mask))  # a shift of signed numbers copies their sign
            if factor is not None:
                state.mul_(factor)
        return state


_in_use: list[Draws] = []


@contextmanager
def drawing(draws: Draws) -> Iterator[None]:
    """Within, dropout takes its bytes from there."""
    _in_use.append(draws)
    try:
        yield
    finally:
        _in_use.pop()


def random_bytes(shape: torch.Size, device: torch.device) -> torch.Tensor:
    """int8 of a shape; outside of a training from PyTorch's generator, as any module's random numbers."""
    if _in_use:
        return _in_use[-1].bytes(shape)
    draws = Draws(device)
    draws.begin(int(torch.empty((), dtype=torch.int64).random_()), 0, 0, shape[0])
    return draws.bytes(shape)


def _signed(number: int) -> int:
    """The int64 of the same bits."""
    return number - (1 << 64) if number >= 1 << 63 else number

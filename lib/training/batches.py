"""Windows on the device, and the order in which training shows them.

The float32 matrix of all bars lies on the device once; a batch is gathered from it by row numbers there, so
memory does not depend on how many windows there are or how much they overlap. Nothing is normalised here.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from lib.datasets.windows import Samples


class Order:
    """Which windows each step shows: one shuffled pass over all of them after another, cut into equal
    batches.

    A batch depends on the arguments and its step alone, so a resumed run needs no stored order; it may
    begin in one pass and end in the next, so that every step has the same number of windows, however many
    there are.

    Args:
        n_windows: all training windows.
        batch: windows per step.
        seed: of the run.
    """

    def __init__(self, n_windows: int, batch: int, seed: int) -> None:
        self.n_windows, self.batch, self.seed = n_windows, batch, seed
        self._passes: dict[int, np.ndarray] = {}

    def step(self, number: int) -> np.ndarray:
        """(batch,) int64 numbers of the windows of a step, counted from 0."""
        found, begin, end = [], number * self.batch, (number + 1) * self.batch
        while begin < end:
            which, at = divmod(begin, self.n_windows)
            found.append(self._pass(which)[at : at + end - begin])
            begin += len(found[-1])
        return np.concatenate(found)

    def _pass(self, number: int) -> np.ndarray:
        if number not in self._passes:
            self._passes = {number: np.random.default_rng([self.seed, number]).permutation(self.n_windows)}
        return self._passes[number]


def put_matrix(matrix: np.ndarray, device: torch.device) -> torch.Tensor:
    """The matrix as a contiguous float32 tensor on the device; on CPU without a copy where possible."""
    with warnings.catch_warnings():  # Polars hands out read-only memory; nothing here writes to it
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.from_numpy(np.ascontiguousarray(matrix, dtype=np.float32)).to(device)


class Windows:
    """The windows of one part, gathered in batches.

    Args:
        samples: the part.
        device: where to compute.
        matrix: the part's matrix if it is on the device already (parts share one).
    """

    def __init__(self, samples: Samples, device: torch.device, matrix: torch.Tensor | None = None) -> None:
        length = samples.context_length
        ends = np.asarray(samples.ends, dtype=np.int64)
        if len(ends) and (ends.min() < length - 1 or ends.max() >= len(samples.matrix)):
            raise ValueError("a window reaches outside its matrix")
        self.matrix = put_matrix(samples.matrix, device) if matrix is None else matrix
        self.target = torch.from_numpy(np.array(samples.target, dtype=np.float32)).to(device)
        self.context_length = length
        self._first_row = torch.from_numpy(ends - (length - 1)).to(device)
        self._offsets = torch.arange(length, device=device)
        self._buffer = self.matrix.new_empty(0)

    def __len__(self) -> int:
        return len(self.target)

    def gather(self, numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs (batch, L, C) and targets (batch,) of some windows.

        The inputs live in one buffer that the next call overwrites (fresh memory for each batch costs three
        times the copy itself when there are many channels): use them up before gathering again.

        Args:
            numbers: (batch,) int64 on the device.
        """
        rows = (self._first_row.index_select(0, numbers).unsqueeze(1) + self._offsets).view(-1)
        n_channels = self.matrix.shape[1]
        if self._buffer.numel() < len(rows) * n_channels:
            with torch.inference_mode(False):  # else training could not use a buffer made while validating
                self._buffer = self.matrix.new_empty(len(rows) * n_channels)
        out = self._buffer[: len(rows) * n_channels].view(len(rows), n_channels)
        torch.index_select(self.matrix, 0, rows, out=out)
        return out.view(-1, self.context_length, n_channels), self.target.index_select(0, numbers)

    def in_order(self, batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """All windows from first to last, gathered in batches (see `gather`)."""
        numbers = torch.arange(len(self), device=self.target.device)
        for batch in numbers.split(batch_size):
            yield self.gather(batch)

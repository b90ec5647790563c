"""Windows on the device, and the order in which an epoch shows them.

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


def epoch_size(n_windows: int, stride: int) -> int:
    """Windows that one epoch shows: every `stride`-th, the same number in each epoch, at least one."""
    return max(1, n_windows // stride)


def epoch_order(n_windows: int, stride: int, seed: int, epoch: int) -> np.ndarray:
    """Numbers of the windows of one epoch, in the order of training.

    Every `stride`-th window from a random offset, then shuffled: with overlapping windows a subset shows
    nearly all bars at a fraction of the cost, and other epochs fill the gaps. The result depends on the
    arguments alone, so a resumed run needs no stored order.

    Args:
        n_windows: all training windows.
        stride: 1 shows every window in every epoch.
        seed: of the run.
        epoch: from 0.

    Returns:
        (epoch_size(n_windows, stride),) int64, each number at most once.
    """
    stream = np.random.default_rng([seed, epoch])
    size = epoch_size(n_windows, stride)
    # The offset may exceed the stride by the remainder, so that the last windows get their turn too.
    offset = int(stream.integers(n_windows - (size - 1) * stride))
    return stream.permutation(size) * stride + offset


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

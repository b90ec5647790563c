"""Past returns of a window, for opponents that know nothing but the price itself."""

from __future__ import annotations

import numpy as np

from lib.config.base import threshold_of
from lib.datasets.windows import Samples
from lib.errors import ModelError

CHANNEL = "log_return_1"


def window_returns(samples: Samples) -> np.ndarray:
    """(n, context_length) float64: log returns of the single bars of each window, the latest last.

    Raises:
        ModelError: the dataset has no channel of single bars' returns.
    """
    column = return_column(samples)
    offsets = np.arange(1 - samples.context_length, 1)
    return column[samples.ends[:, None] + offsets]


def return_column(samples: Samples) -> np.ndarray:
    """(rows,) float64: that channel for every row of the matrix."""
    if CHANNEL not in samples.channel_names:
        raise ModelError(
            f"this model reads past returns from the channel {CHANNEL}, which the dataset does not have. "
            "Every shipped tier has it; use another model for a dataset of your own without it."
        )
    return samples.matrix[:, samples.channel_names.index(CHANNEL)].astype(np.float64)


def barrier(task: str) -> float | None:
    """Log distance of the price that a touch task asks about; None for other tasks."""
    return float(np.log1p(threshold_of(task))) if task.startswith("threshold_") else None

"""Base rates in training, symbol by symbol: the forecast of a model that reads no channel.

Symbols differ (a touch of 1 % is rare for a broad fund and daily bread for a single share), so a forecast for
one symbol is measured against that symbol's own past.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lib.config.base import classes_of
from lib.datasets.windows import Samples


def means_by_symbol(samples: Samples) -> dict[str, list[float]]:
    """Share of each class (rising), or the mean return, among the samples of each symbol.

    The mean of all symbols counts as one sample more, so that an event a symbol has not had is rare, not
    impossible. With a single symbol that changes nothing.
    """
    values = _values(samples)
    pooled = values.mean(axis=0)
    return {
        str(symbol): ((own.sum(axis=0) + pooled) / (len(own) + 1)).tolist()
        for symbol in dict.fromkeys(samples.symbols)
        for own in (values[samples.symbols == symbol],)
    }


def pooled_means(samples: Samples) -> list[float]:
    """Share of each class (rising), or the mean return, among all samples."""
    means: list[float] = _values(samples).mean(axis=0).tolist()
    return means


def _values(samples: Samples) -> npt.NDArray[np.float64]:
    """(n, classes) of 0 and 1, or (n, 1) returns."""
    target = samples.target.astype(np.float64)
    classes = classes_of(samples.task)
    return (target[:, None] == np.array(classes)).astype(np.float64) if classes else target[:, None]

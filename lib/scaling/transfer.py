"""Whether a recipe transfers: the found learning rate against its multiples at every size, on the search's
dates.

A check, not a choice: it decides nothing and reads no test part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from lib.inference.comparisons import estimate_mean


@dataclass(frozen=True)
class RateLoss:
    """One multiple of the found rate at one size."""

    factor: float
    learning_rate: float
    loss: float | None
    """Mean over the selection dates, intercept re-fitted; None if training diverged."""
    above: float | None
    """Its loss minus that of the found rate."""
    error: float | None
    """Standard error of that difference, paired by date."""


@dataclass(frozen=True)
class TransferCheck:
    """One size: every rate that was tried, in rising order, and whether the found one holds there."""

    rates: list[RateLoss]
    holds: bool | None
    """No other rate is better than the found one by more than a standard error; None if that is not known."""

    @property
    def best(self) -> RateLoss | None:
        """The rate with the lowest loss."""
        finite = [rate for rate in self.rates if rate.loss is not None]
        return min(finite, key=lambda rate: rate.loss or 0.0) if finite else None


def check_transfer(losses: pl.DataFrame, horizon: int) -> TransferCheck:
    """Compare the rates of one size.

    Args:
        losses: columns `lib.tuning.transfer_losses.LOSSES`.
        horizon: least block length, in bars.
    """
    ordered = losses.sort("factor", "date").group_by("factor", maintain_order=True)
    tables = {float(factor): own for (factor,), own in ordered}
    found = tables.get(1.0)
    if found is None or found["loss"].null_count():
        return TransferCheck([_rate(factor, own, None, horizon) for factor, own in tables.items()], None)
    rates = [_rate(factor, own, found, horizon) for factor, own in tables.items()]
    others = [rate for rate in rates if rate.factor != 1.0 and rate.above is not None]
    if any(rate.error is None for rate in others):
        return TransferCheck(rates, None)
    return TransferCheck(rates, all((rate.above or 0.0) >= -(rate.error or 0.0) for rate in others))


def _rate(factor: float, own: pl.DataFrame, found: pl.DataFrame | None, horizon: int) -> RateLoss:
    rate = float(own["learning_rate"][0])
    if own["loss"].null_count():
        return RateLoss(factor, rate, None, None, None)
    loss = _mean(own)
    if found is None or factor == 1.0:
        return RateLoss(factor, rate, loss, 0.0 if found is not None else None, None)
    both = own.join(found, on="date", suffix="_found")
    counts = both["n"].cast(pl.Float64).to_numpy()
    difference: Any = (both["loss"] - both["loss_found"]).to_numpy() * counts
    estimate = estimate_mean(difference, counts, horizon)
    return RateLoss(factor, rate, loss, estimate.value, estimate.standard_error)


def _mean(own: pl.DataFrame) -> float:
    return float(np.average(own["loss"].to_numpy(), weights=own["n"].to_numpy()))

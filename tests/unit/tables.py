"""Tables of made-up prices, as the workflow has them, around closes that a test draws itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

FIRST = date(2020, 1, 1)


def days(n: int, first: date = FIRST) -> list[date]:
    """Days without a break."""
    return [first + timedelta(days=number) for number in range(n)]


def dataset_of(
    close: np.ndarray, symbol: str = "X", first: date = FIRST, width: float = 0.005, **channels: np.ndarray
) -> pl.DataFrame:
    """A dataset table: channels (Float32), open at the close, high and low so far from it."""
    table = {name: values.astype(np.float32) for name, values in channels.items()}
    prices = {"open": close, "high": close * (1 + width), "low": close * (1 - width), "close": close}
    return pl.DataFrame({"date": days(len(close), first), "symbol": symbol, **table, **prices})


def prices_of(
    dates: Sequence[Any],
    open_: np.ndarray,
    close: np.ndarray,
    volume: np.ndarray | float,
    symbol: str,
    beyond: float = 0.004,
) -> pl.DataFrame:
    """Daily prices, high and low a little beyond open and close."""
    return pl.DataFrame(
        {
            "date": dates,
            "symbol": symbol,
            "open": open_,
            "high": np.maximum(open_, close) * (1 + beyond),
            "low": np.minimum(open_, close) * (1 - beyond),
            "close": close,
            "volume": volume,
        }
    )

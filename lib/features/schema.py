"""Column names of the tables that pass through this package, and of the dataset file in particular.

Names only; `bars`, `catalogue` and `assembly` decide what the columns contain.
"""

from __future__ import annotations

import polars as pl

KEY_COLUMNS = ("date", "symbol")
"""What identifies a row of every table."""
PRICE_COLUMNS = ("open", "high", "low", "close")
"""Adjusted prices of the bar: for targets and trading, never channels."""
BAR_COLUMNS = (*KEY_COLUMNS, *PRICE_COLUMNS, "volume", "last_session")
"""Columns of a bars table; `last_session` is the session after which the bar was complete."""


def channel_names(frame: pl.DataFrame) -> list[str]:
    """Names of the channels of a dataset table, in the order of its columns."""
    return [name for name in frame.columns if name not in KEY_COLUMNS + PRICE_COLUMNS]

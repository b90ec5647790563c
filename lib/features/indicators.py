"""The only calls of the indicator libraries: arrays in, an array of the same length out.

Undefined leading values are NaN; histories shorter than a look-back give NaN throughout. Both libraries are
imported inside the functions, because pandas-ta-classic and its pandas cost a second. Inputs must be finite:
one NaN makes TA-Lib's recursive averages NaN for all later rows, which is why `assembly` checks first.

Indicators of pandas-ta-classic that look ahead by default are not used: `dpo` (centred), `ichimoku` (chikou
span), `tos_stdevall` and `vp` (both of the whole history). `talib=False` is pinned, because its answers
differ with it for some.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
_LEADING = ("dpo", "ichimoku", "tos_stdevall", "vp")


def ta(name: str, *arrays: Array, part: int = 0, **parameters: float) -> Array:
    """An indicator of TA-Lib by its name there.

    Args:
        name: for example ``RSI``.
        arrays: its inputs, float64.
        part: which of several outputs.
        parameters: as TA-Lib calls them.
    """
    import talib

    found = getattr(talib, name)(*(np.ascontiguousarray(a, dtype=np.float64) for a in arrays), **parameters)
    return cast(Array, (found[part] if isinstance(found, tuple) else found).astype(np.float64, copy=False))


def pandas_ta(name: str, *arrays: Array, part: int = 0, **parameters: Any) -> Array:
    """An indicator of pandas-ta-classic by its name there; `part` is the column of several.

    Raises:
        ValueError: one that looks ahead.
    """
    if name in _LEADING:
        raise ValueError(f"pandas-ta-classic's {name} looks ahead by default and is not used")
    import pandas as pd
    import pandas_ta_classic as library

    found = getattr(library, name)(*(pd.Series(a) for a in arrays), **parameters)
    if found is None:  # its answer to a history shorter than the window
        return np.full(len(arrays[0]), np.nan)
    column = found.iloc[:, part] if isinstance(found, pd.DataFrame) else found
    return cast(Array, column.to_numpy(dtype=np.float64))


def high_low_close(bars: pl.DataFrame) -> tuple[Array, Array, Array]:
    """Three columns that most indicators read, in the order in which TA-Lib wants them."""
    return bars["high"].to_numpy(), bars["low"].to_numpy(), bars["close"].to_numpy()


def ratio(numerator: Array, denominator: Array) -> Array:
    """Their ratio; 0 where the denominator is 0 (a bar or window that did not move or trade)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = numerator / denominator
    return np.where(denominator == 0, np.where(np.isnan(numerator), np.nan, 0.0), found)


def rolling_deviation(values: Array, length: int) -> Array:
    """Sample standard deviation (divisor n - 1) of the last `length` values."""
    return pandas_ta("stdev", values, length=length, ddof=1, talib=False)


def since(event: npt.NDArray[np.bool_]) -> Array:
    """Bars since an event last happened, 0 on its bar; before the first one, bars since the start."""
    position = np.arange(len(event), dtype=np.float64)
    last = np.maximum.accumulate(np.where(event, position, 0.0)) if len(event) else position
    return cast(Array, position - last)

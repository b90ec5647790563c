"""A synthetic market with a planted signal, for the positive control.

Where a day's shadow lies, below or above the candle's body, is drawn at random, and tomorrow's return leans
towards it. Everything else is noise. So the best forecast anybody can make is known by construction, and a
workflow that does not find it is broken.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import polars as pl

from lib.config.data import DataConfig, SyntheticConfig
from lib.data.sources import PRICE_SCHEMA, Source
from lib.errors import ConfigError, DataError

LABEL = "PLANTED"
PLANTED_TASK = "direction"
"""The task whose best reachable AUC is known."""
PLANTED_TIMESCALES = ("daily", "multires")
"""Those whose bars are days, as the signal is."""
_SHADOW = 0.006
"""Both shadows of a day together, as a fraction of its close."""
_DRAWS = 1_000_000


class SyntheticSource(Source):
    """One symbol, `PLANTED`, on the sessions of an exchange calendar."""

    name = "synthetic"
    gives_prices = True

    def __init__(self, config: SyntheticConfig, calendar: str = "XNYS") -> None:
        self.config = config
        self.calendar = calendar

    @classmethod
    def open(cls, data: DataConfig) -> Self:
        """The market that `data.synthetic` describes."""
        return cls(data.synthetic, data.validation.calendar)

    def symbols(self) -> list[str]:
        """The one symbol."""
        return [LABEL]

    def prices(self, symbol: str) -> pl.DataFrame:
        """Daily prices that follow from the configuration's seed."""
        if symbol != LABEL:
            raise DataError(f"{symbol}: source synthetic has only {LABEL}.")
        import exchange_calendars

        calendar = exchange_calendars.get_calendar(
            self.calendar, start="1990-01-01", end=str(self.config.last)
        )
        sessions = calendar.sessions_in_range(str(self.config.first), str(self.config.last))
        days = [day.date() for day in sessions]
        random = np.random.default_rng(self.config.seed)
        signal, noise = _signal(random, len(days)), random.standard_normal(len(days))
        close = 100.0 * np.exp(np.cumsum(_returns(signal, noise, self.config)))
        opened = np.r_[100.0, close[:-1]] * np.exp(
            0.2 * self.config.volatility * random.standard_normal(len(days))
        )
        below = _SHADOW * (0.5 + signal / np.sqrt(12.0))
        return pl.DataFrame(
            {
                "date": days,
                "symbol": symbol,
                "open": opened,
                "high": np.maximum(opened, close) + close * (_SHADOW - below),
                "low": np.minimum(opened, close) - close * below,
                "close": close,
                "volume": np.round(1e6 * np.exp(0.3 * random.standard_normal(len(days)))),
                "adjustment": None,
            },
            schema=PRICE_SCHEMA,
        )


def best_auc(config: SyntheticConfig, task: str, horizon: int) -> float:
    """The best AUC that any forecast of daily bars can reach on this market.

    The signal s of day t (uniform, mean 0, variance 1) enters the return of day t+1 alone, as
    volatility · (signal · s + e), e standard normal. The sign of the return over `horizon` days then depends
    on the present through s only, and s itself is the best score. Its AUC is found by simulation with a fixed
    seed (10⁶ draws: standard error about 0.0005). It falls with the horizon, because later days add noise.

    Raises:
        ConfigError: for any task but `direction`, whose best score is not s.
    """
    if task != PLANTED_TASK:
        raise ConfigError(
            f"task {task}: the best reachable AUC of the planted signal is known for direction only."
        )
    random = np.random.default_rng(0)
    first = _signal(random, _DRAWS)
    total = config.signal * first + random.standard_normal(_DRAWS)
    for _ in range(horizon - 1):
        total += config.signal * _signal(random, _DRAWS) + random.standard_normal(_DRAWS)
    up = (total > 0)[np.argsort(first)]
    rises, falls = int(up.sum()), int((~up).sum())
    # Mann-Whitney: how often a rise has the larger signal (ties have probability 0).
    return float(np.cumsum(~up)[up].sum() / (rises * falls))


def _signal(random: np.random.Generator, n: int) -> np.ndarray:
    return np.sqrt(12.0) * (random.random(n) - 0.5)


def _returns(signal: np.ndarray, noise: np.ndarray, config: SyntheticConfig) -> np.ndarray:
    """Log returns: of each day from the signal of the day before."""
    yesterday = np.r_[0.0, signal[:-1]]
    return config.volatility * (config.signal * yesterday + noise)


SOURCE = SyntheticSource

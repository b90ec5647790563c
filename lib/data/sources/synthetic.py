"""A synthetic market with a planted signal, for controls.

Where a day's shadow lies, below or above the candle's body, is drawn at random, and tomorrow's return leans
towards it. Everything else is noise. So the best forecast anybody can make is known by construction, and a
workflow that does not find it is broken. Every symbol has a signal of its own. The series are walks that know
nothing of prices: with them all rows and columns of the data matrix can be built, and none is worth anything.
"""

from __future__ import annotations

import hashlib
from datetime import date
from functools import cache
from typing import Self

import numpy as np
import polars as pl

from lib.config.data import DataConfig, SyntheticConfig
from lib.data.sources import OBSERVATION_SCHEMA, PRICE_SCHEMA, Source
from lib.errors import ConfigError, DataError

LABEL = "PLANTED"
PLANTED_TASK = "direction"
"""The task whose best reachable AUC is known."""
PLANTED_TIMESCALES = ("daily", "multires")
"""Those whose bars are days, as the signal is."""
_SHADOW = 0.006
"""Both shadows of a day together, as a fraction of its close."""
_DRAWS = 1_000_000
_FIRST_SESSION = date(1950, 1, 1)
_FIRST_SERIES = date(1980, 1, 1)
_WALKS = {
    "rate": (3.0, 1.0, 0.1, 12.0), "sentiment": (0.0, 0.2, -2.0, 2.0), "volatility": (19.0, 5.0, 8.0, 80.0),
    "trends": (50.0, 15.0, 1.0, 100.0),
}  # fmt: skip
"""By kind of series: level, standard deviation, lowest and highest value."""
_MEMORY = {"trends": 0.8}
"""Share of yesterday's (last month's) distance from the level that stays; 0.99 for daily series."""


class SyntheticSource(Source):
    """Symbols on the sessions of an exchange calendar, and series called `kind/name`."""

    name = "synthetic"
    gives_prices = True
    gives_series = True

    def __init__(self, config: SyntheticConfig, calendar: str = "XNYS") -> None:
        self.config = config
        self.calendar = calendar

    @classmethod
    def open(cls, data: DataConfig) -> Self:
        """The market that `data.synthetic` describes."""
        return cls(data.synthetic, data.validation.calendar)

    def prices(self, symbol: str) -> pl.DataFrame:
        """Daily prices that follow from the configuration's seed and the symbol's name."""
        days = self._sessions(self.config.first)
        random = self._random(symbol)
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

    def series(self, name: str, first_releases: bool = False) -> pl.DataFrame:
        """A walk around a level: daily, on the sessions, but monthly for `trends`. Nothing is ever
        revised."""
        kind, _, own = name.partition("/")
        if kind not in _WALKS or not own:
            raise DataError(f"{name}: source synthetic has series called {', '.join(_WALKS)}/NAME only.")
        days = self._sessions(min(self.config.first, _FIRST_SERIES))
        if kind == "trends":
            days = [date(year, month, 1) for year, month in dict.fromkeys((d.year, d.month) for d in days)]
        level, deviation, lowest, highest = _WALKS[kind]
        memory = _MEMORY.get(kind, 0.99)
        steps = self._random(name).standard_normal(len(days)) * np.sqrt(1 - memory**2)
        values = np.zeros(len(days))
        for day in range(1, len(days)):
            values[day] = memory * values[day - 1] + steps[day]
        return pl.DataFrame(
            {
                "date": days,
                "value": np.clip(level + deviation * values, lowest, highest),
                "available_from": None,
            },
            schema=OBSERVATION_SCHEMA,
        )

    def _sessions(self, first: date) -> list[date]:
        import exchange_calendars

        calendar = exchange_calendars.get_calendar(
            self.calendar, start=str(_FIRST_SESSION), end=str(self.config.last)
        )
        return [day.date() for day in calendar.sessions_in_range(str(first), str(self.config.last))]

    def _random(self, name: str) -> np.random.Generator:
        """Draws of one symbol or series; those of `PLANTED` follow from the seed alone."""
        if name == LABEL:
            return np.random.default_rng(self.config.seed)
        word = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        return np.random.default_rng([self.config.seed, word])


@cache
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


def best_gain(config: SyntheticConfig, task: str) -> float:
    """The most that a forecast one day ahead can be better than the base rate, in nats of log loss.

    ln 2 less the mean entropy of the event, whose probability given the signal s is Phi(signal * s); over
    10^6 equally spaced values of s, so without error worth speaking of.

    Raises:
        ConfigError: for any task but `direction`.
    """
    if task != PLANTED_TASK:
        raise ConfigError(f"task {task}: the best gain of the planted signal is known for direction only.")
    from scipy.special import entr, ndtr

    s = np.sqrt(12.0) * ((np.arange(_DRAWS) + 0.5) / _DRAWS - 0.5)
    p = ndtr(config.signal * s)
    return float(np.log(2.0) - np.mean(entr(p) + entr(1.0 - p)))


def _signal(random: np.random.Generator, n: int) -> np.ndarray:
    return np.sqrt(12.0) * (random.random(n) - 0.5)


def _returns(signal: np.ndarray, noise: np.ndarray, config: SyntheticConfig) -> np.ndarray:
    """Log returns: of each day from the signal of the day before."""
    yesterday = np.r_[0.0, signal[:-1]]
    return config.volatility * (config.signal * yesterday + noise)


SOURCE = SyntheticSource

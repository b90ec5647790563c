"""Features: every channel up to a cut, computed from synthetic bars with different futures.

What a feature reads elsewhere than in its bars (a file of its own) has no future that could be changed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cache

import numpy as np
import polars as pl

from lib.config.base import Timescale
from lib.errors import ConfigError, nearest
from lib.features.assembly import compute
from lib.features.bars import resample
from lib.features.catalogue import LOOK_BACK_CAP, catalogue, declarations, fitted
from lib.features.declaration import Feature
from lib.features.schema import PRICE_COLUMNS
from lib.study.leak_check.futures import QUICK, cuts, listed, search, spread, with_future
from lib.study.leak_check.outcome import Outcome

SHIPPED = frozenset(
    ("averages", "candles", "crossings", "momentum", "returns", "statistics", "trend", "volatility", "volume")
)
"""Modules of `lib/features/families/` that belong to the project: others are the user's own."""
FIRST, LAST = date(1990, 1, 1), date(2024, 12, 31)
BARS = 300
"""Beside the warm-up: a year of days and more, with every weekday and every end of a month."""
DENSE, FEW, SHIPPED_CUTS = 260, 12, 3
GROUPS = (PRICE_COLUMNS, ("volume",))


def weekdays(first: date, last: date) -> pl.Series:
    """Sessions of a made-up exchange that knows no holidays; a true calendar takes seconds to build."""
    days = pl.date_range(first, last, "1d", eager=True).alias("session")
    return days.filter(days.dt.weekday() <= 5)


@cache
def made_prices(first: date, last: date, seed: int = 0) -> pl.DataFrame:
    """Daily prices of a random walk, with standstills and days without volume."""
    days = weekdays(first, last)
    random = np.random.default_rng(seed)
    close = 80 * np.exp(np.cumsum(0.012 * random.standard_normal(len(days))))
    close[300::97] = close[299:-1:97]
    opened = np.r_[80.0, close[:-1]] * np.exp(0.004 * random.standard_normal(len(days)))
    volume = random.uniform(1e6, 2e6, len(days)).round()
    volume[50::101] = 0.0
    return pl.DataFrame(
        {
            "date": days,
            "symbol": "MADE",
            "open": opened,
            "high": np.maximum(opened, close) * np.exp(np.abs(0.004 * random.standard_normal(len(days)))),
            "low": np.minimum(opened, close) * np.exp(-np.abs(0.004 * random.standard_normal(len(days)))),
            "close": close,
            "volume": volume,
        }
    )


@cache
def made_bars(timescale: Timescale) -> pl.DataFrame:
    """Bars of a timescale: its longest warm-up and `BARS` more."""
    return resample(made_prices(FIRST, LAST), timescale, weekdays(FIRST, LAST)).tail(
        LOOK_BACK_CAP[timescale] + BARS
    )


def own_features(timescales: Sequence[Timescale]) -> list[tuple[Feature, Timescale]]:
    """Features declared in modules that the project does not ship, at each timescale that has them."""
    return [(made, scale) for made, scale, module, _ in _all(timescales) if module not in SHIPPED]


def features_named(name: str, timescales: Sequence[Timescale]) -> list[tuple[Feature, Timescale]]:
    """Features by the name of a channel, of a declaration, of a family or of a module.

    Raises:
        ConfigError: nothing has this name at these timescales.
    """
    every = [(made, scale, {made.name, module, *more}) for made, scale, module, more in _all(timescales)]
    found = [(made, scale) for made, scale, names in every if name in names]
    if not found:
        near = nearest(name, {word for _, _, names in every for word in names})
        raise ConfigError(f"feature:{name}: no such feature or module ({', '.join(timescales)}).{near}")
    return found


def _all(timescales: Sequence[Timescale]) -> Iterator[tuple[Feature, Timescale, str, tuple[str, str]]]:
    """Declared features: each with its timescale, module, template and family."""
    for timescale in timescales:
        for each in declarations():
            if made := fitted(each, timescale, set()):
                module = each.compute.__module__.rpartition(".")[2]
                yield made, timescale, module, (each.template, each.family)


def check_catalogue(tier: int, timescale: Timescale) -> Outcome:
    """One verdict for all channels of a tier, from a few cuts: the shipped ones have tests of their own."""
    features = catalogue(tier, timescale)
    days = made_bars(timescale)["date"][LOOK_BACK_CAP[timescale] :].to_list()
    tries = [(kind, day) for day in spread(days, SHIPPED_CUTS) for kind in QUICK]
    return _judge(f"feature:all {tier} {timescale}", features, timescale, tries, own=False)


def check_feature(feature: Feature, timescale: Timescale) -> Outcome:
    """The verdict on one channel, from every bar of more than a year."""
    # Only what comes after the warm-up reaches a model: what is filled in before it does no harm.
    days = made_bars(timescale)["date"][LOOK_BACK_CAP[timescale] - 1 :].to_list()
    return _judge(f"feature:{feature.name} {timescale}", [feature], timescale, cuts(days, DENSE, FEW))


def _judge(
    what: str,
    features: Sequence[Feature],
    timescale: Timescale,
    tries: Iterable[tuple[str, date]],
    own: bool = True,
) -> Outcome:
    bars, warm_up = made_bars(timescale), LOOK_BACK_CAP[timescale] - 1

    def channels(of: pl.DataFrame) -> pl.DataFrame:
        return of.select("date").hstack(compute(of, features)).slice(warm_up)

    def build(kind: str, cut: date) -> pl.DataFrame:
        return channels(with_future(bars, kind, pl.col("date") > cut, GROUPS))

    try:
        whole = channels(bars)
        if not whole.equals(channels(bars)):
            return Outcome(what, "unclear", "asked twice, it gives other values; seed what is random", own)
        found = search(whole, build, tries)
    except Exception as error:  # the user's code may raise anything
        return Outcome(what, "unclear", f"it fails: {type(error).__name__}: {error}", own)
    if found.leaks:
        return Outcome(what, "leak", listed(found.leaks), own)
    note = "" if found.stirred else "; it does not depend on prices or volume of its bars"
    return Outcome(what, "clean", f"the same up to the cut in {found.tried} other futures{note}", own)

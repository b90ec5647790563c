"""Levels of price and volume: bars that leave and come back, levels that change and stay.

A true move comes with much volume and a wide range, and the market often moves with it. What a wrong unit, a
split or a distribution that was not adjusted for makes does neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl

from lib.config.data import ValidationConfig
from lib.data.validation.findings import Finding, finding

_LEFT = 1.3
"""A run of bars this many times above (below) both of its neighbours is another unit, or a late split."""
_LONGEST_RUN = 20
_SPIKE_PRICE, _SPIKE_HIGH = 2.0, 1.35
"""A high (low) this far beyond open and close: an error, a warning."""
_WIDEST = 5.0
"""High over low of a day from which its cells are of different units."""
_SPIKE_VOLUME, _ODD_VOLUME = 30.0, 8.0
"""Volume this many times beyond all of the five bars on either side: an error, a warning."""
_SPLIT = 1.4
_GAP = 1.1
_OWN_GAPS = 8.0
"""A gap counts only if it is so many times the usual one of the symbol: a volatility index gaps weekly."""
_LOUD = 3.0
"""Volume or range this many times the usual belongs to news."""
_MARKET = 1 / 3
"""Share of a gap that the median of other symbols must have for it to be the market's."""
_AROUND = 40
_VOLUME_LEVEL = 4.0
_RATIOS = (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50, 100, 1000)


def levels(
    frame: pl.DataFrame, symbol: str, config: ValidationConfig, others: Mapping[str, pl.DataFrame]
) -> list[Finding]:
    """Bars and levels that the symbol cannot have had, or should not have without news.

    Args:
        frame: as `validate_prices` takes it, free of errors of single bars.
        symbol: for the findings.
        config: thresholds.
        others: prices of other symbols, to recognise moves of the market.
    """
    if frame.height < 3:
        return []
    bars = _Bars(frame)
    runs = _runs(bars)
    found = [
        finding("bar out of place", symbol, bars.day(i), factor, _left(bars, i, j, factor))
        for i, j, factor in runs
    ]
    found += _exchanged(bars, symbol)
    found += _wicks(bars, symbol)
    found += _volumes(bars, symbol)
    inside = {row for i, j, _ in runs for row in (i, j)}
    found += _gaps(bars, symbol, config, inside, others)
    return found


class _Bars:
    """Columns of prices as arrays."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.days = frame["date"]
        self.open, self.high, self.low, self.close = (
            frame[name].to_numpy() for name in ("open", "high", "low", "close")
        )
        self.volume = frame["volume"].fill_null(0.0).to_numpy()
        gap = pl.col("open") / pl.col("close").shift(1)
        usual = frame.select(
            range=(pl.col("high") / pl.col("low")).log().rolling_median(20, min_samples=5).shift(1),
            volume=pl.col("volume").rolling_median(20, min_samples=5).shift(1),
            gap=gap.log().abs().rolling_median(60, min_samples=5).shift(1),
        ).fill_null(0.0)
        self.usual_range, self.usual_volume = usual["range"].to_numpy(), usual["volume"].to_numpy()
        self.usual_gap = usual["gap"].to_numpy()

    def day(self, row: int | np.signedinteger[Any]) -> date:
        found: date = self.days[int(row)]
        return found

    def loudness(self, row: int) -> tuple[float, float]:
        """Volume and range of a bar, as multiples of the usual ones before it; 1 where there are none."""
        spread = float(np.log(self.high[row] / self.low[row]))
        volume = self.volume[row] / self.usual_volume[row] if self.usual_volume[row] > 0 else 1.0
        return float(volume), spread / max(self.usual_range[row], 0.005)


def _runs(bars: _Bars) -> list[tuple[int, int, float]]:
    """First row, row after the last one, and factor of bars that lie apart from those on either side."""
    moves = np.log(bars.close[1:] / bars.close[:-1])
    large = np.flatnonzero(np.abs(moves) >= np.log(_LEFT)) + 1
    found: list[tuple[int, int, float]] = []
    for i in large:
        if found and i < found[-1][1] + 1:
            continue
        for j in large[(large > i) & (large <= i + _LONGEST_RUN)]:
            around_high, around_low = max(bars.high[i - 1], bars.high[j]), min(bars.low[i - 1], bars.low[j])
            above = bars.low[i:j].min() / around_high
            below = around_low / bars.high[i:j].max()
            if max(above, below) >= 1.2:
                found.append((int(i), int(j), float(bars.close[i] / bars.close[i - 1])))
                break
    return found


def _left(bars: _Bars, first: int, after: int, factor: float) -> str:
    until = f" to {bars.day(after - 1)}" if after - first > 1 else ""
    return (
        f"{after - first} bar(s){until} at {factor:.3g} times the level before and after: another unit, or a "
        "split that was adjusted for on the wrong day"
    )


def _exchanged(bars: _Bars, symbol: str) -> list[Finding]:
    """Open and close under each other's names: a night moves a price less than two days and a night."""
    night = float(np.median(np.abs(np.log(bars.open[1:] / bars.close[:-1]))))
    longer = float(np.median(np.abs(np.log(bars.close[1:] / bars.open[:-1]))))
    if len(bars.close) < _AROUND or night <= 0 or longer >= 0.7 * night:
        return []
    text = (
        f"opens lie {night:.2%} from the close before and closes {longer:.2%} from the open before: the "
        "two columns are exchanged"
    )
    return [finding("exchanged columns", symbol, None, night, text)]


def _wicks(bars: _Bars, symbol: str) -> list[Finding]:
    """Highs and lows far from open and close and from the bars beside them."""
    top, bottom = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    wide = bars.high / bars.low
    found = [
        finding(
            "bar out of place", symbol, bars.day(row), float(wide[row]), f"its high is {wide[row]:.3g} lows"
        )
        for row in np.flatnonzero(wide >= _WIDEST)
    ]
    beside_high = np.maximum(np.r_[bars.high[1:2], bars.high[:-1]], np.r_[bars.high[1:], bars.high[-2:-1]])
    beside_low = np.minimum(np.r_[bars.low[1:2], bars.low[:-1]], np.r_[bars.low[1:], bars.low[-2:-1]])
    for name, factor in (
        ("high", bars.high / np.maximum(top, beside_high)),
        ("low", np.minimum(bottom, beside_low) / bars.low),
    ):
        for row in np.flatnonzero((factor >= _SPIKE_HIGH) & (wide < _WIDEST)):
            rule = "bar out of place" if factor[row] >= _SPIKE_PRICE else "odd high or low"
            text = f"its {name} lies {factor[row]:.3g} times beyond its open and close and the bars beside it"
            found.append(finding(rule, symbol, bars.day(row), float(factor[row]), text))
    return found


def _volumes(bars: _Bars, symbol: str) -> list[Finding]:
    """Single volumes out of place, sessions without any, and levels that change and stay."""
    volume, found = bars.volume, []
    if not (volume > 0).any():
        return []
    zero = np.flatnonzero(volume == 0)
    if len(zero) and len(zero) < len(volume):
        text = f"the volume is zero on {len(zero)} days, of which this is the first"
        found.append(finding("zero volume", symbol, bars.day(zero[0]), float(len(zero)), text))
    padded = np.pad(volume, 5, constant_values=np.nan)
    beside = np.stack([padded[k : k + len(volume)] for k in range(11) if k != 5])
    most, least = np.nanmax(beside, axis=0), np.nanmin(beside, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        above, below = volume / most, least / volume
    for factor, words in ((above, "above"), (below, "below")):
        for row in np.flatnonzero(np.isfinite(factor) & (factor >= _ODD_VOLUME)):
            rule = "volume out of place" if factor[row] >= _SPIKE_VOLUME else "odd volume"
            text = f"{volume[row]:g} is {factor[row]:.3g} times {words} all of the five bars on either side"
            found.append(finding(rule, symbol, bars.day(row), float(volume[row]), text))
    return found + _volume_levels(bars, symbol)


def _volume_levels(bars: _Bars, symbol: str) -> list[Finding]:
    """Days from which volume is counted in another unit: nearly all before lie beyond nearly all after."""
    logs = pl.Series(np.log(np.where(bars.volume > 0, bars.volume, np.nan))).fill_nan(None)
    least = _AROUND // 2
    before = logs.rolling_median(_AROUND, min_samples=least).shift(1).to_numpy()
    after = logs.reverse().rolling_median(_AROUND, min_samples=least).reverse().to_numpy()
    step = np.nan_to_num(after - before)
    found: list[Finding] = []
    change = np.diff(logs.fill_null(strategy="forward").fill_null(0.0).to_numpy(), prepend=np.nan)
    for near in _peaks(np.abs(step), np.log(_VOLUME_LEVEL)):
        around = slice(max(1, near - _AROUND // 2), near + _AROUND // 2)
        row = around.start + int(np.nanargmax(change[around] * np.sign(step[near])))
        early, late = logs[max(0, row - _AROUND) : row], logs[row : row + _AROUND]
        low, high = (early, late) if step[row] > 0 else (late, early)
        if low.quantile(0.9) >= high.quantile(0.1):  # type: ignore[operator]
            continue
        text = (
            f"about {np.exp(before[row]):.3g} a day before and {np.exp(after[row]):.3g} from here on: "
            "another unit (lots, thousands), another provider, or a split"
        )
        found.append(finding("volume level", symbol, bars.day(row), float(np.exp(step[row])), text))
    return found


def _peaks(size: np.ndarray, least: float) -> list[int]:
    """Rows at which a size is at least so much and the largest of its neighbourhood."""
    found = []
    for row in map(int, np.flatnonzero(size >= least)):
        first = max(0, row - _AROUND)
        if row == first + size[first : row + _AROUND].argmax():
            found.append(row)
    return found


def _gaps(
    bars: _Bars,
    symbol: str,
    config: ValidationConfig,
    inside: set[int],
    others: Mapping[str, pl.DataFrame],
) -> list[Finding]:
    """Overnight changes of level that no news and no market explains."""
    gap = bars.open[1:] / bars.close[:-1]
    size_of = np.abs(np.log(gap))
    rows = np.flatnonzero((size_of >= np.log(_GAP)) & (size_of >= _OWN_GAPS * bars.usual_gap[1:])) + 1
    market = _market_gaps(others, [bars.day(row) for row in rows])
    found = []
    for row in map(int, rows):
        if row in inside:
            continue
        size, day = float(gap[row - 1]), bars.day(row)
        volume, spread = bars.loudness(row)
        said = f"opens at {size:.4g} times the last close"
        how = f", with {volume:.1f} times the usual volume and {spread:.1f} times the range"
        kept = abs(np.log(bars.close[row] / bars.close[row - 1]) / np.log(size) - 1) < 0.3
        by_split = volume < _LOUD or abs(np.log(volume * size)) < np.log(1.6)
        large = max(size, 1 / size) >= _SPLIT
        if large and kept and spread < _LOUD and (by_split or _whole(size, config)):
            stays = f"{said}{_named(size, config)} and stays there"
            text = f"{stays}{how}: a split that was not adjusted for, or another unit"
            found.append(finding("unadjusted split", symbol, day, size, text))
        elif not large and not _is_markets(size, market.get(day)):
            loud = volume >= _LOUD or spread >= _LOUD
            beside = f" (other symbols: {market[day]:.3g} times)" if day in market else ""
            text = f"{said}{beside}{how}" + (
                ""
                if loud
                else ": a distribution, spin-off or split that was not adjusted for looks like this"
            )
            found.append(finding("news gap" if loud else "unadjusted gap", symbol, day, size, text))
    return found


def _whole(size: float, config: ValidationConfig) -> bool:
    ratio = max(size, 1 / size)
    return any(abs(ratio / known - 1) < config.split_tolerance for known in _RATIOS)


def _named(size: float, config: ValidationConfig) -> str:
    """The nearest simple ratio, if there is one: ` (1:4)`."""
    near = Fraction(min(size, 1 / size)).limit_denominator(50)
    near = near if size < 1 or not near else 1 / near
    fits = near > 0 and abs(float(near) / size - 1) < config.split_tolerance
    return (
        f" (about {near.denominator}:{near.numerator})"
        if fits and min(near.numerator, near.denominator) <= 5
        else ""
    )


def _market_gaps(others: Mapping[str, pl.DataFrame], days: list[date]) -> dict[date, float]:
    """Median overnight gap of other symbols on these days."""
    if not others or not days:
        return {}
    parts = [
        frame.select("date", gap=pl.col("open") / pl.col("close").shift(1)).filter(pl.col("date").is_in(days))
        for frame in others.values()
    ]
    medians = pl.concat(parts).drop_nulls().group_by("date").agg(pl.col("gap").median())
    return dict(medians.iter_rows())


def _is_markets(size: float, market: float | None) -> bool:
    """Whether other symbols moved with it."""
    if market is None or market <= 0:
        return False
    ours, theirs = np.log(size), np.log(market)
    return bool(ours * theirs > 0 and abs(theirs) >= _MARKET * abs(ours))

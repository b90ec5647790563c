"""Channels of series beside prices: groups of indicators for rates, sentiment, volatility, search trends.

An indicator is declared once and computed of every series of its group, on the series' own dates; a bar then
gets the latest values that were public at its close. As with prices, relations are given and not levels,
which also keeps out what a re-estimated or re-scaled index knows of its own future.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from lib.data.validation.series_checks import frequency_of
from lib.errors import DataError

MAX_AGE_DAYS = {"daily": 10, "weekly": 21, "monthly": 62}
"""A value older than this, counted from its publication, is no longer given to a bar."""

VALUE = pl.col("value")


@dataclass(frozen=True)
class SeriesFeature:
    """One indicator of a group. Lengths are in observations, one for each frequency."""

    name: str
    group: str
    formula: str
    lengths: Mapping[str, int]
    look_back: Callable[[int], int]
    compute: Callable[[int], pl.Expr]

    def channel(self, series: str, frequency: str) -> str:
        """Name of the channel, for example ``vix_rank_252``."""
        return f"{series.lower()}_{self.name.format(n=self.lengths[frequency])}"


@dataclass(frozen=True)
class SeriesInput:
    """One series as a dataset uses it."""

    name: str
    group: str
    required: bool
    frame: pl.DataFrame
    """date, series, value, available_from; empty if no source has it."""


_features: list[SeriesFeature] = []


def _declare(
    group: str, name: str, formula: str, *lengths: tuple[int, int, int], compute: Callable[[int], pl.Expr],
    extra: int = 0,
) -> None:  # fmt: skip
    """An indicator for each of some lengths, each for daily, weekly and monthly values."""
    for each in lengths:
        by_frequency = dict(zip(("daily", "weekly", "monthly"), each, strict=True))
        _features.append(SeriesFeature(name, group, formula, by_frequency, lambda n: n + extra, compute))


def _mean(n: int) -> pl.Expr:
    return VALUE.rolling_mean(n)


def _over(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """A ratio that is 0 where the denominator is 0 (a series that stood still)."""
    return pl.when(denominator.abs() > 1e-12).then(numerator / denominator).otherwise(numerator * 0)


def _rank(n: int) -> pl.Expr:
    """Share of the last n values below the present one, ties counting half, on the scale from -1 to 1."""
    return 2 * (VALUE.rolling_rank(n, method="average") - 0.5) / n - 1


def _change(n: int) -> pl.Expr:
    return VALUE - VALUE.shift(n)


def _to_mean(n: int) -> pl.Expr:
    return VALUE - _mean(n)


for group in ("rate", "sentiment", "volatility", "trends"):
    _declare(
        group, "rank_{n}", "percentile rank in the last {n} values, -1 to 1", (252, 52, 24), compute=_rank
    )

_CHANGE, _TO_MEAN = "v[t] - v[t-{n}]", "v[t] - SMA(v, {n})[t]"
_declare("rate", "change_{n}", _CHANGE, (1, 1, 1), (5, 4, 3), (20, 13, 12), extra=1, compute=_change)
_declare("rate", "to_mean_{n}", _TO_MEAN, (60, 26, 18), compute=_to_mean)

_declare("sentiment", "momentum_{n}", _CHANGE, (5, 2, 1), (20, 4, 3), extra=1, compute=_change)
_declare("sentiment", "to_mean_{n}", _TO_MEAN, (10, 3, 2), (50, 10, 6), compute=_to_mean)
_declare(
    "sentiment", "regime_{n}", "(SMA(v, {n}/5) - SMA(v, {n}))[t] over the deviation of the last {n} values",
    (50, 10, 10), compute=lambda n: _over(_mean(n // 5) - _mean(n), VALUE.rolling_std(n)),
)  # fmt: skip
_declare(
    "sentiment", "rate_of_change_{n}", "(v[t] - v[t-{n}]) over the mean size of the last {n} values",
    (10, 4, 4), extra=1, compute=lambda n: _over(_change(n), VALUE.abs().rolling_mean(n)),
)  # fmt: skip

_declare(
    "volatility", "change_{n}", "ln(v[t] / v[t-{n}])", (1, 1, 1), (5, 4, 3), (20, 13, 12),
    extra=1, compute=lambda n: (VALUE / VALUE.shift(n)).log(),
)  # fmt: skip
_declare(
    "volatility", "to_mean_{n}", "ln(v[t] / SMA(v, {n})[t])", (10, 4, 3), (50, 26, 12),
    compute=lambda n: (VALUE / _mean(n)).log(),
)  # fmt: skip
_declare(
    "volatility", "regime_{n}", "ln(SMA(v, {n}/5) / SMA(v, {n}))[t]", (100, 25, 15),
    compute=lambda n: (_mean(n // 5) / _mean(n)).log(),
)  # fmt: skip

_declare(
    "trends", "momentum_{n}", "(v[t] - v[t-{n}]) over the mean of the last year's values",
    (1, 1, 1), (20, 4, 3), (60, 13, 12),
    extra=1, compute=lambda n: _over(_change(n), VALUE.rolling_mean(max(n, 12), min_samples=2)),
)  # fmt: skip
_declare(
    "trends", "surprise_{n}", "(v[t] - mean of the {n} values before) over their deviation",
    (60, 13, 6), (250, 52, 12),
    extra=1, compute=lambda n: _over(VALUE - _mean(n).shift(1), VALUE.rolling_std(n).shift(1)),
)  # fmt: skip


def group_features(group: str) -> list[SeriesFeature]:
    """Indicators of a group, in the order of the channels."""
    return [feature for feature in _features if feature.group == group]


def series_channels(series: SeriesInput) -> pl.DataFrame:
    """`available_from`, `date` of the observation, and the channels (Float32) of one series, one row a day.

    A value uses only observations up to its own. Rows of the warm-up are left out.

    Args:
        series: not empty.
    """
    frame = series.frame.sort("date")
    frequency = frequency_of(frame)
    features = group_features(series.group)
    table = frame.select(
        # What rests on several observations is public when the latest of them is.
        pl.col("available_from").cum_max(),
        pl.col("date").alias("observed"),
        *(
            feature.compute(feature.lengths[frequency])
            .cast(pl.Float32)
            .alias(feature.channel(series.name, frequency))
            for feature in features
        ),
    )
    warm_up = max(feature.look_back(feature.lengths[frequency]) for feature in features) - 1
    return table.slice(warm_up).unique("available_from", keep="last", maintain_order=True)


def left_out(series: Sequence[SeriesInput], until: date | None) -> dict[str, str]:
    """Optional series that a dataset leaves out, and why.

    One that no source has, that ends before `until` (the first day of the test split), or whose indicators
    begin later than those of every required series: it would cost all runs that are compared years of data.
    """
    begins = [_first_day(each) for each in series if each.required]
    latest = max((day for day in begins if day is not None), default=None)
    reasons: dict[str, str] = {}
    for each in series:
        if each.required:
            continue
        first, last = _first_day(each), each.frame["available_from"].max()
        if each.frame.is_empty():
            reasons[each.name] = "no declared source has it"
        elif until is not None and isinstance(last, date) and last < until:
            reasons[each.name] = f"it ends before the test split begins ({last} < {until})"
        elif first is None or (latest is not None and first > latest):
            reasons[each.name] = f"its indicators begin on {first}, later than those of what is required"
    return reasons


def _first_day(series: SeriesInput) -> date | None:
    """First day on which all indicators of a series were public."""
    if series.frame.is_empty():
        return None
    return series_channels(series)["available_from"].min()  # type: ignore[return-value]


def join_series(
    table: pl.DataFrame, series: Sequence[SeriesInput], until: date | None, history_from: date | None
) -> pl.DataFrame:
    """A table of bars with the channels of series added.

    Each bar gets the values that were public at its close. Bars before the first and after the last value are
    left out; so are the optional series that `left_out` names.

    Args:
        table: date, symbol, ... sorted by symbol and date.
        series: in the order of their channels.
        until: first day of the test split, which a required series must reach.
        history_from: bars before it are left out.

    Raises:
        DataError: a required series does not last, or has a hole in the middle of the bars' dates.
    """
    without = left_out(series, until)
    for each in series:
        if each.name in without:
            continue
        last = each.frame["available_from"].max()
        if not isinstance(last, date) or (until is not None and last < until):
            state = "is empty" if last is None else f"ends on {each.frame['date'].max()!s}"
            raise DataError(
                f"series {each.name} {state}, before the test split begins ({until}). Bring a longer file, "
                "or choose split dates that it covers."
            )
        table = _join(table, each)
    if history_from is not None:
        table = table.filter(pl.col("date") >= history_from)
    if table.is_empty():
        raise DataError(
            f"no bars are left after joining {', '.join(s.name for s in series)}: their dates do not overlap."
        )
    return table


def _join(table: pl.DataFrame, series: SeriesInput) -> pl.DataFrame:
    frequency = frequency_of(series.frame.sort("date"))
    channels = series_channels(series)
    names = [name for name in channels.columns if name not in ("available_from", "observed")]
    days = table.select("date").unique().sort("date")
    if channels.is_empty():
        raise DataError(
            f"series {series.name} has {series.frame.height} values, too few for its indicators. "
            "Bring a longer file."
        )
    joined = days.join_asof(
        channels.with_columns(public=pl.col("available_from")),
        left_on="date",
        right_on="available_from",
        strategy="backward",
    ).with_columns(age=(pl.col("date") - pl.col("public")).dt.total_days())
    fresh = joined.filter(pl.col("age") <= MAX_AGE_DAYS[frequency])
    if fresh.is_empty():
        raise DataError(f"series {series.name} and the bars have no day in common.")
    inside = days.filter(pl.col("date").is_between(fresh["date"][0], fresh["date"][-1]))
    if inside.height > fresh.height:
        hole = inside.join(fresh, on="date", how="anti")["date"][0]
        raise DataError(
            f"series {series.name} has no value for {hole}: the last one is more than "
            f"{MAX_AGE_DAYS[frequency]} days old. Fill the gap in the source, or leave the series out."
        )
    values = fresh.select("date", *names)
    if not values.select(pl.all_horizontal(pl.col(names).is_finite())).to_series().all():
        raise DataError(f"series {series.name}: an indicator is not finite; look at its values.")
    return table.join(values, on="date", how="inner", maintain_order="left")

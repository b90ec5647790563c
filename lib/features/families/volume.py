"""Volume in relation to itself and to the price. A symbol that reports none gets 0 throughout."""

from __future__ import annotations

import polars as pl

from lib.features.declaration import feature, lengths
from lib.features.expressions import CLOSE, HIGH, LOW, RETURN, VOLUME
from lib.features.indicators import Array, ratio, ta

FAMILY = "volume"


def _over(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    return pl.when(denominator > 0).then(numerator / denominator).otherwise(denominator * 0)


@feature(
    "volume_ratio_{length}",
    family=FAMILY,
    formula="V[t] / SMA(V, {length})[t] - 1, at most 9",
    inputs=("volume",),
    look_back=lambda length: length,
    at={100: lengths(5, 20, 50), 200: lengths(10, 100), 500: lengths(3, 200)},
)
def volume_ratio(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Volume against its mean."""
    return _over(VOLUME - VOLUME.rolling_mean(length), VOLUME.rolling_mean(length)).clip(-1, 9)


@feature(
    "volume_gap_{fast}_{slow}",
    family=FAMILY,
    formula="SMA(V, {fast})[t] / SMA(V, {slow})[t] - 1",
    inputs=("volume",),
    look_back=lambda fast, slow: slow,
    at={100: [{"fast": 5, "slow": 20}], 500: [{"fast": f, "slow": s} for f, s in ((20, 60), (50, 200))]},
)
def volume_gap(bars: pl.DataFrame, fast: int, slow: int) -> pl.Expr:
    """Short-term against long-term volume."""
    short, long = VOLUME.rolling_mean(fast), VOLUME.rolling_mean(slow)
    return _over(short - long, long)


@feature(
    "signed_volume_{length}",
    family=FAMILY,
    formula="(OBV[t] - OBV[t-{length}]) / sum of V over {length} bars",
    inputs=("close", "volume"),
    look_back=lambda length: length + 1,
    at={100: lengths(20, 50), 200: lengths(10), 500: lengths(5, 100)},
)
def signed_volume(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Share of the volume that went with rises less with falls: on-balance volume as a relation."""
    signed = CLOSE.diff().sign() * VOLUME
    return _over(signed.rolling_mean(length), VOLUME.rolling_mean(length))


@feature(
    "money_flow_index_{length}",
    family=FAMILY,
    formula="MFI({length})[t], -1 to 1",
    inputs=("high", "low", "close", "volume"),
    look_back=lambda length: length + 1,
    library="TA-Lib",
    at={100: lengths(14), 200: lengths(28), 500: lengths(7, 60)},
)
def money_flow_index(bars: pl.DataFrame, length: int) -> Array:
    """RSI of the money flow."""
    columns = (bars[name].to_numpy() for name in ("high", "low", "close", "volume"))
    return ta("MFI", *columns, timeperiod=length) / 50 - 1


@feature(
    "chaikin_money_flow_{length}",
    family=FAMILY,
    formula="sum of V·(2C - H - L)/(H - L) / sum of V over {length} bars up to t",
    inputs=("high", "low", "close", "volume"),
    look_back=lambda length: length,
    at={100: lengths(20), 200: lengths(50), 500: lengths(5, 10, 100)},
)
def chaikin_money_flow(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Whether the volume came near highs or near lows."""
    where = pl.when(HIGH > LOW).then((2 * CLOSE - HIGH - LOW) / (HIGH - LOW)).otherwise(0.0)
    return _over((where * VOLUME).rolling_mean(length), VOLUME.rolling_mean(length))


@feature(
    "accumulation_oscillator_{fast}_{slow}",
    family=FAMILY,
    formula="(EMA(AD, {fast}) - EMA(AD, {slow}))[t] / SMA(V, {slow})[t]",
    inputs=("high", "low", "close", "volume"),
    look_back=lambda fast, slow: slow,
    library="TA-Lib",
    at={100: [{"fast": 3, "slow": 10}], 500: [{"fast": 10, "slow": 40}]},
)
def accumulation_oscillator(bars: pl.DataFrame, fast: int, slow: int) -> Array:
    """Chaikin's oscillator of the accumulation/distribution line, in mean volumes."""
    high, low, close, volume = (bars[name].to_numpy() for name in ("high", "low", "close", "volume"))
    found = ta("ADOSC", high, low, close, volume, fastperiod=fast, slowperiod=slow)
    return ratio(found, ta("SMA", volume, timeperiod=slow))


@feature(
    "force_index_{length}",
    family=FAMILY,
    formula="sum of V·ln(C[i]/C[i-1]) / sum of V over {length} bars up to t",
    inputs=("close", "volume"),
    look_back=lambda length: length + 1,
    at={100: lengths(13), 500: lengths(5, 40, 100)},
)
def force_index(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Return weighted by volume."""
    return _over((RETURN * VOLUME).rolling_mean(length), VOLUME.rolling_mean(length))


@feature(
    "close_to_vwap_{length}",
    family=FAMILY,
    formula="C[t] / VWAP({length})[t] - 1, of typical prices",
    inputs=("high", "low", "close", "volume"),
    look_back=lambda length: length,
    at={100: lengths(20, 50), 200: lengths(100), 500: lengths(5, 10, 200)},
)
def close_to_vwap(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Distance from the mean price that was paid."""
    typical = (HIGH + LOW + CLOSE) / 3
    paid = (typical * VOLUME).rolling_mean(length)
    return _over(CLOSE * VOLUME.rolling_mean(length) - paid, paid)


@feature(
    "price_volume_correlation_{length}",
    family=FAMILY,
    formula="correlation of ln(C[i]/C[i-1]) and ln(1 + V[i]/SMA(V, {length})[i]) over {length} bars up to t",
    inputs=("close", "volume"),
    look_back=lambda length: 2 * length - 1,
    at={100: lengths(20), 200: lengths(50), 500: lengths(10, 100)},
)
def price_volume_correlation(bars: pl.DataFrame, length: int) -> pl.Expr:
    """Whether volume goes with rises or with falls."""
    volume = _over(VOLUME, VOLUME.rolling_mean(length)).log1p()
    together = (RETURN * volume).rolling_mean(length) - RETURN.rolling_mean(length) * volume.rolling_mean(
        length
    )
    spread = (RETURN.rolling_var(length, ddof=0) * volume.rolling_var(length, ddof=0)).sqrt()
    return pl.when(spread > 1e-9).then(together / spread).otherwise(spread * 0).clip(-1, 1)


@feature(
    "volume_volatility_{length}",
    family=FAMILY,
    formula="standard deviation (n-1) of V over its mean, {length} bars up to t",
    inputs=("volume",),
    look_back=lambda length: length,
    at={100: lengths(20), 500: lengths(10, 60)},
)
def volume_volatility(bars: pl.DataFrame, length: int) -> pl.Expr:
    """How uneven the volume was."""
    return _over(VOLUME.rolling_std(length), VOLUME.rolling_mean(length))

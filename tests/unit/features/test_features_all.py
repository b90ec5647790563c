"""All 2,000 channels at all timescales: causal, free of units, finite, distinct, and as TA-Lib has them."""

import os
import tracemalloc
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import talib

from lib.data.calendar import sessions_of
from lib.data.sources.embedded import EmbeddedSource
from lib.data.sources.files import FilesSource
from lib.features.assembly import assemble, compute
from lib.features.bars import resample
from lib.features.catalogue import LOOK_BACK_CAP, catalogue
from lib.features.indicators import pandas_ta
from lib.features.schema import PRICE_COLUMNS, channel_names
from lib.features.slower import SLOWER, slower_channels

TIMESCALES = list(LOOK_BACK_CAP)
EXCHANGE = sessions_of("XNYS")


@cache
def made_bars(timescale: str, seed: int = 0) -> pl.DataFrame:
    """Bars with jumps, standstills and days without volume, 150 more than the warm-up."""
    rows = LOOK_BACK_CAP[timescale] + 150
    random = np.random.default_rng(seed)
    size = 0.01 * np.exp(np.cumsum(0.05 * random.standard_normal(rows)).clip(-1.5, 1.5))
    close = 100 * np.exp(np.cumsum(random.standard_normal(rows) * size))
    close[60:64] = close[60]
    open_ = np.r_[100.0, close[:-1]] * np.exp(0.3 * random.standard_normal(rows) * size)
    open_[61:64] = close[60]
    high = np.maximum(open_, close) * np.exp(np.abs(0.3 * random.standard_normal(rows)) * size)
    low = np.minimum(open_, close) * np.exp(-np.abs(0.3 * random.standard_normal(rows)) * size)
    high[61:64] = low[61:64] = close[60]
    volume = random.uniform(1e6, 2e6, rows).round()
    volume[30:33] = 0.0
    first = date(2001, 1, 1)
    return pl.DataFrame(
        {
            "date": [first + timedelta(days=n) for n in range(rows)],
            "symbol": "X",
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
        }
    )


def values(bars: pl.DataFrame, timescale: str) -> np.ndarray:
    return compute(bars, catalogue(2000, timescale)).fill_null(float("nan")).to_numpy()


@cache
def made_values(timescale: str, seed: int = 0) -> np.ndarray:
    """All channels of the made bars, for every test that looks at them; none may write into them."""
    found = values(made_bars(timescale, seed), timescale)
    found.flags.writeable = False
    return found


@pytest.mark.parametrize("timescale", TIMESCALES)
def test_the_first_bars_have_the_same_channels_whatever_follows(timescale):
    """Nothing follows, or other bars do: after the first complete row, amid the rows, before the last."""
    bars = made_bars(timescale)
    whole = made_values(timescale)
    first, amid, last = LOOK_BACK_CAP[timescale] + 1, LOOK_BACK_CAP[timescale] + 77, bars.height - 1
    for kept in (first, amid):
        np.testing.assert_array_equal(values(bars.head(kept), timescale), whole[:kept])
    for kept in (amid, last):
        later = pl.int_range(pl.len()) >= kept
        factor = pl.Series(np.random.default_rng(kept).uniform(0.5, 2.0, bars.height))
        changed = bars.with_columns(
            pl.when(later).then(pl.col(name) * factor).otherwise(name) for name in (*PRICE_COLUMNS, "volume")
        )
        other = values(changed, timescale)
        np.testing.assert_array_equal(other[:kept], whole[:kept])
        assert not np.array_equal(other[kept:], whole[kept:], equal_nan=True)


@pytest.mark.parametrize("timescale", TIMESCALES)
def test_no_channel_depends_on_the_unit_of_price_or_volume(timescale):
    bars = made_bars(timescale)
    scaled = bars.with_columns(pl.col(PRICE_COLUMNS) * 64, pl.col("volume") / 16)
    start = LOOK_BACK_CAP[timescale] - 1
    here, there = made_values(timescale)[start:], values(scaled, timescale)[start:]
    spread = here.std(axis=0) + 1e-12
    worst = np.abs((there - here) / spread).max(axis=0)
    names = [feature.name for feature in catalogue(2000, timescale)]
    assert worst.max() < 1e-3, names[int(worst.argmax())]


@pytest.mark.parametrize("timescale", TIMESCALES)
def test_every_channel_has_a_finite_value_from_its_look_back_on(timescale):
    for seed in (0, 1):
        table = made_values(timescale, seed)
        for number, feature in enumerate(catalogue(2000, timescale)):
            assert np.isfinite(table[feature.look_back - 1 :, number]).all(), feature.name


def market(symbol: str = "^GSPC") -> pl.DataFrame:
    return EmbeddedSource().prices(symbol)


def check_distinct(prices: pl.DataFrame, timescale: str) -> None:
    bars = resample(prices, timescale, EXCHANGE)
    table = values(bars, timescale)[LOOK_BACK_CAP[timescale] - 1 :].astype(np.float64)
    names = [feature.name for feature in catalogue(2000, timescale)]
    assert np.isfinite(table).all()
    spread = table.std(axis=0)
    assert (spread > 1e-12).all(), names[int(spread.argmin())]
    # In single precision, because the product takes most of the time.
    standard = ((table - table.mean(axis=0)) / spread).astype(np.float32)
    correlation = np.triu(np.abs(standard.T @ standard / len(standard)), 1)
    first, second = np.unravel_index(correlation.argmax(), correlation.shape)
    assert correlation.max() <= 0.9999, (names[first], names[second], correlation.max())


@pytest.mark.parametrize("timescale", TIMESCALES)
def test_no_channel_of_the_real_market_is_constant_or_repeats_another(timescale):
    check_distinct(market(), timescale)


@pytest.mark.skipif(
    "MARKET_DATA_DIR" not in os.environ, reason="MARKET_DATA_DIR names no folder of market data"
)
@pytest.mark.parametrize("timescale", TIMESCALES)
def test_no_channel_of_spy_is_constant_or_repeats_another(timescale):
    check_distinct(FilesSource(Path(os.environ["MARKET_DATA_DIR"])).prices("SPY"), timescale)


def test_a_symbol_has_the_same_channels_alone_and_beside_others():
    bars = {"X": made_bars("daily"), "Y": made_bars("daily", 1).with_columns(symbol=pl.lit("Y"))}
    together = assemble(bars, 2000)
    for symbol, own in bars.items():
        alone = assemble({symbol: own}, 2000)
        assert together.filter(pl.col("symbol") == symbol).equals(alone)


def test_all_tiers_have_the_same_dates():
    bars = {"X": made_bars("daily")}
    whole = assemble(bars, 2000)
    small = assemble(bars, 20)
    assert small.select("date", "symbol").equals(whole.select("date", "symbol"))
    assert whole.select(small.columns).equals(small)


# -- multires --


def multires(prices: pl.DataFrame) -> pl.DataFrame:
    slower = {slow: resample(prices, slow, EXCHANGE) for slow in SLOWER}
    return assemble({"X": resample(prices, "multires", EXCHANGE)}, 20, "multires", slower={"X": slower})


def test_multires_adds_completed_weeks_and_months_and_knows_no_running_one():
    prices = market().filter(pl.col("date") < date(2004, 7, 1))
    table = multires(prices)
    assert channel_names(table)[20:] == slower_channels()
    weekly = resample(prices, "weekly", EXCHANGE)
    for day in (date(2004, 3, 10), date(2004, 3, 12), date(2004, 6, 30)):
        row = table.filter(pl.col("date") == day)
        last = weekly.filter(pl.col("last_session") <= day).tail(1)
        assert (day - last["last_session"][0]).days < 7
        expected = np.log(row["close"][0] / last["high"][0])
        assert row["close_to_weekly_high"][0] == pytest.approx(expected, abs=1e-6)
    for kept in (table["date"][100], table["date"][-8]):
        cut = multires(prices.filter(pl.col("date") <= kept))
        assert cut.equals(table.filter(pl.col("date") <= kept))


# -- golden values --

H, L, C, V = 1, 2, 3, 4
Prices = tuple[np.ndarray, ...]


def relation(kind: str, n: int) -> Callable[[Prices], np.ndarray]:
    return lambda p: p[C] / getattr(talib, kind)(p[C], n) - 1


GOLDEN: dict[str, Callable[[Prices], np.ndarray]] = {
    **{f"close_to_sma_{n}": relation("SMA", n) for n in (5, 10, 20, 50, 100, 200)},
    **{f"close_to_ema_{n}": relation("EMA", n) for n in (10, 20, 50, 100, 200)},
    **{f"close_to_wma_{n}": relation("WMA", n) for n in (10, 20, 50)},
    **{f"close_to_dema_{n}": relation("DEMA", n) for n in (20, 50)},
    **{f"close_to_tema_{n}": relation("TEMA", n) for n in (20, 50)},
    **{f"close_to_kama_{n}": relation("KAMA", n) for n in (10, 30)},
    **{f"close_to_trima_{n}": relation("TRIMA", n) for n in (20, 50)},
    "close_to_t3_5": relation("T3", 5),
    **{f"rsi_{n}": (lambda p, n=n: talib.RSI(p[C], n) / 50 - 1) for n in (7, 14, 21, 50)},
    "macd_histogram_12_26_9": lambda p: talib.MACD(p[C], 12, 26, 9)[2] / p[C],
    "stochastic_k_14_3": lambda p: talib.STOCH(p[H], p[L], p[C], 14, 3, 0, 1, 0)[0] / 50 - 1,
    "stochastic_d_14_3_3": lambda p: talib.STOCH(p[H], p[L], p[C], 14, 3, 0, 3, 0)[1] / 50 - 1,
    "williams_r_14": lambda p: talib.WILLR(p[H], p[L], p[C], 14) / 50 + 1,
    "cci_20": lambda p: talib.CCI(p[H], p[L], p[C], 20) / 100,
    "ultimate_oscillator_7_14_28": lambda p: talib.ULTOSC(p[H], p[L], p[C], 7, 14, 28) / 50 - 1,
    "trix_15": lambda p: talib.TRIX(p[C], 15) / 100,
    **{f"atr_{n}": (lambda p, n=n: talib.ATR(p[H], p[L], p[C], n) / p[C]) for n in (7, 14, 21, 50)},
    **{
        f"volatility_{n}": (lambda p, n=n: talib.STDDEV(log_returns(p), n) * np.sqrt(n / (n - 1)))
        for n in (10, 20, 50)
    },
    "bollinger_width_20": lambda p: bands(p, 20)[0] / bands(p, 20)[1] * 2 - 2,
    "bollinger_position_20": lambda p: (p[C] - bands(p, 20)[1]) / (bands(p, 20)[0] - bands(p, 20)[1]),
    "keltner_position_20": lambda p: (p[C] - talib.EMA(p[C], 20)) / 2 / talib.ATR(p[H], p[L], p[C], 20),
    "money_flow_index_14": lambda p: talib.MFI(p[H], p[L], p[C], p[V], 14) / 50 - 1,
    "accumulation_oscillator_3_10": lambda p: (
        talib.ADOSC(p[H], p[L], p[C], p[V], 3, 10) / talib.SMA(p[V], 10)
    ),
    "adx_14": lambda p: talib.ADX(p[H], p[L], p[C], 14) / 100,
    "directional_balance_14": lambda p: (
        (talib.PLUS_DI(p[H], p[L], p[C], 14) - talib.MINUS_DI(p[H], p[L], p[C], 14)) / 100
    ),
    "aroon_25": lambda p: talib.AROONOSC(p[H], p[L], 25) / 100,
    "close_to_sar": lambda p: 1 - talib.SAR(p[H], p[L], 0.02, 0.2) / p[C],
    "regression_slope_20": lambda p: talib.LINEARREG_SLOPE(np.log(p[C]), 20),
    "regression_fit_20": lambda p: talib.CORREL(np.log(p[C]), np.arange(len(p[C]), dtype=float), 20),
    "range_20": lambda p: np.log(talib.MAX(p[H], 20) / talib.MIN(p[L], 20)),
    "drawdown_60": lambda p: np.log(p[C] / talib.MAX(p[H], 60)),
    "age_of_high_60": lambda p: (np.arange(len(p[C])) - talib.MAXINDEX(p[H], 61)) / 60,
    "signed_volume_20": lambda p: (
        (talib.OBV(p[C], p[V]) - np.r_[np.full(20, np.nan), talib.OBV(p[C], p[V])[:-20]])
        / talib.SUM(p[V], 20)
    ),
    "volume_ratio_20": lambda p: np.clip(p[V] / talib.SMA(p[V], 20) - 1, -1, 9),
    "engulfing_mean_5": lambda p: talib.SMA(talib.CDLENGULFING(*p[:4]) / 100, 5),
}


def log_returns(p: Prices) -> np.ndarray:
    returns = np.diff(np.log(p[C]), prepend=np.nan)
    returns[0] = 0.0
    return returns


def bands(p: Prices, n: int) -> tuple[np.ndarray, ...]:
    return talib.BBANDS(p[C], n, 2.0, 2.0)


def test_there_are_at_least_forty_golden_indicators():
    assert len(GOLDEN) >= 40


@pytest.mark.parametrize("name", GOLDEN)
def test_a_channel_is_what_talib_says(name):
    bars = market().head(700)
    prices = tuple(bars[column].to_numpy() for column in (*PRICE_COLUMNS, "volume"))
    features = catalogue(2000)
    ours = golden_table()[name].to_numpy().astype(np.float64)
    theirs = GOLDEN[name](prices)
    start = next(f.look_back for f in features if f.name == name) - 1 + (name.startswith("volatility"))
    np.testing.assert_allclose(ours[start:], theirs[start:], rtol=2e-5, atol=1e-6)


@cache
def golden_table() -> pl.DataFrame:
    return compute(market().head(700), catalogue(2000))


def test_the_largest_tier_takes_little_memory():
    prices = market()
    tracemalloc.start()
    compute(prices, catalogue(2000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500e6  # of NumPy; `make bench-features` measures the whole process


@pytest.mark.parametrize("name", ["dpo", "ichimoku", "tos_stdevall", "vp"])
def test_indicators_that_look_ahead_are_refused_at_the_door(name):
    with pytest.raises(ValueError, match="looks ahead"):
        pandas_ta(name, np.ones(100))


# -- a feature of one's own --

OWN = '''"""A feature of one's own."""

import polars as pl

from lib.features.declaration import feature, lengths


@feature(
    "close_to_high_{length}",
    family="own",
    formula="C[t] / max H over {length} bars up to t",
    inputs=("high", "close"),
    look_back=lambda length: length,
    at={20: lengths(33)},
)
def close_to_high(bars: pl.DataFrame, length: int) -> pl.Expr:
    return pl.col("close") / pl.col("high").rolling_max(length)
'''


def test_a_feature_of_ones_own_is_one_declaration_in_one_file(tmp_path):
    """As docs/adding-things.md says: another process, because the catalogue is read once."""
    import shutil
    import subprocess
    import sys

    root = Path(__file__).parents[3]
    shutil.copytree(root / "lib", tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "lib" / "features" / "families" / "own.py").write_text(OWN)
    code = (
        "from lib.features.catalogue import declarations, fitted;"
        "[d] = [d for d in declarations() if d.family == 'own'];"
        "print(fitted(d, 'daily', set()).name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "close_to_high_33", done.stderr

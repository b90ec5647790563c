"""The dataset table: causality, scale, agreement with textbook formulas, and refusal of bad bars."""

from datetime import date
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from arch.data import nasdaq, sp500
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.data.calendar import sessions_of
from lib.errors import ConfigError, DataError
from lib.features.assembly import assemble, compute
from lib.features.bars import resample
from lib.features.catalogue import LOOK_BACK_CAP, catalogue
from lib.features.schema import PRICE_COLUMNS, channel_names
from lib.features.slower import SLOWER, slower_channels

FEATURES = catalogue(20)


def random_bars(rows: int, seed: int = 0, symbol: str = "X") -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    volatility = 0.01 * np.exp(np.cumsum(rng.normal(0, 0.05, rows)).clip(-1.5, 1.5))
    close = 100 * np.exp(np.cumsum(rng.normal(0, 1, rows) * volatility))
    open_ = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0, 0.3, rows) * volatility)
    return pl.DataFrame(
        {
            "date": np.datetime64("2000-01-03") + np.arange(rows),
            "symbol": symbol,
            "open": open_,
            "high": np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.3, rows)) * volatility),
            "low": np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.3, rows)) * volatility),
            "close": close,
            "volume": rng.uniform(1e6, 2e6, rows),
        }
    )


def real(module: ModuleType, symbol: str) -> pl.DataFrame:
    data = module.load().reset_index().drop(columns="Adj Close")
    return pl.from_pandas(data).select(
        pl.col("Date").cast(pl.Date).alias("date"),
        pl.lit(symbol).alias("symbol"),
        *(pl.col(name.title()).cast(pl.Float64).alias(name) for name in (*PRICE_COLUMNS, "volume")),
    )


@pytest.fixture(scope="module")
def market() -> dict[str, pl.DataFrame]:
    return {"^GSPC": real(sp500, "^GSPC"), "^IXIC": real(nasdaq, "^IXIC")}


def slower_bars(market: dict[str, pl.DataFrame]) -> dict[str, dict[str, pl.DataFrame]]:
    exchange = sessions_of("XNYS")
    return {s: {slow: resample(p, slow, exchange) for slow in SLOWER} for s, p in market.items()}


@pytest.mark.parametrize("timescale", list(LOOK_BACK_CAP))
def test_every_timescale_of_the_real_market_gives_20_channels_that_differ_and_vary(
    market: dict[str, pl.DataFrame], timescale: str
) -> None:
    bars = {symbol: resample(prices, timescale, sessions_of("XNYS")) for symbol, prices in market.items()}
    table = assemble(bars, 20, timescale, slower=slower_bars(market))
    channels = channel_names(table)[:20]
    assert channel_names(table)[20:] == (slower_channels() if timescale == "multires" else [])
    table = table.drop(channel_names(table)[20:])
    assert len(channels) == 20
    assert table.columns == ["date", "symbol", *channels, *PRICE_COLUMNS]
    assert table.schema["date"] == pl.Date
    assert all(table.schema[name] == pl.Float32 for name in channels)
    assert all(table.schema[name] == pl.Float64 for name in PRICE_COLUMNS)
    assert table.select("symbol", "date").equals(table.select("symbol", "date").sort("symbol", "date"))
    for symbol in market:
        rows = table.filter(pl.col("symbol") == symbol)
        if timescale != "multires":  # which waits for its months
            assert rows.height == bars[symbol].height - LOOK_BACK_CAP[timescale] + 1
        values = rows.select(channels).to_numpy().astype(np.float64)
        assert np.isfinite(values).all()
        assert (values.std(axis=0) > 1e-4).all(), "none is constant"
        correlation = np.corrcoef(values.T) - np.eye(20)
        assert np.abs(correlation).max() < 0.9999, "none repeats another"


def test_no_channel_is_a_price(market: dict[str, pl.DataFrame]) -> None:
    table = assemble({"^GSPC": market["^GSPC"]}, 20)
    assert table.select(channel_names(table)).to_numpy().__abs__().max() <= 1.0


@given(seed=st.integers(0, 10_000), kept=st.integers(260, 399))
@settings(max_examples=20, deadline=None)
def test_features_of_the_first_bars_are_the_first_features_of_all_bars(seed: int, kept: int) -> None:
    bars = random_bars(400, seed)
    assert compute(bars.head(kept), FEATURES).equals(compute(bars, FEATURES).head(kept), null_equal=True)


@given(seed=st.integers(0, 10_000), kept=st.integers(1, 399), factor=st.floats(0.2, 5.0))
@settings(max_examples=20, deadline=None)
def test_a_changed_future_changes_no_feature_before_it(seed: int, kept: int, factor: float) -> None:
    bars = random_bars(400, seed)
    later = pl.int_range(pl.len()) >= kept
    changed = bars.with_columns(
        pl.when(later).then(pl.col(name) * factor).otherwise(pl.col(name))
        for name in (*PRICE_COLUMNS, "volume")
    )
    assert compute(changed, FEATURES).head(kept).equals(compute(bars, FEATURES).head(kept), null_equal=True)


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-2, 1e3))
@settings(max_examples=20, deadline=None)
def test_features_do_not_depend_on_the_unit_of_price_or_volume(seed: int, scale: float) -> None:
    bars = random_bars(320, seed)
    scaled = bars.with_columns(pl.col(*PRICE_COLUMNS, "volume") * scale)
    here, there = assemble({"X": bars}, 20), assemble({"X": scaled}, 20)
    names = channel_names(here)
    np.testing.assert_allclose(there.select(names).to_numpy(), here.select(names).to_numpy(), atol=1e-6)


def test_every_feature_has_a_value_from_its_declared_look_back_on_and_none_before() -> None:
    bars = random_bars(400)
    values = compute(bars, FEATURES).fill_null(float("nan"))
    for feature in FEATURES:
        finite = np.isfinite(values[feature.name].to_numpy())
        assert not finite[: feature.look_back - 1].any(), feature.name
        assert finite[feature.look_back - 1 :].all(), feature.name


def test_features_agree_with_their_formulas_written_out() -> None:
    bars = random_bars(300)
    values = compute(bars, FEATURES)
    o, h, low, c = (bars[name].to_numpy() for name in PRICE_COLUMNS)
    t = 280
    returns = np.diff(np.log(c))
    true_range = np.maximum(h[1:], c[:-1]) - np.minimum(low[1:], c[:-1])
    atr = true_range[:14].mean()
    gain, loss = np.diff(c).clip(0), -np.diff(c).clip(max=0)
    mean_gain, mean_loss = gain[:14].mean(), loss[:14].mean()
    for i in range(14, t):
        atr = (13 * atr + true_range[i]) / 14
        mean_gain, mean_loss = (13 * mean_gain + gain[i]) / 14, (13 * mean_loss + loss[i]) / 14
    ema = c[:50].mean()
    for i in range(50, t + 1):
        ema += (c[i] - ema) * 2 / 51
    top, bottom = h[t - 19 : t + 1].max(), low[t - 19 : t + 1].min()
    expected = {
        "log_return_5": np.log(c[t] / c[t - 5]),
        "range_1": np.log(h[t] / low[t]),
        "range_5": np.log(h[t - 4 : t + 1].max() / low[t - 4 : t + 1].min()),
        "range_position_1": 2 * (c[t] - low[t]) / (h[t] - low[t]) - 1,
        "range_position_20": 2 * (c[t] - bottom) / (top - bottom) - 1,
        "gap": np.log(o[t] / c[t - 1]),
        "body": (c[t] - o[t]) / (h[t] - low[t]),
        "upper_shadow": np.log(h[t] / max(o[t], c[t])),
        "lower_shadow": np.log(min(o[t], c[t]) / low[t]),
        "close_to_sma_200": c[t] / c[t - 199 : t + 1].mean() - 1,
        "close_to_ema_50": c[t] / ema - 1,
        "rsi_14": (100 * mean_gain / (mean_gain + mean_loss) - 50) / 50,
        "atr_14": atr / c[t],
        "volatility_20": returns[t - 20 : t].std(ddof=1),
    }
    for name, value in expected.items():
        assert values[name][t] == pytest.approx(value, rel=1e-4, abs=1e-7), name


def test_bars_without_a_range_give_the_middle_not_a_nan() -> None:
    bars = random_bars(300).with_columns(
        pl.when(pl.int_range(pl.len()) >= 270).then(100.0).otherwise(pl.col(name)).alias(name)
        for name in PRICE_COLUMNS
    )
    last = assemble({"X": bars}, 20).row(-1, named=True)
    assert all(last[name] == 0 for name in ("body", "range_position_1", "range_position_20", "range_1"))
    assert last["volatility_20"] == pytest.approx(0, abs=1e-6)


def test_a_symbol_has_the_same_rows_alone_and_with_others() -> None:
    one, two = random_bars(300, 1, "ONE"), random_bars(280, 2, "TWO")
    together = assemble({"TWO": two, "ONE": one}, 20)
    assert together["symbol"].unique(maintain_order=True).to_list() == ["ONE", "TWO"]
    assert together.filter(pl.col("symbol") == "TWO").equals(assemble({"TWO": two}, 20))


def test_whole_numbers_are_prices_too() -> None:
    bars = random_bars(300).with_columns((pl.col(PRICE_COLUMNS) * 1000).round().cast(pl.Int64))
    assert assemble({"X": bars}, 20).height == 49


def test_a_short_history_is_refused_with_both_numbers() -> None:
    assert assemble({"X": random_bars(252)}, 20).height == 1
    with pytest.raises(DataError, match=r"X has 251 daily bars.*251 bars of warm-up"):
        assemble({"X": random_bars(251)}, 20)
    with pytest.raises(DataError, match="no symbols"):
        assemble({}, 20)


@pytest.mark.parametrize("bad", [None, float("nan"), float("inf"), 0.0, -1.0])
def test_a_price_that_would_poison_indicators_is_refused_with_symbol_column_and_date(
    bad: float | None,
) -> None:
    bars = random_bars(300)
    bars = bars.with_columns(
        close=pl.when(pl.col("date") == date(2000, 2, 1)).then(pl.lit(bad)).otherwise(pl.col("close"))
    )
    with pytest.raises(DataError, match=r"X has 1 daily bar\(s\) whose close .* 2000-02-01"):
        assemble({"X": bars}, 20)


def test_repeated_dates_are_refused() -> None:
    bars = random_bars(300)
    with pytest.raises(DataError, match="more than one daily bar on 2000-01-07"):
        assemble({"X": pl.concat([bars, bars[4:5]])}, 20)


def test_tiers_and_timescales_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ConfigError, match="tier 99"):
        assemble({"X": random_bars(300)}, 99)
    with pytest.raises(ConfigError, match="hourly"):
        assemble({"X": random_bars(300)}, 20, "hourly")  # type: ignore[arg-type]

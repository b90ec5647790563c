"""A position is decided at the close and taken at the next open; nothing later can reach it."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from lib.config.workflow import EvaluationConfig, TradingConfig
from lib.metrics.trading_measures import expected_best_sharpe, probabilistic_sharpe
from lib.scaling.ledger import deflated_trading
from lib.scaling.run_columns import RUNS_SCHEMA
from lib.scoring.backtest import account, hold_for, performance, signal_of, trade
from lib.scoring.market import bars_per_year, next_open_returns, volatility_regimes
from lib.scoring.measures import measures_by_regime

FREE = EvaluationConfig(bootstrap_draws=200, trading=TradingConfig(cost_basis_points=0))


def days(n: int) -> list[date]:
    return [date(2015, 1, 1) + timedelta(days=i) for i in range(n)]


def market(n: int = 200, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    return pl.DataFrame(
        {"date": days(n), "symbol": "S", "open": close * np.exp(rng.normal(0, 0.003, n)), "close": close}
    )


def forecasts(probability: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(
        {"date": days(probability.size), "symbol": "S", "target": 0.0, "prediction": probability,
         "probability_1": probability}
    )  # fmt: skip


def test_a_position_earns_from_the_next_open_to_the_one_after() -> None:
    prices = pl.DataFrame(
        {"date": days(4), "symbol": "S", "open": [10.0, 20.0, 30.0, 33.0], "close": [1.0] * 4}
    )
    earned = next_open_returns(prices)
    assert earned["market_return"].to_list() == pytest.approx([0.5, 0.1])
    assert earned["entry"].to_list() == days(4)[1:3]


def test_a_forecaster_of_the_move_between_opens_earns_it_and_one_of_the_past_does_not() -> None:
    prices = market(400)
    opens = prices["open"].to_numpy()
    coming = np.append((opens[2:] > opens[1:-1]).astype(float), [0.5, 0.5])
    seer, _ = trade(forecasts(coming * 0.8 + 0.1), prices, "direction", 1, FREE)
    late, _ = trade(forecasts(np.roll(coming, 2) * 0.8 + 0.1), prices, "direction", 1, FREE)
    assert seer["sharpe"] > 8
    assert abs(late["sharpe"]) < 3


@pytest.mark.parametrize("horizon", [1, 5])
def test_the_position_of_a_day_uses_nothing_after_its_close(horizon: int) -> None:
    rng = np.random.default_rng(1)
    prices, probability = market(), rng.random(200)
    _, before = trade(forecasts(probability), prices, "direction", horizon, FREE)
    cut = 120
    later = probability.copy()
    later[cut + 1 :] = 1 - later[cut + 1 :]
    moved = prices.with_columns(
        pl.when(pl.int_range(pl.len()) > cut).then(pl.col(c) * 3).otherwise(pl.col(c)).alias(c)
        for c in ("open", "close")
    )
    _, after = trade(forecasts(later), moved, "direction", horizon, FREE)
    assert after["position"][: cut + 1].equals(before["position"][: cut + 1])
    # What is earned by positions whose whole holding lies before the change is the same, too.
    assert after["return_net"][: cut - 1].equals(before["return_net"][: cut - 1])
    assert not after["position"].equals(before["position"])


def test_the_regime_of_a_day_uses_nothing_after_its_close() -> None:
    prices = market(300)
    before = volatility_regimes(prices, days(300)[150])
    cut = days(300)[200]
    moved = prices.with_columns(
        close=pl.when(pl.col("date") > cut)
        .then(pl.col("close") * (1 + pl.int_range(pl.len()) % 7))
        .otherwise("close")
    )
    after = volatility_regimes(moved, days(300)[150])
    known = pl.col("date") <= cut
    assert after.filter(known).equals(before.filter(known))
    assert not after.equals(before)
    assert set(before["regime"]) == {"low", "middle", "high"}
    # Thirds of the training period.
    shares = before.filter(pl.col("date") <= days(300)[150])["regime"].value_counts()["count"]
    assert shares.max() - shares.min() <= 2


def test_a_regime_shows_the_limits_of_the_symbol_that_is_measured() -> None:
    calm = market(300)
    wild = calm.with_columns(symbol=pl.lit("W"), close=100 * (pl.col("close") / 100) ** 4)
    regimes = volatility_regimes(pl.concat([wild, calm]), None)
    assert regimes is not None
    both = pl.concat(
        [forecasts(np.linspace(0.1, 0.9, 300)).with_columns(symbol=pl.lit(s), target=pl.int_range(300) % 2)
         for s in ("S", "W")]
    )  # fmt: skip
    own = {row["regime"]: row for row in regimes.filter(symbol="S").unique("regime").to_dicts()}
    other = {row["regime"]: row for row in regimes.filter(symbol="W").unique("regime").to_dicts()}
    shown = measures_by_regime(both.filter(symbol="S"), regimes, "direction")
    assert [line["regime"] for line in shown] == ["low", "middle", "high"]
    for line in shown:
        for end in ("volatility_low", "volatility_high"):
            assert line[end] == own[line["regime"]][end]
    assert shown[2]["volatility_low"] < 0.5 * other["high"]["volatility_low"]
    together = measures_by_regime(both, regimes, "direction")
    assert together[1]["volatility_low"] is None, "each symbol has limits of its own"


def run(timescale: str, bars_per_year: float, excess: float | None, hold: float = 0.0) -> dict[str, object]:
    """Five years of trading with a given Sharpe ratio (per year) of the return above holding."""
    bar = bars_per_year**-0.5
    return dict.fromkeys(RUNS_SCHEMA) | {
        "role": "question", "path": f"{timescale}/{excess}", "trading_n": round(5 * bars_per_year),
        "trading_bars_per_year": bars_per_year, "timescale": timescale,
        "trading_sharpe": hold + (excess or 0.0),
        "trading_bar_sharpe": (hold + (excess or 0.0)) * bar, "trading_probabilistic_sharpe": 0.5,
        "trading_hold_sharpe": hold, "trading_excess_sharpe": excess,
        "trading_excess_bar_sharpe": None if excess is None else excess * bar,
        "trading_excess_skewness": 0.0, "trading_excess_kurtosis": 3.0,
        "trading_excess_probabilistic_sharpe": 0.5,
    }  # fmt: skip


def test_what_the_market_pays_by_itself_is_no_skill() -> None:
    """Strategies that hold, more or less, in a market whose Sharpe ratio is 1.5 have shown nothing."""
    rose = [run("daily", 252, excess, hold=1.5) for excess in (-0.05, 0.0, 0.05, None)]
    lines = deflated_trading(rose, search_trials=50)["rows"]
    deflated = {line["path"]: line["deflated_sharpe"] for line in lines}
    assert deflated.pop("daily/None") is None, "holding itself has no excess"
    assert all(value < 0.6 for value in deflated.values())
    skilled = [run("daily", 252, excess) for excess in (-0.05, 0.0, 1.5)]
    assert deflated_trading(skilled, search_trials=1)["rows"][0]["deflated_sharpe"] > 0.6


def test_luck_is_the_same_per_year_on_bars_of_any_length() -> None:
    daily = [run("daily", 252, yearly) for yearly in (-0.5, 0.0, 0.5)]
    weekly = [run("weekly", 52, yearly) for yearly in (-0.5, 0.0, 0.5)]
    mixed = deflated_trading([*daily, *weekly], search_trials=4)["rows"]
    luck = expected_best_sharpe([-0.5, 0.0, 0.5] * 2, 10)
    assert {line["expected_best_by_luck"] for line in mixed} == {luck}
    assert {line["path"] for line in mixed if line["sharpe"] == 0.0} == {"daily/0.0", "weekly/0.0"}
    for line in mixed:
        years = 52 if line["timescale"] == "weekly" else 252
        expected = probabilistic_sharpe(
            line["excess_sharpe"] / years**0.5,
            5 * years,
            0.0,
            3.0,
            luck / years**0.5,  # type: ignore[operator]
        )
        assert line["deflated_sharpe"] == pytest.approx(expected)
    # Five years are five years: the same ratio is as deflated on weekly bars as on daily ones.
    best = [line["deflated_sharpe"] for line in mixed if line["sharpe"] == 0.5]
    assert best[0] == pytest.approx(best[1], abs=0.01)


def test_forecasts_of_several_bars_are_held_that_long() -> None:
    assert hold_for(np.array([1.0, 0, 0, 0, 1]), 3) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0, 1 / 3])
    assert hold_for(np.array([1.0, 0, 1]), 1).tolist() == [1, 0, 1]
    assert hold_for(np.ones(3), 10) == pytest.approx([0.1, 0.2, 0.3])


def test_sides() -> None:
    assert signal_of(np.array([0.6, 0.5, 0.4]), "direction", False).tolist() == [1, 0, 0]
    assert signal_of(np.array([0.01, -0.01]), "regression", True).tolist() == [1, -1]


def test_costs_are_paid_for_every_change_of_position() -> None:
    frame = pl.DataFrame(
        {"date": days(3), "symbol": "S", "position": [1.0, 0.0, 1.0], "market_return": [0.0] * 3}
    )
    paid = account(frame, 10.0)
    assert paid["return_net"].to_list() == pytest.approx([-0.001] * 3)
    assert paid["hold_return"].to_list() == pytest.approx([-0.001, 0, 0])
    assert paid["equity"][-1] == pytest.approx(0.999**3)


def test_always_long_is_buy_and_hold() -> None:
    result, daily = trade(
        forecasts(np.full(200, 0.9)), market(), "direction", 1, EvaluationConfig(bootstrap_draws=200)
    )
    assert result["total_return"] == pytest.approx(result["hold"]["total_return"])
    assert result["excess"]["sharpe"] is None, "nothing is left above holding"
    assert result["exposure"] == 1
    assert result["sharpe_low"] < result["sharpe"] < result["sharpe_high"]
    assert daily["equity"][-1] == pytest.approx(daily["hold_equity"][-1])


def test_measures_are_annualised_by_the_bars_of_a_year() -> None:
    returns = np.random.default_rng(0).normal(0.001, 0.01, 504)
    measured = performance(returns, 252.0)
    assert measured["sharpe"] == pytest.approx(returns.mean() / returns.std(ddof=1) * 252**0.5)
    assert (1 + measured["annual_return"]) ** 2 == pytest.approx(1 + measured["total_return"])
    assert bars_per_year(pl.Series(days(731))) == pytest.approx(365.25)


def test_no_position_is_taken_where_none_makes_sense() -> None:
    touch, series = trade(forecasts(np.full(200, 0.9)), market(), "threshold_1pct", 5, FREE)
    assert series is None
    assert "touch" in touch["reason"]
    assert "prices" in trade(forecasts(np.full(200, 0.9)), None, "direction", 5, FREE)[0]["reason"]
    assert "fewer than" in trade(forecasts(np.full(20, 0.9)), market(), "direction", 5, FREE)[0]["reason"]

"""Hypothetical trading of one symbol on a run's forecasts: positions, costs and returns, compared with
holding.

A secondary measure. The forecast made at the close of day t is traded at the open of the next bar, never
before. Forecasts of H bars are held for H bars: the position is the mean of the last H signals, as with H
accounts that start on successive days (Jegadeesh & Titman 1993). No borrowing, no interest, no slippage
beyond the declared cost, no drift of the position within a bar.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl

from lib.config.base import is_binary, is_ternary
from lib.config.workflow import EvaluationConfig
from lib.inference.bootstrap import block_bootstrap, block_length
from lib.metrics.classification import Floats
from lib.metrics.trading_measures import drawdowns, max_drawdown, moments, probabilistic_sharpe, sharpe_ratio
from lib.scoring.market import bars_per_year, next_open_returns
from lib.scoring.measures import scores_of

MINIMUM = 30
"""Fewer bars than this give no measure of a strategy."""

EXCESS = ("sharpe", "bar_sharpe", "skewness", "kurtosis", "probabilistic_sharpe")
"""Also measured for the returns above holding: what a forecast adds to a market that rises by itself."""

_TOUCH = (
    "No position: whether a price is touched on the way says little about where it ends, so a touch forecast "
    "is a forecast of volatility and names no side to take."
)
_BARRIERS = (
    "No position: a forecast of barriers is left at a barrier, and such exits are not simulated; held to the "
    "end of the horizon it would be another strategy."
)
_NO_PRICES = "No position: the prices of the test period are not at hand."
_SHORT = f"No position: fewer than {MINIMUM} test bars have an open after the next one."


def signal_of(score: Floats, task: str, allow_short: bool) -> Floats:
    """The side of each forecast, (n,) from scores (n,): 1 for a rise, else 0, or -1 if short positions are
    allowed."""
    middle = 0.5 if is_binary(task) else 0.0
    below = -1.0 if allow_short else 0.0
    return np.where(score > middle, 1.0, below)


def hold_for(signal: Floats, horizon: int) -> Floats:
    """Mean of the last `horizon` signals, (n,); signals before the first count as no position.

    >>> hold_for(np.array([1.0, 0.0, 1.0]), horizon=2).tolist()
    [0.5, 0.5, 0.5]
    """
    total = np.cumsum(signal)
    total[horizon:] -= total[:-horizon].copy() if horizon < total.size else 0.0
    return np.asarray(total / horizon, dtype=np.float64)


def trade(
    test: pl.DataFrame, prices: pl.DataFrame | None, task: str, horizon: int, cfg: EvaluationConfig
) -> tuple[dict[str, Any], pl.DataFrame | None]:
    """Measures of trading one symbol's test forecasts, and the series behind them.

    Args:
        test: predictions of the primary symbol.
        prices: `date, symbol, open` of the dataset, or None.
        task: direction and regression name a side; touches of a threshold do not.
        horizon: bars ahead; each forecast is held that long.
        cfg: costs, draws, confidence and seed.

    Returns:
        The `trading` part of metrics.json, and per traded day `date, symbol, position, hold_return,
        return_gross, return_net, equity, hold_equity, drawdown`; None in place of the series where no
        position makes sense; `reason` says why.
    """
    if task.startswith("threshold_"):
        return {"positions": False, "reason": _TOUCH}, None
    if is_ternary(task):
        return {"positions": False, "reason": _BARRIERS}, None
    if prices is None:
        return {"positions": False, "reason": _NO_PRICES}, None
    ordered = test.sort("date").unique(["date", "symbol"], keep="first", maintain_order=True)
    position = hold_for(signal_of(scores_of(ordered, task), task, cfg.trading.allow_short), horizon)
    days = ordered.select("date", "symbol").with_columns(position=pl.Series(position))
    days = days.join(next_open_returns(prices), on=["date", "symbol"], how="inner").sort("date")
    if days.height < MINIMUM or days["symbol"].n_unique() > 1:
        return {"positions": False, "reason": _SHORT}, None
    daily = account(days, cfg.trading.cost_basis_points)
    rule = (
        f"Long when the forecast is a rise, {'short' if cfg.trading.allow_short else 'out of the market'} "
        f"otherwise; traded at the next open"
        + (f", each forecast held for {horizon} bars (mean of the last {horizon})." if horizon > 1 else ".")
    )
    yearly = bars_per_year(daily["date"])
    measured = performance(daily["return_net"].to_numpy(), yearly)
    held = performance(daily["hold_return"].to_numpy(), yearly)
    over = performance((daily["return_net"] - daily["hold_return"]).to_numpy(), yearly)
    excess = {name: over[name] for name in EXCESS}
    change = np.abs(np.diff(daily["position"].to_numpy(), prepend=0.0))
    result = {
        "positions": True,
        "reason": None,
        "rule": rule,
        "cost_basis_points": cfg.trading.cost_basis_points,
        "bars_per_year": yearly,
        **measured,
        **_sharpe_interval(daily, horizon, yearly, cfg),
        "exposure": float(np.abs(daily["position"].to_numpy()).mean()),
        "turnover": float(change.mean() * yearly),
        "hold": held,
        "excess": excess,
    }
    return result, daily


def account(days: pl.DataFrame, cost_basis_points: float) -> pl.DataFrame:
    """Returns and equity from positions and market returns by day.

    Trading a change of position of 1 costs `cost_basis_points`; holding pays once for its purchase. Both
    accounts start at 1 and reinvest.
    """
    cost = cost_basis_points / 1e4
    position, market = days["position"].to_numpy(), days["market_return"].to_numpy()
    gross = position * market
    net = gross - cost * np.abs(np.diff(position, prepend=0.0))
    hold = market - cost * (np.arange(market.size) == 0)
    equity, hold_equity = np.cumprod(1.0 + net), np.cumprod(1.0 + hold)
    return days.select("date", "symbol", "position").with_columns(
        hold_return=pl.Series(hold),
        return_gross=pl.Series(gross),
        return_net=pl.Series(net),
        equity=pl.Series(equity),
        hold_equity=pl.Series(hold_equity),
        drawdown=pl.Series(drawdowns(equity)),
    )


def performance(returns: Floats, per_year: float) -> dict[str, Any]:
    """Annualised measures of one series of returns (n,); `bar_sharpe` is per bar, for corrections of
    multiplicity."""
    bar = sharpe_ratio(returns)
    skewness, kurtosis = moments(returns)
    equity = np.cumprod(1.0 + returns)
    total = float(equity[-1]) - 1.0
    years = returns.size / per_year
    return {
        "n": int(returns.size),
        "total_return": total,
        "annual_return": (1.0 + total) ** (1.0 / years) - 1.0 if total > -1.0 else -1.0,
        "annual_volatility": float(returns.std(ddof=1)) * math.sqrt(per_year),
        "sharpe": None if bar is None else bar * math.sqrt(per_year),
        "bar_sharpe": bar,
        "max_drawdown": max_drawdown(equity),
        "skewness": skewness,
        "kurtosis": kurtosis,
        "probabilistic_sharpe": (
            None if bar is None else probabilistic_sharpe(bar, returns.size, skewness, kurtosis)
        ),
    }


def _sharpe_interval(
    daily: pl.DataFrame, horizon: int, per_year: float, cfg: EvaluationConfig
) -> dict[str, float | None]:
    returns = daily["return_net"].to_numpy()
    block = block_length([returns], horizon)
    drawn = block_bootstrap(returns.size, block, cfg.bootstrap_draws, cfg.seed, cfg.confidence)
    if drawn is None:
        return {"sharpe_low": None, "sharpe_high": None}
    mean = drawn.weights @ returns / returns.size
    variance = drawn.weights @ returns**2 / returns.size - mean**2
    sharpe = mean / np.sqrt(np.where(variance > 0, variance, np.nan)) * math.sqrt(per_year)
    low, high = drawn.interval(sharpe)
    return {"sharpe_low": low, "sharpe_high": high}

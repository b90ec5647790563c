"""Ternary labels by the triple-barrier method, with barriers as wide as the volatility known at the bar.

López de Prado (2018), *Advances in Financial Machine Learning*, chapter 3. Nothing here decides who is
trained on a label; the volatility is the only quantity that looks backwards, everything else looks ahead.
"""

from __future__ import annotations

import math

import polars as pl

from lib.config.experiment import BarrierConfig


def triple_barrier(horizon: int, barriers: BarrierConfig) -> pl.Expr:
    """Which barrier the path after a bar touches first: +1, -1 or 0 (Float64), by symbol.

    For the bar t, with σ the exponentially weighted standard deviation of log returns up to t:

    - the upper barrier is close[t]·exp(upper·σ·√H), touched by a high, the lower one
      close[t]·exp(-lower·σ·√H), touched by a low, of the bars t+1..t+H;
    - 0 if neither is touched (the vertical barrier).

    A bar that touches both counts as -1: the order within a bar is not known, and the cautious reading is
    that the loss came first. Null for the last H bars of a symbol, even where a barrier has been touched
    already (else only touches would be left there), and where σ is not yet known or 0. With
    ``neutrals: drop`` null instead of 0.

    Expects the columns symbol, high, low, close, sorted by symbol and date.
    """
    close = pl.col("close")
    reach = volatility(barriers.volatility_span) * math.sqrt(horizon)
    upper, lower = close * (barriers.upper * reach).exp(), close * (-barriers.lower * reach).exp()
    never = pl.lit(horizon + 1)
    rise = pl.min_horizontal(
        pl.when(pl.col("high").shift(-k).over("symbol") >= upper).then(k).otherwise(never)
        for k in range(1, horizon + 1)
    )
    fall = pl.min_horizontal(
        pl.when(pl.col("low").shift(-k).over("symbol") <= lower).then(k).otherwise(never)
        for k in range(1, horizon + 1)
    )
    neutral = pl.lit(None, pl.Float64) if barriers.neutrals == "drop" else pl.lit(0.0)
    label = (
        pl.when((rise == never) & (fall == never)).then(neutral).when(fall <= rise).then(-1.0).otherwise(1.0)
    )
    whole = close.shift(-horizon).over("symbol").is_not_null()
    return pl.when(whole & (reach > 0)).then(label).otherwise(None)


def volatility(span: int) -> pl.Expr:
    """σ of each bar: exponentially weighted standard deviation of log returns up to and with it, by symbol.

    In log return per bar; null for the first `span` bars of a symbol.
    """
    returns = (pl.col("close") / pl.col("close").shift(1)).log()
    return returns.ewm_std(span=span, min_samples=span).over("symbol")

"""Ledger of trials and test-set accesses, which corrections for multiplicity count.

Every trial of a search and every finished run is one trial. Test-set accesses are counted by distinct
content, so reporting twice counts once and retraining counts again (see `test_access`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lib.metrics.trading_measures import expected_best_sharpe, probabilistic_sharpe
from lib.scaling.axes import CURVE_KEY, Row


def ledger(rows: Sequence[Row], test_access: int, search_trials: int) -> dict[str, Any]:
    """How often the test set was accessed, and after how many trials."""
    runs = sum(row["status"] == "done" for row in rows)
    text = (
        f"{test_access} distinct test predictions have been read so far, those of runs that were trained "
        f"again or given up included. {runs} runs are judged here; {search_trials} search trials read "
        "validation only."
    )
    return {"test_access": test_access, "runs": runs, "search_trials": search_trials, "text": text}


def deflated_trading(rows: Sequence[Row], search_trials: int) -> dict[str, Any]:
    """Sharpe ratios of the runs that took positions, and of their excess over holding, which is corrected for
    the number of trials.

    Without skill the excess is expected to be 0; the raw ratio is not, since always holding earns what the
    market pays. The variance between trials is that of the runs' own ratios per year, so that weekly and
    daily bars can be pooled; the ratio that luck reaches is converted back to each run's bars. A search's
    trials traded nothing, but each could have become a run, so they count too.
    """
    trading = [row for row in rows if row["role"] == "question" and row["trading_bar_sharpe"] is not None]
    total = len(trading) + search_trials
    known = [
        float(row["trading_excess_sharpe"]) for row in trading if row["trading_excess_sharpe"] is not None
    ]
    luck = expected_best_sharpe(known, total)
    lines = []
    for row in trading:
        bars, bar = int(row["trading_n"]), row["trading_excess_bar_sharpe"]
        per_bar = None if luck is None else luck / math.sqrt(float(row["trading_bars_per_year"]))
        lines.append(
            {
                "path": row["path"],
                **{column: row[column] for column in (*CURVE_KEY, "fold", "seed")},
                "sharpe": row["trading_sharpe"],
                "sharpe_low": row["trading_sharpe_low"],
                "sharpe_high": row["trading_sharpe_high"],
                "probabilistic_sharpe": row["trading_probabilistic_sharpe"],
                "excess_sharpe": row["trading_excess_sharpe"],
                "excess_probabilistic_sharpe": row["trading_excess_probabilistic_sharpe"],
                "deflated_sharpe": (
                    None
                    if per_bar is None or bar is None
                    else probabilistic_sharpe(
                        bar, bars, row["trading_excess_skewness"], row["trading_excess_kurtosis"], per_bar
                    )
                ),
                "expected_best_by_luck": luck,
                "hold_sharpe": row["trading_hold_sharpe"],
                "total_return": row["trading_total_return"],
                "hold_total_return": row["trading_hold_total_return"],
                "max_drawdown": row["trading_max_drawdown"],
            }
        )
    text = (
        f"{total} tries: {len(trading)} runs that took positions and {search_trials} trials of searches. The "
        "deflated ratio is the probability that the true Sharpe ratio of the return above holding exceeds "
        "what the best of so many tries without skill would show."
    )
    trials = {"searches": search_trials, "runs": len(trading), "total": total, "text": text}
    return {"trials": trials, "rows": sorted(lines, key=lambda line: -(line["sharpe"] or -math.inf))}

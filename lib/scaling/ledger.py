"""Ledger of trials and test-set accesses, which corrections for multiplicity count.

Every trial of a search and every finished run is one trial. Test-set accesses are on record, one line per
distinct test predictions ever read; nothing is removed. So reporting twice counts once, and retraining a run
after its test results were seen counts again.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lib.data.io import flush_to_disk
from lib.metrics.trading_measures import expected_best_sharpe, probabilistic_sharpe
from lib.scaling.axes import CURVE_KEY, Row

_SHOWN = (
    "sharpe", "sharpe_low", "sharpe_high", "probabilistic_sharpe", "excess_sharpe",
    "excess_probabilistic_sharpe", "hold_sharpe", "total_return", "hold_total_return", "max_drawdown",
)  # fmt: skip
_LENGTH = 64
"""Characters of a SHA-256; a line torn by a full disk has fewer and does not count."""


def read_test_access(path: Path) -> set[str]:
    """Digests of all recorded test predictions; none if there is no record yet."""
    if not path.is_file():
        return set()
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if len(line) == _LENGTH}


def add_test_access(path: Path, digests: Iterable[str]) -> None:
    """Append digests, in one write: jobs of several phases may add to the record at the same time."""
    text = "".join(f"{digest}\n" for digest in sorted(digests))
    if not text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and not path.read_bytes().endswith(b"\n"):
        text = "\n" + text  # the last line was torn
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, text.encode())
        flush_to_disk(descriptor)
    finally:
        os.close(descriptor)


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
        per_bar = None if luck is None else luck / math.sqrt(float(row["trading_bars_per_year"]))
        bar, skewness, kurtosis = (row[f"trading_excess_{m}"] for m in ("bar_sharpe", "skewness", "kurtosis"))
        deflated = None
        if per_bar is not None and bar is not None:
            deflated = probabilistic_sharpe(bar, int(row["trading_n"]), skewness, kurtosis, per_bar)
        lines.append(
            {name: row[name] for name in ("path", *CURVE_KEY, "fold", "seed")}
            | {name: row[f"trading_{name}"] for name in _SHOWN}
            | {"deflated_sharpe": deflated, "expected_best_by_luck": luck}
        )
    text = (
        f"{total} tries: {len(trading)} runs that took positions and {search_trials} trials of searches. The "
        "deflated ratio is the probability that the true Sharpe ratio of the return above holding exceeds "
        "what the best of so many tries without skill would show."
    )
    trials = {"searches": search_trials, "runs": len(trading), "total": total, "text": text}
    return {"trials": trials, "rows": sorted(lines, key=lambda line: -(line["sharpe"] or -math.inf))}

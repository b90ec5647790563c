"""Planted controls: labels that nothing can foresee, and a channel that reveals the future.

Both are made when samples are loaded, so that no dataset file ever holds them.
"""

from __future__ import annotations

import hashlib

import polars as pl

from lib.errors import DataError

PLANTED_CHANNEL = "planted_tomorrow"
_LEAST, _MOST = 1 / 3, 2 / 3
"""Between these shares of a history its labels are moved: years away in either direction of the circle."""


def shift_share(task: str, horizon: int) -> float:
    """Share of the history by which the labels of a problem are shifted; no run can choose it."""
    digest = hashlib.sha256(f"{task} {horizon}".encode()).digest()
    return _LEAST + (_MOST - _LEAST) * int.from_bytes(digest[:8], "big") / 2**64


def shifted(labelled: pl.DataFrame, task: str, horizon: int, context_length: int) -> pl.DataFrame:
    """Labelled rows whose targets were moved in a circle along each symbol's bars.

    The bar t gets the target of the bar t + s; after the last one the circle starts again. So a label keeps
    its neighbours (overlapping labels stay as alike as they were, volatile times stay together), while its
    own bars lie years from every window that it is paired with. s is the same number of bars for all symbols,
    so that they still move together; where a shorter history would make a circle of little width of it, the
    nearest number within that history's middle third.

    `label_end` stays that of the row's own bars: since all targets move alike, what the purge keeps apart at
    a border of parts is as far apart afterwards. The circle is the one place where labels of early bars meet
    those of late ones: the last H - 1 bars get no target, or theirs would overlap with those of the first.

    Args:
        labelled: date, symbol, target and label_end, sorted by symbol and date.
        task: with the horizon it decides s. Neither seed nor budget, model, fold or share of the history
            does, so that all of them share the same targets.
        horizon: H, in bars.
        context_length: of the windows, in bars.

    Raises:
        DataError: the history is too short for labels to be taken far from their windows.
    """
    share = shift_share(task, horizon)
    longest = max(labelled.group_by("symbol").len()["len"].to_list())
    parts = []
    for (symbol,), own in labelled.group_by(["symbol"], maintain_order=True):
        bars = max(0, own.height - horizon)  # those with a bar H ahead
        least, most = round(bars * _LEAST), round(bars * _MOST)
        if least < context_length + horizon:
            raise DataError(
                f"{symbol}: {own.height} bars are too few for shifted labels, which must be taken from bars "
                f"{context_length + horizon} away or more. Use a longer history or a shorter context."
            )
        by = min(max(round(share * (longest - horizon)), least), most)
        targets = own["target"][:bars]
        moved = pl.concat([targets[by:], targets[:by]])[: bars - (horizon - 1)]
        parts.append(own.with_columns(target=moved.extend_constant(None, own.height - moved.len())))
    return pl.concat(parts).with_columns(
        label_end=pl.when(pl.col("target").is_not_null()).then(pl.col("date").shift(-horizon).over("symbol"))
    )


def tomorrow() -> pl.Expr:
    """The return from each bar's close to the next one's; 0 at the last bar, which has no target either."""
    close = pl.col("close")
    return (close.shift(-1) / close - 1).over("symbol").fill_null(0.0)

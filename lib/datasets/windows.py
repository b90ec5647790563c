"""Samples as views on one matrix: what every model is trained on and forecasts for.

A window is named by its last row; nothing is copied per window, so memory does not grow with their number.
No normalisation happens here (models do that, with the training statistics given here), and no torch is
imported.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from lib.config.base import Task, classes_of
from lib.config.data import SplitConfig
from lib.config.experiment import BarrierConfig
from lib.datasets.planted_controls import PLANTED_CHANNEL, shifted, tomorrow
from lib.datasets.splits import PARTS, assign, check_not_empty
from lib.datasets.targets import add_targets
from lib.errors import DataError
from lib.features.schema import KEY_COLUMNS, PRICE_COLUMNS, channel_names

STD_FLOOR = 1e-6
"""Channels whose standard deviation is below this share of their mean's size count as constant."""


@dataclass(frozen=True)
class Samples:
    """Windows of one part.

    Window i is `matrix[ends[i] - context_length + 1 : ends[i] + 1]` and never holds bars of two symbols.
    """

    matrix: np.ndarray
    """(rows, channels) float32: all symbols stacked, shared by all parts."""
    ends: np.ndarray
    """(n,) int64: row of each window's last bar."""
    target: np.ndarray
    """(n,) float32: the class (0 or 1; -1, 0 or 1), or the return."""
    dates: np.ndarray
    """(n,) datetime64[D]: date of each window's last bar."""
    symbols: np.ndarray
    """(n,) object: label of each window's symbol."""
    context_length: int
    horizon: int
    task: str
    channel_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ends)

    def last_bars(self) -> np.ndarray:
        """(n, channels) float32: the last bar of each window. A copy."""
        return self.matrix[self.ends]

    def windows(self) -> np.ndarray:
        """(n, context_length, channels) float32: all windows in full. A copy, for small models only."""
        shape = (self.context_length, self.matrix.shape[1])
        views = np.lib.stride_tricks.sliding_window_view(self.matrix, shape)[:, 0]
        return np.ascontiguousarray(views[self.ends - self.context_length + 1])

    def padded(self, multiple: int) -> Samples:
        """These windows, the last one repeated until their number is a multiple of `multiple`."""
        missing = -len(self) % multiple
        if not missing or not len(self):
            return self
        return self._rows(np.append(np.arange(len(self)), np.full(missing, len(self) - 1)))

    def of_symbol(self, symbol: str | None) -> Samples:
        """The windows of one symbol, or of all for None.

        Raises:
            DataError: it has none.
        """
        if symbol is None:
            return self
        chosen = np.flatnonzero(self.symbols == symbol)
        if not len(chosen):
            others = ", ".join(sorted(set(self.symbols))) or "none"
            raise DataError(
                f"no windows of {symbol}, the primary symbol, where training stops and chooses (symbols "
                f"there: {others}). Name one of them as `primary` in config/data/assets.yaml, or adapt "
                "data.splits."
            )
        return self._rows(chosen)

    def every(self, stride: int, offset: int = 0) -> Samples:
        """Every `stride`-th window, beginning with number `offset`; a view of this one."""
        return self._rows(slice(offset, None, stride))

    def _rows(self, chosen: np.ndarray | slice) -> Samples:
        return replace(
            self,
            ends=self.ends[chosen],
            target=self.target[chosen],
            dates=self.dates[chosen],
            symbols=self.symbols[chosen],
        )


@dataclass(frozen=True)
class SplitSamples:
    """The four parts on one matrix, and the statistics of the rows that training sees."""

    train: Samples
    selection: Samples
    calibration: Samples
    test: Samples
    channel_mean: np.ndarray
    """(channels,) float64: over all rows that any training window covers, each row once."""
    channel_std: np.ndarray
    """(channels,) float64: likewise; 1 for channels that are constant there."""


def load_samples(
    frame: pl.DataFrame,
    task: Task,
    horizon: int,
    context_length: int,
    splits: SplitConfig,
    labels: str = "true",
    barriers: BarrierConfig | None = None,
    train_fraction: float = 1.0,
    planted: str = "none",
    needed: Collection[str] = PARTS,
) -> SplitSamples:
    """Windows of a dataset table (`lib.features.assemble`), divided into four parts.

    `horizon` and `context_length` are in bars. Within a part samples are ordered by symbol, then date. With
    `labels="shifted"` the targets are moved in a circle by years (see `planted_controls`), so that nothing
    can be learned; every run of the problem sees the same ones. `barriers` are those of ternary labels. With
    a `train_fraction` below 1 only the latest share of the training dates is kept: what a shorter history
    would have given, as near to validation as before. With `planted="tomorrow"` the last channel is the
    return from each bar's close to the next one's: a leak on purpose.

    Raises DataError if the table is not as described, the horizon is longer than the data, a `needed` part is
    empty, or training has fewer windows than `splits.minimum_train_windows` (unless `splits.allow_small`).
    """
    if labels not in ("true", "shifted") or planted not in ("none", "tomorrow"):
        raise ValueError(f"no such labels or planted channel: {labels!r}, {planted!r}")
    frame = _checked(frame)
    labelled = add_targets(frame.select(*KEY_COLUMNS, *PRICE_COLUMNS), task, horizon, barriers)
    if labels == "shifted":
        labelled = shifted(labelled, task, horizon, context_length)
    labelled = labelled.with_columns(
        row=pl.int_range(pl.len(), dtype=pl.Int64), age=pl.int_range(pl.len()).over("symbol")
    )
    labelled = labelled.with_columns(part=assign(labelled, splits)).filter(
        pl.col("age") >= context_length - 1, pl.col("part").is_not_null()
    )
    labelled = _latest(labelled, train_fraction)
    counts = {part: int((labelled["part"] == part).sum()) for part in PARTS}
    need = f"a sample needs {context_length} bars of context and {horizon} bars ahead"
    check_not_empty({part: counts[part] for part in needed}, frame, splits, need)
    _check_enough(counts["train"], splits, need)

    if planted == "tomorrow":
        frame = frame.with_columns(tomorrow().alias(PLANTED_CHANNEL))
    names = channel_names(frame)
    matrix = frame.select(pl.col(names).cast(pl.Float32)).to_numpy(order="c")
    if not np.isfinite(matrix).all():
        raise DataError(
            "the dataset table has channel values that are missing or not finite; build it again."
        )
    parts = {}
    for part in PARTS:
        chosen = labelled.filter(pl.col("part") == part)
        parts[part] = Samples(
            matrix=matrix,
            ends=chosen["row"].to_numpy(),
            target=chosen["target"].to_numpy().astype(np.float32),
            dates=chosen["date"].to_numpy().astype("datetime64[D]"),
            symbols=chosen["symbol"].to_numpy().astype(object),
            context_length=context_length,
            horizon=horizon,
            task=task,
            channel_names=tuple(names),
        )
    mean, std = channel_statistics(parts["train"])
    return SplitSamples(**parts, channel_mean=mean, channel_std=std)


def _latest(labelled: pl.DataFrame, train_fraction: float) -> pl.DataFrame:
    """Without the training windows that end before the latest share of the training dates."""
    if train_fraction == 1.0:
        return labelled
    dates = labelled.filter(pl.col("part") == "train")["date"].unique().sort()
    kept = math.ceil(train_fraction * len(dates))
    if not kept:
        return labelled
    return labelled.filter((pl.col("part") != "train") | (pl.col("date") >= dates[-kept]))


def newest_samples(
    frame: pl.DataFrame, task: Task, horizon: int, context_length: int, on: date | None = None
) -> Samples:
    """The window of each symbol that ends with its newest bar, whose target nobody knows yet (NaN).

    Args:
        frame: a dataset table, as in `load_samples`.
        task: what is forecast.
        horizon: bars ahead.
        context_length: bars per window.
        on: the newest bar at or before this date instead, as if later ones were not there.

    Raises:
        DataError: no symbol has enough bars.
    """
    frame = _checked(frame)
    names = channel_names(frame)
    rows = frame.select(*KEY_COLUMNS).with_columns(
        row=pl.int_range(pl.len(), dtype=pl.Int64), age=pl.int_range(pl.len()).over("symbol")
    )
    if on is not None:
        rows = rows.filter(pl.col("date") <= on)
    newest = rows.group_by("symbol", maintain_order=True).last().filter(pl.col("age") >= context_length - 1)
    if newest.is_empty():
        until = f" until {on}" if on else ""
        raise DataError(f"no symbol has {context_length} bars{until}; a forecast needs that many.")
    return Samples(
        matrix=frame.select(pl.col(names).cast(pl.Float32)).to_numpy(order="c"),
        ends=newest["row"].to_numpy(),
        target=np.full(newest.height, np.nan, dtype=np.float32),
        dates=newest["date"].to_numpy().astype("datetime64[D]"),
        symbols=newest["symbol"].to_numpy().astype(object),
        context_length=context_length,
        horizon=horizon,
        task=task,
        channel_names=tuple(names),
    )


def channel_statistics(samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (divisor n) per channel over the rows that the windows cover, each once.

    No other row counts, so that for the training part nothing of validation or test can enter. The deviation
    of a channel that is constant there is given as 1, so that dividing by it is harmless.
    """
    # +1 where a window begins, -1 after it ends: rows with a positive sum are covered.
    edges = np.zeros(len(samples.matrix) + 1, dtype=np.int64)
    np.add.at(edges, samples.ends - samples.context_length + 1, 1)
    np.add.at(edges, samples.ends + 1, -1)
    rows = samples.matrix[np.cumsum(edges[:-1]) > 0].astype(np.float64)
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    constant = std <= STD_FLOOR * np.maximum(np.abs(mean), STD_FLOOR)
    return mean, np.where(constant, 1.0, std)


@dataclass(frozen=True)
class ClassCounts:
    """How often the event happens in a part."""

    n: int
    positives: int | None
    """Samples of class 1; None for regression."""
    negatives: int | None
    """Samples of class 0; for ternary labels, of class -1."""
    base_rate: float | None
    """Share of class 1."""
    flagged: bool
    """Too few samples of one of the classes to say much, or too few windows to learn from."""
    neutrals: int | None = None
    """Samples of class 0 of ternary labels; 0 where they are left out, None for other tasks."""


def base_rates(
    splits: SplitSamples, minimum_class_count: int = 20, minimum_train_windows: int = 0
) -> dict[str, ClassCounts]:
    """Base rate of each part; flagged if a class has fewer than `minimum_class_count` samples.

    Training is flagged too if it has fewer than `minimum_train_windows` (`SplitConfig.allow_small`).
    A neutral class without a single sample in any part is one that was left out, and not counted.
    """
    without_neutrals = not any((getattr(splits, part).target == 0).any() for part in PARTS)
    found = {}
    for part in PARTS:
        samples: Samples = getattr(splits, part)
        n = len(samples)
        few = part == "train" and n < minimum_train_windows
        counts = {label: int((samples.target == label).sum()) for label in classes_of(samples.task)}
        if not counts:
            found[part] = ClassCounts(n, None, None, None, few)
            continue
        neutrals = counts.pop(0) if len(counts) == 3 else None
        negatives, positives = counts.values()
        told_apart = [positives, negatives]
        if neutrals is not None and not without_neutrals:
            told_apart.append(neutrals)
        flagged = few or min(told_apart) < minimum_class_count
        found[part] = ClassCounts(n, positives, negatives, positives / n, flagged, neutrals)
    return found


def _checked(frame: pl.DataFrame) -> pl.DataFrame:
    """The table sorted by symbol and date; DataError if columns are missing or a row is there twice."""
    missing = [name for name in KEY_COLUMNS + PRICE_COLUMNS if name not in frame.columns]
    if missing or not channel_names(frame):
        what = f"column(s) {', '.join(missing)}" if missing else "channels"
        raise DataError(f"the dataset table has no {what}; build it again.")
    repeated = frame.select(pl.struct("symbol", "date").is_duplicated().sum()).item()
    if repeated:
        raise DataError(f"the dataset table has {repeated} rows that share symbol and date; build it again.")
    return frame.sort("symbol", "date")


def _check_enough(windows: int, splits: SplitConfig, need: str) -> None:
    if windows < splits.minimum_train_windows and not splits.allow_small:
        raise DataError(
            f"training has {windows} windows, fewer than the minimum of {splits.minimum_train_windows} "
            f"(`minimum_train_windows`); {need}. Bring a longer history, a faster timescale or a shorter "
            f"context, or set `allow_small: true` to train all the same."
        )

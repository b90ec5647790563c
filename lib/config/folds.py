"""Walk-forward folds: the same history divided many times, each time with a test part further on.

Every forecast of a fold's test part comes from a model that saw nothing of it, so the test parts of all folds
together are out-of-fold forecasts of a long stretch of history.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta

from lib.config.data import SplitConfig, WalkForwardConfig
from lib.errors import ConfigError


def walk_forward(config: WalkForwardConfig, splits: SplitConfig) -> list[SplitConfig]:
    """The splits of every fold, in order of time.

    Purge and embargo are those of the study: no label that a fold learns from ends on or after the first day
    of its test part.

    Raises:
        ConfigError: the first test part does not lie before the study's validation.
    """
    if config.first_test >= splits.validation_start:
        raise ConfigError(
            f"walk_forward.first_test {config.first_test} must lie before validation_start "
            f"{splits.validation_start}: folds cover the training history."
        )
    starts: list[date] = []
    while (start := months_later(config.first_test, config.test_months * len(starts))) < (
        splits.validation_start
    ):
        starts.append(start)
    starts.append(splits.validation_start)
    ends = [start - timedelta(days=1) for start in starts[1:]]
    return [
        _fold(start, end, config, splits) for start, end in zip(starts, [*ends, splits.test_end], strict=True)
    ]


def _fold(start: date, end: date | None, config: WalkForwardConfig, splits: SplitConfig) -> SplitConfig:
    validation = months_later(start, -config.validation_months)
    first = splits.train_start
    if config.train_years is not None:
        own = months_later(validation, -12 * config.train_years)
        first = own if first is None else max(first, own)
    return splits.model_copy(
        update={
            "train_start": first,
            "train_end": validation - timedelta(days=1),
            "validation_start": validation,
            "validation_end": start - timedelta(days=1),
            "test_start": start,
            "test_end": end,
        }
    )


def fold_variant(fold: int) -> str:
    """Variant of the runs of a fold, counted from 1: ``wf03``."""
    return f"wf{fold:02d}"


def months_later(day: date, months: int) -> date:
    """The same day some months later (earlier if negative), at most that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))

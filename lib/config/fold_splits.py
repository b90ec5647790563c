"""Walk-forward folds: the same history divided many times, each time with a test part further on.

Every forecast of a fold's test part comes from a model that saw nothing of it, so the test parts of all folds
together are out-of-fold forecasts of a long stretch of history.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from functools import cache

from lib.config.data import SplitConfig, WalkForwardConfig
from lib.errors import ConfigError


def walk_forward(config: WalkForwardConfig, splits: SplitConfig) -> list[SplitConfig]:
    """The splits of every fold, in order of time. All test parts end before the study's own test begins.

    Purge and embargo are those of the study: no label that a fold learns from ends on or after the first day
    of its test part. The last test part keeps the embargo from the study's test.

    Raises:
        ConfigError: there is no room for a test part before the study's test.
    """
    last = splits.test_start - timedelta(days=1 + splits.embargo_days)
    if config.first_test >= last:
        raise ConfigError(
            f"walk_forward.first_test {config.first_test} must lie before {last}: the test parts of the "
            f"folds end before the study's own test, which begins on {splits.test_start}."
        )
    starts: list[date] = []
    while (start := months_later(config.first_test, config.test_months * len(starts))) < last:
        starts.append(start)
    ends = [*(start - timedelta(days=1) for start in starts[1:]), last]
    return [_fold(start, end, config, splits) for start, end in zip(starts, ends, strict=True)]


@cache  # each run of a study asks for it
def with_study_test(config: WalkForwardConfig, splits: SplitConfig) -> tuple[SplitConfig, ...]:
    """The folds, and one more whose test part is the study's own, for models that learn from forecasts."""
    return (*walk_forward(config, splits), _fold(splits.test_start, splits.test_end, config, splits))


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


def early_years(config: WalkForwardConfig, splits: SplitConfig, fold: int, years: int) -> SplitConfig:
    """Splits for choices that every fold from this one on may use: all end before its test part begins.

    Selection is the last `years` before it, and no calibration is held back from them.
    """
    first = with_study_test(config, splits)[fold - 1].test_start
    longer = config.model_copy(update={"validation_months": 12 * years})
    early = _fold(first, None, longer, splits)
    return early.model_copy(update={"selection_share": 1.0})


def fold_label(fold: int) -> str:
    """Label of a fold, counted from 1, in paths and tables: ``wf03``."""
    return f"wf{fold:02d}"


def months_later(day: date, months: int) -> date:
    """The same day some months later (earlier if negative), at most that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))

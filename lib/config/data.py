"""Where the data come from, what is tolerated in them, and how time is divided."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from lib.config.base import Name, StrictModel


class SplitConfig(StrictModel):
    """Train, validation and test by date. A sample belongs to the split of its own date."""

    train_start: date | None = None
    train_end: date
    validation_start: date
    validation_end: date
    test_start: date
    test_end: date | None = None
    embargo_bars: int = Field(0, ge=0)
    """Bars left out at the end of a split, in addition to the purge of the label's own horizon."""
    selection_share: float = Field(0.7, gt=0, lt=1)
    """First part of validation, for early stopping and every choice; the rest is for calibration."""
    minimum_train_windows: int = Field(200, ge=1)
    minimum_class_count: int = Field(20, ge=1)
    """A split with fewer samples of either class than this is flagged."""
    allow_small: bool = False
    """Train even with fewer windows than `minimum_train_windows`."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        ordered = [
            ("train_start", self.train_start),
            ("train_end", self.train_end),
            ("validation_start", self.validation_start),
            ("validation_end", self.validation_end),
            ("test_start", self.test_start),
            ("test_end", self.test_end),
        ]
        given = [(name, day) for name, day in ordered if day is not None]
        for (earlier, first), (later, second) in pairwise(given):
            if first >= second:
                raise ValueError(f"{later} ({second}) must come after {earlier} ({first})")
        return self


class ValidationConfig(StrictModel):
    """Thresholds of the checks at the door."""

    max_missing_sessions: int = Field(10, ge=0)
    """More missing exchange sessions than this is an error; fewer is a warning each."""
    stale_days: int = Field(5, ge=2)
    """This many identical closes in a row is a warning."""
    jump_ratio: float = Field(0.4, gt=0)
    """A one-day move beyond this fraction is a warning (an unadjusted split looks like one)."""
    bounds_tolerance: float = Field(1e-6, ge=0)
    """Relative tolerance of High >= max(Open, Close) and Low <= min(Open, Close)."""
    calendar: str = "XNYS"


class SyntheticConfig(StrictModel):
    """A market whose best reachable AUC is known, for the positive control."""

    first: date = date(1999, 1, 4)
    last: date = date(2018, 12, 31)
    seed: int = 7
    signal: float = Field(0.9, ge=0)
    """Strength of today's observable signal in tomorrow's return, in units of the noise."""
    volatility: float = Field(0.01, gt=0)
    """Standard deviation of the daily noise."""


class DataConfig(StrictModel):
    """One vintage of one source, and the splits used on it."""

    source: Literal["embedded", "files", "synthetic"]
    vintage: Name
    """Name of the immutable snapshot below `data/raw/`."""
    folder: Path | None = None
    """For source `files`: the folder that holds `ohlcv/`; `$MARKET_DATA_DIR` is expanded."""
    splits: SplitConfig
    validation: ValidationConfig = ValidationConfig()
    synthetic: SyntheticConfig = SyntheticConfig()

    @model_validator(mode="after")
    def _files_need_a_folder(self) -> Self:
        if self.source == "files" and self.folder is None:
            raise ValueError("source 'files' needs `folder:`, the directory that holds ohlcv/")
        return self

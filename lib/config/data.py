"""Where the data come from, what is tolerated in them, and how time is divided."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from lib.config.base import Name, StrictModel
from lib.config.confidential import Address


class SplitConfig(StrictModel):
    """Train, validation and test by date. A sample belongs to the split of its own date."""

    train_start: date | None = None
    train_end: date
    validation_start: date
    validation_end: date
    test_start: date
    test_end: date | None = None
    embargo_days: int = Field(0, ge=0)
    """Calendar days before the next part in which no label may end, in addition to the purge. Days, not bars:
    a week is the same week on every timescale."""
    selection_share: float = Field(0.7, gt=0, le=1)
    """First part of validation, for early stopping and every choice; the rest is for calibration (a search
    needs none, so it may take all)."""
    minimum_train_windows: int = Field(200, ge=1)
    """A dataset, task and horizon with fewer training windows is refused."""
    minimum_class_count: int = Field(20, ge=1)
    """A split with fewer samples of either class than this is flagged."""
    allow_small: bool = False
    """Train even with fewer windows than `minimum_train_windows`; they are flagged."""

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


class WalkForwardConfig(StrictModel):
    """Where the folds lie. Their test parts follow each other and end before the study's own test."""

    first_test: date
    """First day of the first fold's test part."""
    test_months: int = Field(12, ge=1)
    """Length of a fold's test part; the last one may be shorter."""
    validation_months: int = Field(18, ge=1)
    """The months before a test part that stop training early (in its first `selection_share`)."""
    train_years: int | None = Field(None, ge=1)
    """Years of training before that; None: all there are (the window grows)."""


class ValidationConfig(StrictModel):
    """Thresholds of the checks on imported data."""

    max_missing_sessions: int = Field(10, ge=0)
    """More missing exchange sessions than this is an error; fewer is a warning each."""
    max_extra_sessions: int = Field(10, ge=0)
    """More bars on days without a session than this is an error; fewer is a warning each, and none of them
    ever becomes part of a dataset."""
    stale_days: int = Field(5, ge=2)
    """This many identical closes in a row is a warning."""
    jump_ratio: float = Field(0.4, gt=0)
    """A one-day move beyond this fraction is a warning (an unadjusted split looks like one)."""
    bounds_tolerance: float = Field(1e-6, ge=0)
    """Relative tolerance of High >= max(Open, Close) and Low <= min(Open, Close)."""
    split_tolerance: float = Field(0.03, gt=0, lt=0.2)
    """Relative distance from a whole ratio within which an overnight change of level counts as a split, also
    with much volume."""
    max_gap_days: int = Field(10, ge=0)
    """A series without a value for more days than this beyond its own step is a warning."""
    compare_tolerance: float = Field(0.02, gt=0)
    """Largest difference between two sources of a series; a tenth of it for daily returns of prices."""
    severity: dict[str, Literal["error", "warning", "info", "off"]] = {}
    """Severity of single rules instead of their own, for example `jump: error`."""
    calendar: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]+$")] = "XNYS"


class DownloadConfig(StrictModel):
    """How persistently a server is queried."""

    deadline_seconds: float = Field(300.0, gt=0)
    """For one symbol or series, all attempts together."""
    attempts: int = Field(6, ge=1)
    first_pause_seconds: float = Field(2.0, ge=0)
    """Pause after the first failure; it doubles each time, and is longer if the server asks for it."""
    timeout_seconds: float = Field(30.0, gt=0)
    """For one answer."""


class SyntheticConfig(StrictModel):
    """A market whose best reachable AUC is known, for controls."""

    first: date = date(1999, 1, 4)
    last: date = date(2018, 12, 31)
    seed: int = 7
    signal: float = Field(0.9, ge=0)
    """Strength of today's observable signal in tomorrow's return, in units of the noise."""
    volatility: float = Field(0.01, gt=0)
    """Standard deviation of the daily noise."""


class DataConfig(StrictModel):
    """One vintage of one source, and the splits used on it."""

    source: Name
    """Where prices come from: embedded, files, synthetic or yahoo (a module of lib/data/sources/)."""
    series_from: list[Name] | None = None
    """Where series come from, the preferred source first. Default: `files` for source files; fred, sentiment,
    trends and yahoo for source yahoo; `synthetic` for source synthetic; none for the others."""
    vintage: Name
    """Name of the immutable snapshot below `data/raw/`."""
    folder: Path | None = None
    """For source `files`: the folder that holds `ohlcv/`; `$MARKET_DATA_DIR` is expanded."""
    trends_folder: Path | None = None
    """For source `trends`: the folder with your Google Trends exports."""
    compare_with: list[Name] = []
    """Sources whose other files or names of the same symbol or series are compared with the chosen ones."""
    addresses: dict[str, Address] = {}
    """Other addresses of servers, by source (a mirror, a proxy); without keys or passwords."""
    download: DownloadConfig = DownloadConfig()
    splits: SplitConfig
    walk_forward: WalkForwardConfig | None = None
    """Folds for experiments that ask for them, and for the base models of meta-modules (which have one more,
    for the study's own test)."""
    validation: ValidationConfig = ValidationConfig()
    synthetic: SyntheticConfig = SyntheticConfig()

    @model_validator(mode="after")
    def _files_need_a_folder(self) -> Self:
        if "files" in (self.source, *self.series_sources, *self.compare_with) and self.folder is None:
            raise ValueError("source 'files' needs `folder:`, the directory that holds ohlcv/")
        return self

    @property
    def series_sources(self) -> list[str]:
        """Sources of series, the preferred one first."""
        if self.series_from is not None:
            return list(self.series_from)
        defaults = {
            "files": ["files"],
            "synthetic": ["synthetic"],
            "yahoo": ["fred", "sentiment", "trends", "yahoo"],
        }
        return defaults.get(self.source, [])

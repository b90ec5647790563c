"""Inputs of the report: tables and mappings that other stages have written, with look-ups for the sections.

Reads no files and computes nothing. Absent inputs keep their empty default, and the page states it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from lib.config.run_key import NO_BUDGET
from lib.scaling.axes import Row


@dataclass(frozen=True)
class ReportInputs:
    """Everything a report shows. Only the title is required."""

    title: str
    note: str | None = None
    """Shown above the verdict: what the study is not."""
    runs: pl.DataFrame = field(default_factory=pl.DataFrame)
    """The run table, one row per declared run, finished or not."""
    scaling: Mapping[str, Any] = field(default_factory=dict)
    """Questions with curves and verdicts, controls, tables of models, warnings, test-set access."""
    histories: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """Run path to its history: `step, train_loss, validation_loss, selection_loss, …`."""
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Run path to its measures: `splits`, `reliability`, `calibration`, `conformal`, `trading`, …"""
    daily: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """Run path to its test days: `date, equity, hold_equity, …`."""
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Run path to its fully resolved parameters."""
    run_provenance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Run path to its provenance: `git_commit, packages, hardware, data, temperature_max`, …"""
    ablation: pl.DataFrame = field(default_factory=pl.DataFrame)
    """Variants of every ablation, ranked (`lib.scaling.ablation.rank_variants`)."""
    ablation_problems: Sequence[str] = ()
    """Why the runs of some ablation could not be ranked."""
    findings: pl.DataFrame = field(default_factory=pl.DataFrame)
    """Data quality: `severity, symbol, date, rule, value, message`."""
    prices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Symbol to `source, vintage, rows, first, last, sha256`."""
    splits: Mapping[str, Any] = field(default_factory=dict)
    """The declared split dates and shares, by name."""
    transfer: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """Losses by multiple of the found rate, by the path of each check of a transferred recipe."""
    hpo: Mapping[str, tuple[Mapping[str, Any], pl.DataFrame]] = field(default_factory=dict)
    """Path of a search to its best trial (`parameters, best_value, …`) and its trials (`number, value`)."""
    importances: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Path of a search to `shares` (parameter to its share in the variance of losses), or a `reason`."""
    cost: pl.DataFrame = field(default_factory=pl.DataFrame)
    """Per rule: `rule, jobs, seconds, peak_memory_mb`."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """`git_commit`, `packages` (name to version), `hardware`, `date`."""
    channel_correlation: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """Dataset to a square table: `channel`, then one column per channel in the same order."""
    declarations: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Experiment to its declarations in order of time: `hash, date, tests, runs, finished_before`."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Further facts about where it ran, by name."""

    @cached_property
    def rows(self) -> list[Row]:
        """The run table, row by row."""
        return list(self.runs.to_dicts())

    @cached_property
    def done(self) -> list[Row]:
        """The finished runs."""
        return [row for row in self.rows if row.get("status") == "done"]

    @property
    def questions(self) -> list[Row]:
        """What the evaluation found for each question along each axis."""
        return self.scaling.get("questions") or []

    @property
    def curves(self) -> list[Row]:
        """The curves of all questions."""
        return [curve for question in self.questions for curve in question.get("curves") or []]

    @property
    def controls(self) -> list[Row]:
        """The outcome of each control."""
        return self.scaling.get("controls") or []

    @property
    def level(self) -> str:
        """The level of intervals, `95 %`."""
        return f"{(self.scaling.get('confidence') or 0.95) * 100:g} %"

    def measured(self, row: Row) -> Mapping[str, Any]:
        """The measures of a run."""
        return self.metrics.get(str(row.get("path"))) or {}

    def recorded(self, row: Row) -> Mapping[str, Any]:
        """The provenance of a run."""
        return self.run_provenance.get(str(row.get("path"))) or {}


def asks(row: Row) -> bool:
    """Whether a run was declared to answer a question, and not as a control or an ablation."""
    return row.get("role") in (None, "question")


def has_size(row: Row) -> bool:
    """Whether a run, or a line of a table, is of a model with a budget."""
    return row.get("budget") not in (None, NO_BUDGET, "")

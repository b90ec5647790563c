"""Sections of comparison: all models of a problem against the best on validation, and the controls.

Shows the intervals and outcomes that the evaluation has computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lib.reporting.answers import reference_of
from lib.reporting.inputs import ReportInputs
from lib.reporting.page import Cell, Column, Section, Table
from lib.reporting.svg import BUDGET_LEGEND, Strip, kind_of, legend, padded
from lib.reporting.words import (
    Names,
    finite,
    interval,
    listed,
    metric_of,
    metric_words,
    model_words,
    of,
    plural,
    prose,
    triple,
)

_FOLD_BEYOND = 6


def opponents_section(inputs: ReportInputs, names: Names) -> Section:
    """All models of a problem on the same test samples, with intervals."""
    tables = [t for t in inputs.scaling.get("baselines") or [] if t.get("rows")]
    if not tables:
        return Section("opponents", "Against simple opponents", "No models to compare in this study.")
    lead = (
        "Each model against the one that was best on validation, on the same test dates. "
        "A difference whose interval includes 0 is no difference that this test set can show."
    )
    marks = legend([*BUDGET_LEGEND, ("base", "opponent")])
    drawn = [_table(table, names, position >= _FOLD_BEYOND) for position, table in enumerate(tables)]
    return Section("opponents", "Against simple opponents", lead, (), marks, tables=drawn)


def _table(table: Mapping[str, Any], names: Names, fold: bool) -> Table:
    metric = str(table.get("metric") or metric_of(str(table.get("task"))))
    rows = sorted(table["rows"], key=lambda r: (finite(r.get(metric)) is None, finite(r.get(metric)) or 0.0))
    loss = metric_words(metric)
    far = max([1e-9, *(abs(v) for v in _values(rows, "difference"))]) * 1.05
    differences = Strip(-far, far, (0.0,))
    columns = [
        Column("Model"),
        Column(f"{loss.capitalize()}: better ← 0 → worse", axis=differences.axis(differences.ticks(True))),
        Column("Difference", numeric=True),
        Column(loss.capitalize(), numeric=True),
    ]
    aucs = None
    if found := _values(rows, "auc"):
        aucs = Strip(*padded([*found, 0.5], 0.05), (0.5,))
        columns += [
            Column("AUC, chance at 0.5", axis=aucs.axis(aucs.ticks())),
            Column("AUC", numeric=True),
        ]
    seeds = sorted({int(row.get("seeds") or 0) for row in rows})
    caption = f"{names.problem(table)}. Reference: {reference_of(table)}. Seeds: {listed(map(str, seeds))}."
    body = [_row(row, metric, differences, aucs) for row in rows]
    return Table(caption, columns, body, caption if fold else None)


def _row(row: Mapping[str, Any], metric: str, differences: Strip, aucs: Strip | None) -> list[Cell]:
    kind = kind_of(row.get("budget"))
    gap, low, high = triple(row, "difference")
    text = "reference" if gap is None else interval(gap, low, high)
    cells = [
        Cell(model_words(row.get("model"), row.get("budget"))),
        Cell("", drawing=differences.draw(gap or 0.0, low, high, kind)),
        Cell(text, sort=gap or 0.0),
        Cell(of(row, metric), sort=finite(row.get(metric))),
    ]
    if aucs:
        auc, low, high = triple(row, "auc")
        cells += [
            Cell("", drawing=aucs.draw(auc, low, high, kind)),
            Cell(interval(auc, low, high, 3), sort=auc),
        ]
    return cells


def _values(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [value for row in rows for value in triple(row, name) if value is not None]


def controls_section(inputs: ReportInputs, names: Names) -> Section:
    """Whether a known signal is found and an absent one is not."""
    controls = list(inputs.scaling.get("controls") or [])
    if not controls:
        lead = "No controls in this study: nothing shows that it finds a signal, or finds none where none is."
        return Section("controls", "Controls", lead)
    failed = [control for control in controls if not control.get("passed")]
    lead = f"{len(controls)} of {plural(len(controls), 'control')} came out as they must."
    if failed:
        lead = f"{len(failed)} of {plural(len(controls), 'control')} failed: no verdict of this study counts."
    keys = ("auc", "low", "high", "planted_auc", "required_auc")
    values = [v for control in controls for key in keys if (v := finite(control.get(key))) is not None]
    strip = Strip(*padded([*values, 0.5], 0.06), (0.5,))
    level = (finite(controls[0].get("level")) or 0.999) * 100
    columns = [
        Column("Control"),
        Column("Outcome"),
        Column("Test AUC, chance at 0.5", axis=strip.axis(strip.ticks())),
        Column(f"AUC [{level:g} %]", numeric=True),
        Column("Why", wide=True),
    ]
    planted = any(finite(control.get("planted_auc")) is not None for control in controls)
    caption = (
        "Dashed lines: the AUC required, and the best that the planted signal allows." if planted else ""
    )
    rows = [_control_row(control, names, strip) for control in controls]
    return Section("controls", "Controls", lead, tables=[Table(caption, columns, rows)])


def _control_row(control: Mapping[str, Any], names: Names, strip: Strip) -> list[Cell]:
    what = "Nothing to find (shuffled labels)" if control.get("role") == "null_control" else "Planted signal"
    auc, low, high = (finite(control.get(key)) for key in ("auc", "low", "high"))
    lines = [v for k in ("planted_auc", "required_auc") if (v := finite(control.get(k))) is not None]
    passed = bool(control.get("passed"))
    where = names.problem({**control, "variant": "base"})
    return [
        Cell(f"{what} · {where} · {model_words(control.get('model'), control.get('budget'))}"),
        Cell("✓ passed" if passed else "✗ failed", tone="pass" if passed else "fail"),
        Cell("", drawing=strip.draw(auc, low, high, kind_of(control.get("budget")), lines)),
        Cell(interval(auc, low, high, 3), sort=auc),
        Cell(prose(control.get("reason"))),
    ]

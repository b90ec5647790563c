"""Section on the data: sources, findings, splits and base rates.

Counts and lists what other stages recorded; repairs and hides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from lib.report.behind import SHOWN
from lib.report.heatmap import correlation_map
from lib.report.inputs import ReportInputs
from lib.report.page import Column, Panel, Section, Table, TableCell
from lib.report.sections.curve_charts import limited
from lib.report.wording import (
    Names,
    count,
    finite,
    listed,
    number,
    percent,
    plural,
)

_FINDINGS_SHOWN = 300
_SPLITS = (("train", "train"), ("selection", "validation"), ("calibration", "calibration"), ("test", "test"))
_RARE = 20


def data_section(inputs: ReportInputs, names: Names) -> Section:
    """Sources, findings and splits of the data."""
    findings = inputs.findings.to_dicts() if inputs.findings.height else []
    by_severity = {s: sum(f.get("severity") == s for f in findings) for s in ("error", "warning", "info")}
    lead = "No data-quality findings in this study." + (
        "" if inputs.prices else " No record of its data either."
    )
    if findings:
        lead = f"The checks at the door noted {_severities(by_severity)}. Nothing was repaired silently."
    rates, notes = _base_rates(inputs, names)
    tables = [
        t for t in (_prices(inputs), _splits(inputs), rates, _by_rule(findings), _findings(findings)) if t
    ]
    correlated = [_correlated(name, frame) for name, frame in inputs.channel_correlation.items()]
    panels, more = limited(correlated)
    return Section("data", "Data and base rates", lead, [*notes, *more], panels=panels, tables=tables)


def _severities(counts: Mapping[str, int]) -> str:
    words = {"error": ("error", None), "warning": ("warning", None), "info": ("remark", None)}
    return listed(plural(n, *words[severity]) for severity, n in counts.items() if n)


def _prices(inputs: ReportInputs) -> Table | None:
    if not inputs.prices:
        return None
    columns = [Column("Symbol or series"), Column("Source"), Column("Vintage"), Column("Rows", numeric=True),
               Column("First"), Column("Last"), Column("SHA-256")]  # fmt: skip
    rows = [
        [
            TableCell(str(symbol)),
            TableCell(str(p.get("source") or "–")),
            TableCell(str(p.get("vintage") or "–")),
            TableCell(count(p.get("rows")), sort=finite(p.get("rows"))),
            TableCell(str(p.get("first") or "–")),
            TableCell(str(p.get("last") or "–")),
            TableCell(str(p.get("sha256") or "–")[:12], code=True),
        ]
        for symbol, p in inputs.prices.items()
    ]
    return Table("Raw data, as they were imported.", columns, rows)


def _splits(inputs: ReportInputs) -> Table | None:
    if not inputs.splits:
        return None
    rows = []
    for name, value in inputs.splits.items():
        text = " to ".join(str(v) for v in value.values()) if isinstance(value, Mapping) else str(value)
        if value is None:
            text = "open"
        if isinstance(value, bool):
            text = "yes" if value else "no"
        rows.append([TableCell(str(name).replace("_", " ")), TableCell(text)])
    return Table(
        "How time is divided, as declared.", [Column("Setting"), Column("Value")], rows, "Split dates"
    )


def _base_rates(inputs: ReportInputs, names: Names) -> tuple[Table | None, list[str]]:
    """Share of class 1 per split and problem, from one finished run of each problem."""
    seen: dict[str, dict[str, Any]] = {}
    for row in inputs.runs.to_dicts():
        if row.get("status") == "done" and row.get("task") != "regression":
            seen.setdefault(names.problem(row), row)
    if not seen:
        return None, []
    shares = {name: {s: _share(row, s, inputs) for s, _ in _SPLITS} for name, row in seen.items()}
    known = [v for by_split in shares.values() for v, _ in by_split.values() if v is not None]
    if not known:
        return None, []
    notes, spreads = [], {}
    for name, by_split in shares.items():
        values = [v for v, _ in by_split.values() if v is not None]
        spreads[name] = (max(values) - min(values)) * 100 if values else 0.0
        for split, (share, n) in by_split.items():
            fewest = None if share is None or n is None else round(n * min(share, 1 - share))
            if fewest is not None and fewest < _RARE:
                notes.append(f"{name}: only {plural(fewest, 'sample')} of the rarer class in {split}.")
    columns = [
        Column("Problem"),
        *(Column(label.capitalize(), numeric=True) for _, label in _SPLITS),
        Column("Largest difference", numeric=True),
    ]
    rows = []
    for name, by_split in shares.items():
        cells = [
            TableCell("–" if v is None else f"{percent(v)} of {count(n)}", sort=v)
            for v, n in by_split.values()
        ]
        rows.append([TableCell(name), *cells, TableCell(f"{spreads[name]:.1f} points", sort=spreads[name])])
    return Table("Base rate: share of class 1 among the samples of each split.", columns, rows), notes


def _share(row: Mapping[str, Any], split: str, inputs: ReportInputs) -> tuple[float | None, float | None]:
    n = finite(row.get(f"n_{split}"))
    if split == "train":
        return finite(row.get("train_base_rate")), n
    share = finite(row.get(f"{split}_base_rate"))
    if share is None:
        splits = (inputs.metrics.get(str(row.get("path"))) or {}).get("splits") or {}
        measured = splits.get("validation" if split == "selection" else split) or {}
        share, n = finite(measured.get("base_rate")), finite(measured.get("n"))
    return share, n


def _by_rule(findings: Sequence[Mapping[str, Any]]) -> Table | None:
    if not findings:
        return None
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for f in findings:
        groups.setdefault((str(f.get("severity")), str(f.get("rule")), str(f.get("symbol"))), []).append(f)
    order = {"error": 0, "warning": 1, "info": 2}
    rows = []
    for (severity, rule, symbol), group in sorted(
        groups.items(), key=lambda g: (order.get(g[0][0], 3), g[0])
    ):
        dates = sorted(str(f["date"]) for f in group if f.get("date") is not None)
        when = "–" if not dates else dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        tone = "fail" if severity == "error" else ""
        rows.append([TableCell(severity, tone=tone), TableCell(rule.replace("_", " ")), TableCell(symbol),  # type: ignore[arg-type]
                     TableCell(count(len(group)), sort=len(group)), TableCell(when)])  # fmt: skip
    columns = [
        Column("Severity"),
        Column("Rule"),
        Column("Symbol"),
        Column("Findings", numeric=True),
        Column("When"),
    ]
    return Table("Findings of the checks at the door, by rule.", columns, rows)


def _findings(findings: Sequence[Mapping[str, Any]]) -> Table | None:
    if not findings:
        return None
    columns = [Column("Severity"), Column("Symbol"), Column("Date"), Column("Rule"),
               Column("Value", numeric=True), Column("Message", wide=True)]  # fmt: skip
    rows = [
        [
            TableCell(str(f.get("severity"))),
            TableCell(str(f.get("symbol"))),
            TableCell(str(f.get("date") or "–")),
            TableCell(str(f.get("rule")).replace("_", " ")),
            TableCell(_plain(f.get("value"))),
            TableCell(str(f.get("message") or "")),
        ]
        for f in findings[:_FINDINGS_SHOWN]
    ]
    caption = f"Each finding ({len(rows)} of {len(findings)})."
    return Table(
        caption, columns, rows, f"All {len(findings)} findings" if len(rows) == len(findings) else caption
    )


def _plain(value: Any) -> str:
    x = finite(value)
    return "–" if value is None else f"{x:.4g}" if x is not None else str(value)


def _correlated(dataset: str, frame: pl.DataFrame) -> Panel:
    """Redundancy of the channels: a correlation map by family, and the most correlated pairs."""
    channels, families = frame["channel"].to_list(), frame["family"].to_list()
    matrix = np.nan_to_num(frame.select(channels).to_numpy().astype(np.float64))
    upper = np.triu(np.abs(matrix), 1)
    top = np.argsort(upper, axis=None)[::-1][: min(10, len(channels) * (len(channels) - 1) // 2)]
    pairs = [np.unravel_index(at, matrix.shape) for at in top]
    rows = [
        [
            TableCell(channels[i], code=True),
            TableCell(channels[j], code=True),
            TableCell(number(float(matrix[i, j]), 3), sort=float(matrix[i, j])),
        ]
        for i, j in pairs
    ]
    caption = f"{dataset}: the most correlated of {len(channels)} channels."
    columns = [Column("Channel"), Column("Channel"), Column("Correlation", numeric=True)]
    table = Table(caption, columns, rows, SHOWN)
    shares = upper[np.triu_indices(len(channels), 1)]
    strong = float((shares > 0.9).mean()) if len(shares) else 0.0
    title = f"{dataset}: {percent(strong)} of the pairs of {len(channels)} channels correlate beyond 0.9"
    reading = (
        "Blue: both rise together, orange: one rises as the other falls; the stronger, the closer. "
        f"Half of all pairs lie below {number(float(np.median(shares)) if len(shares) else 0.0, 2)}."
    )
    return Panel(title, correlation_map(matrix, families, f"{title}. {reading}"), reading, table)

"""Section on the data: sources, findings, splits and base rates.

Counts and lists what other stages recorded; repairs and hides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from lib.report.heatmap import correlation_map
from lib.report.inputs import ReportInputs
from lib.report.page import Cells, Column, Panel, Section, Table, TableCell, numbers, table, texts
from lib.report.panels import SHOWN, limited
from lib.report.wording import DASH, Names, count, finite, listed, number, percent, plural
from lib.scaling.axes import Row

_FINDINGS_SHOWN = 300
_SPLITS = (("train", "train"), ("selection", "validation"), ("calibration", "calibration"), ("test", "test"))
_RARE = 20
_SEVERITIES = {"error": "error", "warning": "warning", "info": "remark"}
"""The gravest first, each with its name on the page."""


def data_section(inputs: ReportInputs, names: Names) -> Section:
    """Sources, findings and splits of the data."""
    findings = inputs.findings.to_dicts()
    lead = "No data-quality findings in this study." + (
        "" if inputs.prices else " No record of its data either."
    )
    if findings:
        counts = Counter(finding.get("severity") for finding in findings)
        noted = listed(plural(counts[s], name) for s, name in _SEVERITIES.items() if counts[s])
        lead = f"The checks of the raw data noted {noted}. Nothing was repaired silently."
    rates, notes = _base_rates(inputs, names)
    tables = [
        t for t in (_prices(inputs), _splits(inputs), rates, _by_rule(findings), _findings(findings)) if t
    ]
    correlated = [_correlated(name, frame) for name, frame in inputs.channel_correlation.items()]
    panels, more = limited(correlated)
    return Section("data", "Data and base rates", lead, [*notes, *more], panels=panels, tables=tables)


def _prices(inputs: ReportInputs) -> Table | None:
    if not inputs.prices:
        return None
    columns = [
        *texts("Symbol or series", "Source", "Vintage"),
        *numbers("Rows"),
        *texts("First", "Last", "SHA-256"),
    ]
    rows: list[Cells] = [
        [
            str(symbol),
            *(str(p.get(fact) or DASH) for fact in ("source", "vintage")),
            count(p.get("rows")),
            *(str(p.get(fact) or DASH) for fact in ("first", "last")),
            TableCell(str(p.get("sha256") or DASH)[:12], code=True),
        ]
        for symbol, p in inputs.prices.items()
    ]
    return table("Raw data, as they were imported.", columns, rows)


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
        rows.append([str(name).replace("_", " "), text])
    return table("How time is divided, as declared.", texts("Setting", "Value"), rows, "Split dates")


def _base_rates(inputs: ReportInputs, names: Names) -> tuple[Table | None, list[str]]:
    """Share of class 1 per split and problem, from one finished run of each problem."""
    seen: dict[str, Row] = {}
    for row in inputs.done:
        if row.get("task") != "regression":
            seen.setdefault(names.problem(row), row)
    notes, rows, any_known = [], [], False
    for name, row in seen.items():
        shares = {split: _share(row, split, inputs) for split, _ in _SPLITS}
        known = [v for v, _ in shares.values() if v is not None]
        any_known = any_known or bool(known)
        for split, (share, n) in shares.items():
            fewest = None if share is None or n is None else round(n * min(share, 1 - share))
            if fewest is not None and fewest < _RARE:
                notes.append(f"{name}: only {plural(fewest, 'sample')} of the rarer class in {split}.")
        spread = (max(known) - min(known)) * 100 if known else 0.0
        cells = [DASH if v is None else f"{percent(v)} of {count(n)}" for v, n in shares.values()]
        rows.append([name, *cells, f"{spread:.1f} points"])
    if not any_known:
        return None, []
    columns = [
        *texts("Problem"),
        *numbers(*(label.capitalize() for _, label in _SPLITS), "Largest difference"),
    ]
    return table("Base rate: share of class 1 among the samples of each split.", columns, rows), notes


def _share(row: Row, split: str, inputs: ReportInputs) -> tuple[float | None, float | None]:
    n = finite(row.get(f"n_{split}"))
    if split == "train":
        return finite(row.get("train_base_rate")), n
    share = finite(row.get(f"{split}_base_rate"))
    if share is None:
        splits = inputs.measured(row).get("splits") or {}
        measured = splits.get("validation" if split == "selection" else split) or {}
        share, n = finite(measured.get("base_rate")), finite(measured.get("n"))
    return share, n


def _by_rule(findings: Sequence[Row]) -> Table | None:
    if not findings:
        return None
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for f in findings:
        groups.setdefault((str(f.get("severity")), str(f.get("rule")), str(f.get("symbol"))), []).append(f)
    rows: list[Cells] = []
    order = list(_SEVERITIES)
    for severity, rule, symbol in sorted(groups, key=lambda key: (order.index(key[0]), key)):
        group = groups[severity, rule, symbol]
        dates = sorted(str(f["date"]) for f in group if f.get("date") is not None)
        when = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else DASH
        how_bad = TableCell(severity, tone="fail" if severity == "error" else "")
        rows.append([how_bad, rule.replace("_", " "), symbol, count(len(group)), when])
    columns = [*texts("Severity", "Rule", "Symbol"), *numbers("Findings"), *texts("When")]
    return table("Findings of these checks, by rule.", columns, rows)


def _findings(findings: Sequence[Row]) -> Table | None:
    if not findings:
        return None
    columns = [*texts("Severity", "Symbol", "Date", "Rule"), *numbers("Value"), Column("Message", wide=True)]
    rows = [
        [
            str(f.get("severity")),
            str(f.get("symbol")),
            str(f.get("date") or DASH),
            str(f.get("rule")).replace("_", " "),
            _plain(f.get("value")),
            str(f.get("message") or ""),
        ]
        for f in findings[:_FINDINGS_SHOWN]
    ]
    caption = f"Each finding ({len(rows)} of {len(findings)})."
    folded = f"All {plural(len(findings), 'finding')}" if len(rows) == len(findings) else caption
    return table(caption, columns, rows, folded)


def _plain(value: Any) -> str:
    x = finite(value)
    return DASH if value is None else f"{x:.4g}" if x is not None else str(value)


def _correlated(dataset: str, frame: pl.DataFrame) -> Panel:
    """Redundancy of the channels: a correlation map by family, and the most correlated pairs."""
    channels, families = frame["channel"].to_list(), frame["family"].to_list()
    matrix = np.nan_to_num(frame.select(channels).to_numpy().astype(np.float64))
    upper = np.triu(np.abs(matrix), 1)
    top = np.argsort(upper, axis=None)[::-1][: min(10, len(channels) * (len(channels) - 1) // 2)]
    pairs = [np.unravel_index(at, matrix.shape) for at in top]
    rows: list[Cells] = [
        [TableCell(channels[i], code=True), TableCell(channels[j], code=True), number(matrix[i, j], 3)]
        for i, j in pairs
    ]
    caption = f"{dataset}: the most correlated of {len(channels)} channels."
    behind = table(caption, [*texts("Channel", "Channel"), *numbers("Correlation")], rows, SHOWN)
    shares = upper[np.triu_indices(len(channels), 1)]
    strong = float((shares > 0.9).mean()) if len(shares) else 0.0
    title = f"{dataset}: {percent(strong)} of the pairs of {len(channels)} channels correlate beyond 0.9"
    reading = (
        "Blue: both rise together, orange: one rises as the other falls; the stronger, the closer. "
        f"Half of all pairs lie below {number(float(np.median(shares)) if len(shares) else 0.0, 2)}."
    )
    return Panel(title, correlation_map(matrix, families, f"{title}. {reading}"), reading, behind)

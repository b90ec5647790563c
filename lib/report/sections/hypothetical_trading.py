"""Section of hypothetical trading: secondary, after costs, beside buy-and-hold.

One model per problem is drawn, the one that was best on validation; the table holds all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from markupsafe import Markup

from lib.report.behind import of_lines
from lib.report.inputs import ReportInputs
from lib.report.page import Column, Panel, Section, Table, TableCell
from lib.report.sections.conformal_coverage import Run, best_on_validation, questioned
from lib.report.sections.curve_charts import limited
from lib.report.svg import Chart, Strip, kind_of, legend, padded
from lib.report.wording import Names, finite, model_words, number, of, percent, prose, triple

_POINTS = 160
"""Points of an equity curve that a page this wide can show."""


def trading_section(inputs: ReportInputs, names: Names) -> Section:
    """Equity after costs and the ratios, corrected for the number of trials."""
    groups: dict[str, list[Run]] = {}
    reasons: list[str] = []
    for row in questioned(inputs):
        found = (inputs.metrics.get(str(row.get("path"))) or {}).get("trading") or {}
        if found.get("positions"):
            groups.setdefault(names.problem(row), []).append((row, found))
        elif found.get("reason"):
            reasons.append(prose(found["reason"]))
    heading = "Would it have paid?"
    tried = inputs.scaling.get("trading") or {}
    if not groups:
        lead = (reasons or ["No run takes positions in this study."])[0]
        return Section("trading", heading, lead)
    panels, notes = limited([p for name, runs in groups.items() if (p := _panel(name, runs, inputs))])
    lead = (
        "Secondary, and hypothetical: a position at the next open, costs taken off, no slippage or capacity. "
        f"{prose((tried.get('trials') or {}).get('text'))}"
    )
    corrected = {str(row.get("path")): row for row in tried.get("rows") or []}
    marks = legend([("line series ink", "model, after costs"), ("line ref", "buy and hold")])
    tables = [_table(name, runs, corrected) for name, runs in groups.items()]
    return Section("trading", heading, lead, notes, marks if panels else None, panels, tables)


def _panel(name: str, runs: Sequence[Run], inputs: ReportInputs) -> Panel | None:
    row, found = best_on_validation(runs)
    daily = inputs.daily.get(str(row.get("path")))
    if daily is None or "equity" not in daily.columns:
        return None
    rows = daily.drop_nulls("equity").select("date", "equity", "hold_equity").rows()
    if len(rows) < 2:
        return None
    model, hold = model_words(row.get("model"), row.get("budget")), found.get("hold") or {}
    made, held = percent(found.get("total_return")), percent(hold.get("total_return"))
    title = f"{name}: {model} {made}, buy and hold {held}"
    reading = (
        f"Sharpe ratio {of(found, 'sharpe', 2)} against {number(hold.get('sharpe'), 2)}; deepest fall "
        f"{percent(found.get('max_drawdown'))} against {percent(hold.get('max_drawdown'))}; invested "
        f"{percent(found.get('exposure'), 0)} of the time. {prose(found.get('rule'))}"
    )
    figure, table = _figure(rows, f"{title}. {reading}")
    return Panel(title, figure, reading, table)


def _figure(rows: Sequence[tuple[Any, ...]], meaning: str) -> tuple[Markup, Table]:
    step = max(1, len(rows) // _POINTS)
    shown = [*rows[::step], rows[-1]]
    first = rows[0][0]
    days = [float((date - first).days) for date, *_ in shown]
    values = [float(v) for _, *pair in shown for v in pair if finite(v) is not None]
    chart = Chart((0.0, days[-1] or 1.0), padded(values, 0.06))
    years = sorted({date.year for date, *_ in rows} - {first.year})
    labels = [(float((date.replace(month=1, day=1) - first).days), str(date.year))
              for date in (first.replace(year=y, month=1, day=1) for y in years)]  # fmt: skip
    chart.axes("date", "value of 1 invested", labels or [(0.0, str(first)), (days[-1], str(rows[-1][0]))])
    held = [(x, float(row[2])) for x, row in zip(days, shown, strict=True) if row[2] is not None]
    chart.line(held, "ref", "Buy and hold")
    chart.line(
        [(x, float(row[1])) for x, row in zip(days, shown, strict=True)], "series ink", "Model, after costs"
    )
    chart.mark(days[-1], float(rows[-1][1]), kind_of(None), f"{rows[-1][0]}: {rows[-1][1]:.3f}", 3)
    table = of_lines(
        chart,
        "Date",
        lambda x: str(first + timedelta(days=x)),
        lambda y: number(y, 3),
        "Value of 1 invested.",
    )
    return chart.render(meaning), table


def _table(name: str, runs: Sequence[Run], corrected: Mapping[str, Mapping[str, Any]]) -> Table:
    heads = ("Sharpe [interval]", "Buy and hold: Sharpe", "Return above it: Sharpe",
             "Chance that it is above 0", "the same, deflated", "Return", "Deepest fall", "Invested",
             "Turnover a year")  # fmt: skip
    held = [v for _, found in runs if (v := finite((found.get("hold") or {}).get("sharpe"))) is not None]
    ends = [v for _, found in runs for v in triple(found, "sharpe") if v is not None]
    strip = Strip(*padded([*ends, *held, 0.0], 0.05), (0.0,))
    rows = []
    for row, found in runs:
        extra, excess = corrected.get(str(row.get("path"))) or {}, found.get("excess") or {}
        rows.append(
            [
                TableCell(f"{model_words(row.get('model'), row.get('budget'))}, seed {row.get('seed')}"),
                TableCell(
                    "", drawing=strip.draw(*triple(found, "sharpe"), kind_of(row.get("budget")), held[:1])
                ),
                TableCell(of(found, "sharpe", 2), sort=finite(found.get("sharpe"))),
                TableCell(number((found.get("hold") or {}).get("sharpe"), 2)),
                TableCell(number(excess.get("sharpe"), 2)),
                TableCell(percent(excess.get("probabilistic_sharpe"), 0)),
                TableCell(percent(extra.get("deflated_sharpe"), 0)),
                TableCell(percent(found.get("total_return"))),
                TableCell(percent(found.get("max_drawdown"))),
                TableCell(percent(found.get("exposure"), 0)),
                TableCell(number(found.get("turnover"), 1)),
            ]
        )
    drawing = Column("Sharpe ratio, dashed: buy and hold", axis=strip.axis(strip.ticks()))
    columns = [Column("Run"), drawing, *(Column(h, numeric=True) for h in heads)]
    caption = f"{name}: costs of {_costs(runs)} basis points. Deflated: against the best of all tries."
    return Table(caption, columns, rows, caption)


def _costs(runs: Sequence[Run]) -> str:
    costs = {value for _, found in runs if (value := finite(found.get("cost_basis_points"))) is not None}
    return " or ".join(f"{value:g}" for value in sorted(costs)) or "no"

"""Section of hypothetical trading: secondary, after costs, beside buy-and-hold.

One model per problem is drawn, the one that was best on validation; the table holds all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from lib.report.inputs import ReportInputs, asks
from lib.report.measured import Run, best_on_validation, by_problem, seed_words
from lib.report.page import Column, Panel, Section, Table, numbers, table, texts
from lib.report.panels import limited, of_lines, panel
from lib.report.svg import Chart, Strip, kind_of, legend, padded
from lib.report.wording import Names, finite, number, of, percent, prose, triple
from lib.scaling.words import model_words

_POINTS = 160
"""Points of an equity curve that a page this wide can show."""


def trading_section(inputs: ReportInputs, names: Names) -> Section:
    """Equity after costs and the ratios, corrected for the number of trials."""

    def trading(found: Mapping[str, Any]) -> Mapping[str, Any]:
        return found.get("trading") or {}

    groups = by_problem(
        inputs, names, lambda found: trading(found) if trading(found).get("positions") else {}
    )
    heading = "Would it have paid?"
    tried = inputs.scaling.get("trading") or {}
    if not groups:
        reasons = (trading(inputs.measured(row)).get("reason") for row in filter(asks, inputs.done))
        lead = next((prose(text) for text in reasons if text), "No run takes positions in this study.")
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
    chart = _chart(rows)
    first = rows[0][0]
    behind = of_lines(
        chart,
        "Date",
        lambda x: str(first + timedelta(days=x)),
        lambda y: number(y, 3),
        "Value of 1 invested.",
    )
    return panel(title, reading, chart, behind)


def _chart(rows: Sequence[tuple[Any, ...]]) -> Chart:
    step = max(1, len(rows) // _POINTS)
    shown = [*rows[::step], rows[-1]]
    first = rows[0][0]
    days = [float((date - first).days) for date, *_ in shown]
    values = [float(v) for _, *pair in shown for v in pair if finite(v) is not None]
    chart = Chart((0.0, days[-1] or 1.0), padded(values, 0.06))
    years = sorted({date.year for date, *_ in rows} - {first.year})
    labels = [(float((first.replace(year=y, month=1, day=1) - first).days), str(y)) for y in years]
    chart.axes("date", "value of 1 invested", labels or [(0.0, str(first)), (days[-1], str(rows[-1][0]))])
    model = [(x, float(row[1])) for x, row in zip(days, shown, strict=True)]
    held = [(x, float(row[2])) for x, row in zip(days, shown, strict=True) if row[2] is not None]
    chart.line(held, "ref", "Buy and hold")
    chart.line(model, "series ink", "Model, after costs")
    chart.mark(days[-1], float(rows[-1][1]), kind_of(None), f"{rows[-1][0]}: {rows[-1][1]:.3f}", 3)
    return chart


def _table(name: str, runs: Sequence[Run], corrected: Mapping[str, Mapping[str, Any]]) -> Table:
    heads = ("Sharpe [interval]", "Buy and hold: Sharpe", "Return above it: Sharpe",
             "Chance that it is above 0", "That chance, deflated", "Return", "Deepest fall", "Invested",
             "Turnover a year")  # fmt: skip
    held = [v for _, found in runs if (v := finite((found.get("hold") or {}).get("sharpe"))) is not None]
    ends = [v for _, found in runs for v in triple(found, "sharpe") if v is not None]
    strip = Strip(*padded([*ends, *held, 0.0], 0.05), (0.0,))
    rows = []
    for row, found in runs:
        extra, excess = corrected.get(str(row.get("path"))) or {}, found.get("excess") or {}
        rows.append(
            [
                seed_words(row),
                strip.draw(*triple(found, "sharpe"), kind_of(row.get("budget")), held[:1]),
                of(found, "sharpe", 2),
                number((found.get("hold") or {}).get("sharpe"), 2),
                number(excess.get("sharpe"), 2),
                percent(excess.get("probabilistic_sharpe"), 0),
                percent(extra.get("deflated_sharpe"), 0),
                percent(found.get("total_return")),
                percent(found.get("max_drawdown")),
                percent(found.get("exposure"), 0),
                number(found.get("turnover"), 1),
            ]
        )
    drawing = Column("Sharpe ratio, dashed: buy and hold", axis=strip.axis(strip.ticks()))
    caption = f"{name}: costs of {_costs(runs)} basis points. Deflated: against the best of all tries."
    return table(caption, [*texts("Run"), drawing, *numbers(*heads)], rows, caption)


def _costs(runs: Sequence[Run]) -> str:
    costs = {value for _, found in runs if (value := finite(found.get("cost_basis_points"))) is not None}
    return " or ".join(f"{value:g}" for value in sorted(costs)) or "no"

"""Sections of the curves: test loss along the axis of a question, one chart per curve.

Draws what the evaluation has computed; every claim in a title follows from an interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lib.report.compared import Compared, axis_of, blocked, ends_of, fewest_seeds, gain_of, point_of
from lib.report.inputs import ReportInputs
from lib.report.page import Panel, Section, Table, numbers, table, texts
from lib.report.panels import SHOWN, limited, panel
from lib.report.sections.worth import beside_linear, foretold, lift_of
from lib.report.svg import BUDGET_LEGEND, Chart, kind_of, legend, padded
from lib.report.verdict_wording import verdict_words
from lib.report.wording import (
    Names,
    count,
    curve_name,
    estimate,
    finite,
    interval,
    listed,
    number,
    of,
    parameters,
    prose,
    triple_holm,
    triple_of,
    unit_of,
)
from lib.scaling.axes import Row
from lib.scaling.words import metric_words, of_all

_ORDINAL = ("quality", "assets")
"""Axes whose scale points have an order and no size."""
_NO_MODEL = ("line ref", "no model: always the base rate (for returns: always 0)")
Rows = Sequence[Row]
_HEADINGS = {
    "parameters": ("scaling", "Loss against size", "parameters, measured (log scale)"),
    "features": ("features", "Loss against input channels", "input channels (log scale)"),
    "data": ("amount", "Loss against training data", "training samples (log scale)"),
    "context": ("context", "Loss against window length", "bars of a window (log scale)"),
    "quality": ("quality", "Loss by kind of data", "data of a column, each with those before it"),
    "assets": ("assets", "Loss by assets", "assets of a row, each with those before it"),
}


def curve_sections(inputs: ReportInputs, names: Names) -> list[Section]:
    """One section per axis of the study: test loss along it, for every curve."""
    by_axis: dict[str, list[Row]] = {}
    for curve in inputs.curves:
        by_axis.setdefault(axis_of(curve), []).append(curve)
    if not by_axis:
        lead = "No question about size in this study: a scaling curve needs at least two budgets."
        return [Section("scaling", "Loss against size", lead)]
    compared = Compared(inputs)
    return [_section(axis, by_axis[axis], inputs, names, compared) for axis in _HEADINGS if axis in by_axis]


def _section(axis: str, curves: Rows, inputs: ReportInputs, names: Names, compared: Compared) -> Section:
    drawn = [curve for curve in curves if len(_valued(curve)) > 0]
    barred = {str(curve.get("model")): bool(blocked(inputs, curve.get("model"))) for curve in curves}
    panels, notes = limited([_panel(c, names, compared, barred[str(c.get("model"))]) for c in drawn])
    notes += [
        f"{curve_name(c, names)}, {c.get('model')}: {prose(c.get('reason'))}"
        for c in curves
        if not _valued(c)
    ]
    clear = sum((gain_of(c)[1] or 0.0) > 0 and not barred[str(c.get("model"))] for c in drawn)
    finding = f"The gain is clearly above 0 in {of_all(clear, len(curves), 'curve')}."
    if all(barred.values()):
        finding = "A control failed, so nothing is concluded from these curves."
    elif any(barred.values()):
        finding += " Models whose control failed are drawn and not counted."
    lead = (
        f"{finding} Points are means over seeds on the test set; bars are {inputs.level} intervals, each for "
        "itself; the band is the fit's." + ("" if axis in _ORDINAL else " Both axes are logarithmic.")
    )
    identity, heading, _ = _HEADINGS[axis]
    kinds = {kind_of(p.get("budget") or c.get("budget")) for c in drawn for p in _valued(c)}
    marks = [entry for entry in BUDGET_LEGEND if entry[0] in kinds]
    if any((curve.get("law") or {}).get("identified") for curve in drawn):
        marks.append(("line series dashed ink", "E + A·N^−α, where identified"))
    return Section(identity, heading, lead, notes, legend([*marks, _NO_MODEL]) if panels else None, panels)


def _valued(curve: Row) -> list[dict[str, Any]]:
    """The points that can be drawn, each with its place `x` on the axis."""
    ordinal = axis_of(curve) in _ORDINAL
    found = []
    for position, point in enumerate(curve.get("points") or []):
        size = finite(point.get("param_count")) or finite(point.get("size"))
        if finite(point.get("value")) is not None and (ordinal or (size or 0) > 0):
            found.append({**point, "x": float(position) if ordinal else size})
    return found


def _panel(curve: Row, names: Names, compared: Compared, barred: bool) -> Panel:
    points = _valued(curve)
    metric = str(curve.get("metric", "log_loss"))
    base = next((b for p in points if (b := finite(p.get("base_rate_log_loss"))) is not None), None)
    reading = f"{foretold(curve)} {_reading(curve, points, metric, base, compared)}".strip()
    chart, behind = _chart(curve, points, metric, base), _table(curve, points, metric, compared)
    return panel(_title(curve, names, barred), reading, chart, behind, switch="xy" if chart.y.log else "")


def _title(curve: Row, names: Names, barred: bool) -> str:
    name, metric = curve_name(curve, names), metric_words(str(curve.get("metric", "log_loss")))
    value, low, high = gain_of(curve)
    if value is None or low is None or high is None:
        return f"{name}: the gain could not be measured"
    if barred:
        return f"{name}: nothing is concluded {ends_of(curve)}, a control failed"
    if curve.get("moot"):
        return f"{name}: no scale point beats the base rate"
    alone = ", with one seed each" if fewest_seeds(curve) < 2 else ""
    if low > 0:
        return f"{name}: {metric} falls {ends_of(curve)}{alone}"
    if high < 0:
        return f"{name}: {metric} rises {ends_of(curve)}{alone}"
    slope, slope_low, slope_high = triple_of(curve.get("slope"))
    if (slope_high or 0.0) < 0.0 or (slope_low or 0.0) > 0.0:
        way = "down" if (slope or 0.0) < 0.0 else "up"
        return f"{name}: {metric} slopes {way} {ends_of(curve)}, but the gain is not clear{_adjusted(curve)}"
    return f"{name}: no clear change {ends_of(curve)}"


def _adjusted(curve: Row) -> str:
    """Why a gain may be unclear where a slope is clear: it is corrected for the size of its family."""
    _, low, high = triple_of(curve.get("gain"))
    alone = (low or 0.0) > 0.0 or (high or 0.0) < 0.0
    return " once all comparisons are counted" if alone else " of 0"


def _reading(curve: Row, points: Rows, metric: str, base: float | None, compared: Compared) -> str:
    slope, log = curve.get("slope") or {}, curve.get("log_log_slope") or {}
    parts = []
    if finite(slope.get("estimate")) is not None:
        parts.append(f"Slope {estimate(slope)} {slope.get('unit', 'per tenfold parameters')}.")
    if finite(log.get("estimate")) is not None:
        parts.append(f"Log–log slope {estimate(log)}.")
    saturation = curve.get("saturation") or {}
    if saturation.get("note"):
        parts.append(prose(saturation["note"]))
    if base is not None:
        parts.append(_against_base(curve, points, metric, base, compared))
    parts.append(beside_linear(curve, compared))
    verdict = verdict_words(curve).replace(": ", ", ")
    parts.append(f"Verdict: {verdict}. {prose(curve.get('reason'))}")
    return " ".join(part for part in parts if part).strip()


def _against_base(curve: Row, points: Rows, metric: str, base: float, compared: Compared) -> str:
    """Scale points better or worse than the base rate, by the paired difference on the same dates."""
    found = {point_of(p): compared.against_others(curve, point_of(p)) for p in points}
    spans = {at: triple_holm(row, "over_base_rate") for at, row in found.items() if row is not None}
    known = {at: (low, high) for at, (_, low, high) in spans.items() if low is not None and high is not None}
    what = f"base rate ({number(base)})" if metric == "log_loss" else f"zero forecast ({number(base, 6)})"
    if not known:
        return f"The paired difference from the {what} was not measured."
    below = [at for at, (_, high) in known.items() if high < 0]
    above = [at for at, (low, _) in known.items() if low > 0]
    parts = [
        f"Clearly {side} the {what}, date by date: {listed(where)}."
        for side, where in (("below", below), ("above", above))
        if where
    ]
    return " ".join(parts) or f"No point is clearly apart from the {what}, date by date."


def _chart(curve: Row, points: Rows, metric: str, base: float | None) -> Chart:
    ordinal = axis_of(curve) in _ORDINAL
    places = [float(p["x"]) for p in points]
    ends = [v for p in points for k in ("value", "low", "high") if (v := finite(p.get(k))) is not None]
    band = [row for row in curve.get("band") or [] if all(finite(v) is not None for v in row)]
    if base is not None:
        ends.append(base)
    span = (min(places) - 0.5, max(places) + 0.5) if ordinal else (min(places) / 1.8, max(places) * 1.8)
    low, high = padded(ends, 0.1)
    chart = Chart(span, (low, high), log_x=not ordinal, log_y=not ordinal and low > 0)
    label = _HEADINGS[axis_of(curve)][2]
    named, scale = axis_of(curve) != "parameters", ", log scale" if chart.y.log else ""
    chart.axes(
        label,
        f"test {metric_words(metric)} ({unit_of(metric)}{scale}), lower is better",
        [(p["x"], point_of(p) if named else parameters(p["x"])) for p in points],
    )
    if len(band) > 1:
        lower, upper = ([(float(row[0]), _inside(row[end], chart)) for row in band] for end in (2, 3))
        chart.band(lower, upper, "band of the fit")
    if base is not None:
        chart.level(base, f"no model: {number(base, 4 if metric == 'log_loss' else 6)}")
    chart.line([(p["x"], p["value"]) for p in points], "join")
    law = curve.get("law") or {}
    if law.get("identified"):
        law_line = [(float(row[0]), _inside(row[1], chart)) for row in law["curve"]]
        chart.line(law_line, "series dashed ink")
    for p in points:
        kind = kind_of(p.get("budget") or curve.get("budget"))
        if finite(p.get("low")) is not None and finite(p.get("high")) is not None:
            chart.whisker(p["x"], p["low"], p["high"], kind)
        tip = f"{point_of(p)}: {interval(p['value'], p.get('low'), p.get('high'))}"
        chart.mark(p["x"], p["value"], kind, tip, 5.5)
    return chart


def _inside(value: Any, chart: Chart) -> float:
    """Within the chart: the band of three points may be wider than all of them."""
    return min(max(float(value), min(chart.y.low, chart.y.high)), max(chart.y.low, chart.y.high))


def _table(curve: Row, points: Rows, metric: str, compared: Compared) -> Table:
    first = axis_of(curve) == "parameters"
    heads = ("Parameters" if first else "Size", metric_words(metric).capitalize(),
             "Lift over the linear model", "AUC", "Seeds", "n", "Effective n")  # fmt: skip
    rows = [
        [
            point_of(p),
            parameters(p.get("param_count")) if first else count(p.get("size")),
            interval(p.get("value"), p.get("low"), p.get("high")),
            interval(*lift_of(curve, p, compared)),
            of(p, "auc", 3),
            count(p.get("seeds")),
            count(p.get("n")),
            count(p.get("effective_n")),
        ]
        for p in points
    ]
    columns = [*texts("Budget" if first else "Scale point"), *numbers(*heads)]
    return table(str(curve.get("model")), columns, rows, SHOWN)

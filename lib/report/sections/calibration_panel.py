"""Calibration before and after: the methods compared, and the reliability diagram of the best model's test
forecasts as they were and as the chosen correction leaves them.

Draws the bins and shows the losses that the evaluation has measured; chooses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from lib.report.measured import Run
from lib.report.page import Panel, Table, numbers, table, texts
from lib.report.panels import of_rows, panel
from lib.report.svg import Chart, kind_of, padded
from lib.report.wording import budget_order, count, finite, number
from lib.scaling.axes import Row
from lib.scaling.words import model_words

Bins = Sequence[Row]
_METHODS = {"none": "as it is", "temperature": "temperature", "platt": "Platt", "isotonic": "isotonic"}


def after_panel(name: str, run: Run) -> Panel | None:
    """Reliability on the test set before and after the chosen correction; None where no
    correction was chosen."""
    row, found = run
    calibration = found.get("calibration") or {}
    before = (found.get("reliability") or {}).get("test") or []
    after = calibration.get("reliability") or []
    methods = {str(m.get("method")): m for m in calibration.get("methods") or []}
    chosen = str(calibration.get("chosen"))
    if len(before) < 2 or not after or "none" not in methods or chosen not in methods or chosen == "none":
        return None
    model = model_words(row.get("model"), row.get("budget"))
    raw, corrected = (finite(methods[m].get("test_ece")) for m in ("none", chosen))
    method = _METHODS.get(chosen, chosen)
    moved = f"from {number(raw, 3)} to {number(corrected, 3)}"
    title = f"{name}: {method} moves the calibration error of {model} {moved}"
    losses = [finite(methods[m].get("test_log_loss")) for m in ("none", chosen)]
    reading = (
        "Mean distance of forecast and observed share on test (ECE), before and after; log loss "
        f"{number(losses[0])} and {number(losses[1])}. Chosen on {count(calibration.get('fitted_on'))} "
        "calibration samples, held-out stretch by stretch; bars are Wilson's, as if samples were independent."
    )
    rows = [
        [when, number(b["mean_probability"], 3), number(b["observed"], 3), count(b["count"])]
        for when, bins in (("before", before), ("after", after))
        for b in bins
    ]
    heads = ("Correction", "Forecast", "Observed", "Samples")
    behind = of_rows(heads, rows, "Bins of equal count on the test set.")
    return panel(title, reading, _chart(before, after, kind_of(row.get("budget"))), behind)


def _chart(before: Bins, after: Bins, kind: str) -> Chart:
    shares = [b[key] for bins in (before, after) for b in bins for key in ("mean_probability", "observed")]
    low, high = padded(shares, 0.06)
    low, high = max(0.0, low), min(1.0, high)
    chart = Chart((low, high), (low, high), height=300)
    chart.axes("forecast probability of class 1", "observed share of class 1")
    chart.line([(low, low), (high, high)], "diagonal")
    for when, bins, style, mark in (
        ("before", before, "series dashed base", "base"), ("after", after, f"series {kind}", kind)
    ):  # fmt: skip
        if len(bins) > 1:
            chart.line([(b["mean_probability"], b["observed"]) for b in bins], style)
        for b in bins:
            x, y = b["mean_probability"], b["observed"]
            low_end, high_end = finite(b.get("observed_low")), finite(b.get("observed_high"))
            if when == "after" and low_end is not None and high_end is not None:
                chart.whisker(x, max(low_end, low), min(high_end, high), mark)
            chart.mark(x, y, mark, f"{when}, forecast {x:.3f}: {y:.3f} of {b['count']}", 4)
    return chart


def methods_table(name: str, runs: Sequence[Run]) -> Table | None:
    """Every method compared, by model and size: means over seeds, and how many seeds chose it."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row, found in runs:
        if (found.get("calibration") or {}).get("methods"):
            key = (str(row.get("model")), str(row.get("budget")))
            groups.setdefault(key, []).append(found["calibration"])
    if not groups:
        return None
    heads = ("Held-out log loss", "Test log loss", "Test ECE", "Test Brier", "Chosen by seeds")
    rows = []
    for key in sorted(groups, key=lambda key: (budget_order(key[1]), key)):
        own = groups[key]
        for method, words in _METHODS.items():
            measured = [m for c in own for m in c["methods"] if m.get("method") == method]
            if not measured:
                continue
            means = [
                _mean(measured, field, decimals) for field, decimals in (
                    ("crossfit_log_loss", 4), ("test_log_loss", 4), ("test_ece", 3), ("test_brier", 4))
            ]  # fmt: skip
            chosen = sum(c.get("chosen") == method for c in own)
            rows.append([model_words(*key), words, *means, f"{chosen} of {len(own)}"])
    caption = (
        "Corrections compared on the calibration part, each stretch of dates held out in turn (this "
        "chooses), and on test (this only shows)."
    )
    columns = [*texts("Model", "Correction"), *numbers(*heads)]
    return table(caption, columns, rows, f"{name}: corrections compared")


def _mean(found: Sequence[Row], field: str, decimals: int) -> str:
    known = [v for m in found if (v := finite(m.get(field))) is not None]
    return number(sum(known) / len(known) if known else None, decimals)

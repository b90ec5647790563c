"""Section of reliability: whether events come as often as forecast, on the test set.

Draws the bins that the evaluation has counted; the only number made here is their mean distance from the
diagonal, for the title.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lib.config.base import is_ternary
from lib.report.behind import SHOWN
from lib.report.inputs import ReportInputs
from lib.report.page import Column, Panel, Section, Table, TableCell
from lib.report.sections.curve_charts import limited
from lib.report.svg import BUDGET_LEGEND, Chart, kind_of, legend, padded
from lib.report.wording import Names, budget_order, count, finite, listed, model_words, number

_DRAWN = 4
"""Models on one chart: more hide each other."""
_NAMED = 3
Bins = Sequence[Mapping[str, Any]]
Diagram = tuple[Mapping[str, Any], Bins]


def reliability_section(inputs: ReportInputs, names: Names) -> Section:
    """Observed share against forecast probability, one chart per problem."""
    groups: dict[str, list[Diagram]] = {}
    for row in inputs.runs.to_dicts():
        if row.get("role") not in (None, "question") or row.get("status") != "done":
            continue
        found = inputs.metrics.get(str(row.get("path"))) or {}
        bins = (found.get("reliability") or {}).get("test") or []
        if bins:
            groups.setdefault(names.problem(row), []).append((row, bins))
    panels, notes = limited([_panel(name, diagrams) for name, diagrams in groups.items()])
    heading = "Can the probabilities be believed?"
    if not panels:
        lead = "No reliability diagrams in this study: no finished run has probabilities."
        return Section("reliability", heading, lead)
    lead = (
        "A forecast is reliable where its mark lies on the diagonal; with few independent samples per mark, "
        "some scatter is chance. Bins hold equal counts. The rows below the axis show where each model's "
        "forecasts lie: a short row is a model that forecasts nearly the same every day."
    )
    marks = legend([*BUDGET_LEGEND, ("base", "baseline"), ("line diagonal", "perfectly reliable")])
    return Section("reliability", heading, lead, notes, marks, panels)


def _panel(name: str, diagrams: Sequence[Diagram]) -> Panel:
    diagrams = sorted(diagrams, key=lambda diagram: -budget_order(diagram[0].get("budget")))
    gaps: dict[str, list[float]] = {}
    for row, bins in reversed(diagrams):
        gaps.setdefault(model_words(row["model"], row.get("budget")), []).append(_gap(bins))
    means = {model: sum(values) / len(values) for model, values in gaps.items()}
    sized = {
        model_words(r["model"], r.get("budget")) for r, _ in diagrams if kind_of(r.get("budget")) != "base"
    }
    shown = [value for model, value in means.items() if not sized or model in sized]
    low, high = f"{min(shown):.3f}", f"{max(shown):.3f}"
    span = low if low == high else f"{low} to {high}"
    whose = _whose(
        {str(r["model"]) for r, _ in diagrams if model_words(r["model"], r.get("budget")) in sized}
    )
    title = f"{name}: {f'forecasts of {whose}' if sized else 'forecasts'} are off by {span} on average"
    n = max(sum(b["count"] for b in bins) for _, bins in diagrams)
    reading = (
        "Mean distance between forecast and observed share: "
        f"{', '.join(f'{model} {value:.3f}' for model, value in means.items())}. "
        f"{count(n)} test samples each."
    )
    if is_ternary(str(diagrams[0][0].get("task"))):
        reading += " Of three classes: of +1, class 1, against the two others."
    seeds = _one_seed(diagrams)
    drawn = _foremost(seeds)
    if len(drawn) < len(diagrams):
        which = "each" if len(drawn) == len(seeds) else "those with sizes, then the best on validation"
        reading += f" Drawn: one seed (the lowest number) of {which}; the numbers hold all."
    return Panel(title, _figure(drawn, f"{title}. {reading}"), reading, _table(diagrams))


def _whose(models: Collection[str]) -> str:
    return listed(sorted(models)) if len(models) <= _NAMED else f"{len(models)} models"


def _foremost(diagrams: Sequence[Diagram]) -> list[Diagram]:
    """As many as one chart can show: models with sizes before baselines, the best on validation first."""
    ranked = sorted(
        diagrams,
        key=lambda diagram: (kind_of(diagram[0].get("budget")) == "base", _validation_loss(diagram[0])),
    )
    kept = ranked[:_DRAWN]
    return [diagram for diagram in diagrams if any(diagram is other for other in kept)]


def _validation_loss(row: Mapping[str, Any]) -> float:
    loss = finite(row.get("best_validation_loss"))
    return float("inf") if loss is None else loss


def _one_seed(diagrams: Sequence[Diagram]) -> list[Diagram]:
    """The lowest seed of every model and size: many seeds on one chart hide each other."""
    first: dict[str, Diagram] = {}
    for row, bins in sorted(diagrams, key=lambda diagram: finite(diagram[0].get("seed")) or 0.0):
        first.setdefault(model_words(row["model"], row.get("budget")), (row, bins))
    kept = list(first.values())
    return [diagram for diagram in diagrams if any(diagram[0] is row for row, _ in kept)]


def _gap(bins: Bins) -> float:
    """Expected calibration error: distance from the diagonal, marks weighted by their samples."""
    n = sum(b["count"] for b in bins)
    return float(sum(b["count"] * abs(b["observed"] - b["mean_probability"]) for b in bins) / n)


def _figure(diagrams: Sequence[Diagram], meaning: str) -> Markup:
    keys = ("mean_probability", "observed", "observed_low", "observed_high")
    shares = [finite(b.get(key)) for _, bins in diagrams for b in bins for key in keys]
    low, high = padded([share for share in shares if share is not None], 0.05)
    low, high = max(0.0, low), min(1.0, high)
    foot = 52 + 9 * len(diagrams)
    chart = Chart((low, high), (low, high), height=320 + foot, bottom=foot)
    chart.axes("", "observed share of class 1")
    chart.line([(low, low), (high, high)], "diagonal")
    most = max([b["count"] for _, bins in diagrams if len(bins) > 1 for b in bins], default=1)
    for row, bins in reversed(diagrams):
        _draw(chart, row, bins, most)
    for position, (row, bins) in enumerate(reversed(diagrams)):
        _rug(chart, chart.y.start + 27 + 9 * position, bins, kind_of(row.get("budget")))
    chart.text(
        (chart.x.start + chart.x.end) / 2,
        chart.height - 6,
        "forecast probability of class 1",
        "middle",
        "label",
    )
    return chart.render(meaning)


def _draw(chart: Chart, row: Mapping[str, Any], bins: Bins, most: int) -> None:
    kind = kind_of(row.get("budget"))
    if len(bins) > 1 and kind != "base":
        chart.line([(b["mean_probability"], b["observed"]) for b in bins], f"series thin {kind}")
    largest = 4.5 if kind != "base" else 3.0
    for b in bins:
        if finite(b.get("observed_low")) is not None and finite(b.get("observed_high")) is not None:
            chart.whisker(b["mean_probability"], b["observed_low"], b["observed_high"], kind)
        tip = f"{model_words(row['model'], row.get('budget'))}: {b['observed']:.3f} of {b['count']}"
        chart.mark(
            b["mean_probability"],
            b["observed"],
            kind,
            tip,
            max(1.5, largest * min(1.0, b["count"] / most) ** 0.5),
        )


def _rug(chart: Chart, y: float, bins: Bins, kind: str) -> None:
    """Where one run's forecasts lie: a thin line over their range, a tick per bin of samples."""
    ends = [
        chart.x(min(max(v, chart.x.low), chart.x.high)) for v in (bins[0]["bin_low"], bins[-1]["bin_high"])
    ]
    ticks = "".join(f"M{chart.x(b['mean_probability']):.1f} {y - 3:.1f}v6" for b in bins)
    chart.parts.append(f'<path class="rug {kind}" d="M{ends[0]:.1f} {y:.1f}H{ends[1]:.1f}{ticks}"/>')


def _table(diagrams: Sequence[Diagram]) -> Table:
    columns = [Column("Run"), *(Column(h, numeric=True) for h in ("Forecast", "Observed", "Samples"))]
    rows = [
        [
            TableCell(f"{model_words(row['model'], row.get('budget'))}, seed {row.get('seed')}"),
            TableCell(number(b["mean_probability"], 3)),
            TableCell(number(b["observed"], 3)),
            TableCell(count(b["count"])),
        ]
        for row, bins in reversed(diagrams)
        for b in bins
    ]
    return Table("Bins of equal count on the test set.", columns, rows, SHOWN)

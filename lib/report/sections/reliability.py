"""Section of reliability: whether events come as often as forecast, on the test set.

Draws the bins that the evaluation has counted; the only number made here is their mean distance from the
diagonal, for the title.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lib.config.base import is_ternary
from lib.report.inputs import ReportInputs, has_size
from lib.report.measured import by_problem, seed_words
from lib.report.page import Panel, Section
from lib.report.panels import limited, of_rows, panel
from lib.report.svg import BUDGET_LEGEND, Chart, kind_of, legend, padded
from lib.report.wording import Names, budget_order, count, finite, listed, number
from lib.scaling.axes import Row
from lib.scaling.words import model_words

_DRAWN = 4
"""Models on one chart: more hide each other."""
_NAMED = 3
Bins = Sequence[Row]
Diagram = tuple[Row, Bins]


def reliability_section(inputs: ReportInputs, names: Names) -> Section:
    """Observed share against forecast probability, one chart per problem."""
    groups = by_problem(inputs, names, lambda found: (found.get("reliability") or {}).get("test") or [])
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
        gaps.setdefault(_model(row), []).append(_gap(bins))
    means = {model: sum(values) / len(values) for model, values in gaps.items()}
    sized = [row for row, _ in diagrams if has_size(row)]
    shown = [means[_model(row)] for row in sized] or list(means.values())
    span = " to ".join(dict.fromkeys((f"{min(shown):.3f}", f"{max(shown):.3f}")))
    whose = _whose({str(row["model"]) for row in sized})
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
    rows = [
        [seed_words(row), number(b["mean_probability"], 3), number(b["observed"], 3), count(b["count"])]
        for row, bins in reversed(diagrams)
        for b in bins
    ]
    behind = of_rows(("Run", "Forecast", "Observed", "Samples"), rows, "Bins of equal count on the test set.")
    return panel(title, reading, _chart(drawn), behind)


def _model(row: Row) -> str:
    return model_words(row["model"], row.get("budget"))


def _whose(models: Collection[str]) -> str:
    return listed(sorted(models)) if len(models) <= _NAMED else f"{len(models)} models"


def _foremost(diagrams: Sequence[Diagram]) -> list[Diagram]:
    """As many as one chart can show: models with sizes before baselines, the best on validation first."""

    def rank(diagram: Diagram) -> tuple[bool, float]:
        loss = finite(diagram[0].get("best_validation_loss"))
        return not has_size(diagram[0]), float("inf") if loss is None else loss

    kept = sorted(diagrams, key=rank)[:_DRAWN]
    return [diagram for diagram in diagrams if any(diagram is other for other in kept)]


def _one_seed(diagrams: Sequence[Diagram]) -> list[Diagram]:
    """The lowest seed of every model and size: many seeds on one chart hide each other."""
    first: dict[str, Diagram] = {}
    for diagram in sorted(diagrams, key=lambda diagram: finite(diagram[0].get("seed")) or 0.0):
        first.setdefault(_model(diagram[0]), diagram)
    return [diagram for diagram in diagrams if first[_model(diagram[0])] is diagram]


def _gap(bins: Bins) -> float:
    """Expected calibration error: distance from the diagonal, marks weighted by their samples."""
    n = sum(b["count"] for b in bins)
    return float(sum(b["count"] * abs(b["observed"] - b["mean_probability"]) for b in bins) / n)


def _chart(diagrams: Sequence[Diagram]) -> Chart:
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
    middle = (chart.x.start + chart.x.end) / 2
    chart.text(middle, chart.height - 6, "forecast probability of class 1", "middle", "label")
    return chart


def _draw(chart: Chart, row: Row, bins: Bins, most: int) -> None:
    kind = kind_of(row.get("budget"))
    if len(bins) > 1 and kind != "base":
        chart.line([(b["mean_probability"], b["observed"]) for b in bins], f"series thin {kind}")
    largest = 4.5 if kind != "base" else 3.0
    for b in bins:
        if finite(b.get("observed_low")) is not None and finite(b.get("observed_high")) is not None:
            chart.whisker(b["mean_probability"], b["observed_low"], b["observed_high"], kind)
        tip = f"{_model(row)}: {b['observed']:.3f} of {b['count']}"
        size = max(1.5, largest * min(1.0, b["count"] / most) ** 0.5)
        chart.mark(b["mean_probability"], b["observed"], kind, tip, size)


def _rug(chart: Chart, y: float, bins: Bins, kind: str) -> None:
    """Where one run's forecasts lie: a thin line over their range, a tick per bin of samples."""
    ends = [
        chart.x(min(max(v, chart.x.low), chart.x.high)) for v in (bins[0]["bin_low"], bins[-1]["bin_high"])
    ]
    ticks = "".join(f"M{chart.x(b['mean_probability']):.1f} {y - 3:.1f}v6" for b in bins)
    chart.parts.append(f'<path class="rug {kind}" d="M{ends[0]:.1f} {y:.1f}H{ends[1]:.1f}{ticks}"/>')

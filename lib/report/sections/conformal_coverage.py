"""Section on calibration and conformal prediction: the value of a correction, and promised against measured
coverage.

One model per problem is drawn over time, the one that was best on validation; the table holds all.
"""

from __future__ import annotations

from collections.abc import Sequence

from lib.config.base import is_ternary
from lib.report.inputs import ReportInputs
from lib.report.measured import Run, best_on_validation, by_problem, seed_words
from lib.report.page import Panel, Section, Table, numbers, table, texts
from lib.report.panels import limited, of_lines, panel
from lib.report.sections.calibration_panel import after_panel, methods_table
from lib.report.svg import BUDGET_LEGEND, Chart, kind_of, legend, padded
from lib.report.wording import DASH, Names, finite, number, of, percent, plural
from lib.scaling.words import model_words, of_all

_DRAWN = 6
"""Problems whose diagrams before and after a correction are drawn."""


def coverage_section(inputs: ReportInputs, names: Names) -> Section:
    """Conformal coverage over time, and calibration before and after."""
    groups = by_problem(
        inputs, names, lambda found: found if found.get("conformal") or found.get("calibration") else {}
    )
    heading = "Calibration and conformal prediction"
    if not groups:
        lead = "No run has enough calibration samples to be corrected or covered."
        return Section("coverage", heading, lead)
    drawn = [(name, best_on_validation(runs)) for name, runs in groups.items()]
    panels, notes = limited(
        [_panel(name, run) for name, run in drawn if (run[1].get("conformal") or {}).get("by_period")]
    )
    corrected = [p for name, run in drawn if (p := after_panel(name, run))]
    kept = sum((run[1].get("calibration") or {}).get("chosen") == "none" for _, run in drawn)
    if kept:
        notes.append(
            f"In {of_all(kept, len(drawn), 'problem')} the best model's probabilities were left as they "
            "are: no correction was better on held-out stretches."
        )
    if len(corrected) > _DRAWN:
        more = plural(len(corrected) - _DRAWN, "more diagram")
        notes.append(f"{more} of corrected forecasts not drawn; the tables compare them.")
    panels = [*corrected[:_DRAWN], *panels]
    tables = [
        found
        for name, runs in groups.items()
        for found in (_table(name, runs), methods_table(name, runs))
        if found is not None
    ]
    marks = legend(
        [*BUDGET_LEGEND, ("base", "before the correction"), ("line diagonal", "perfectly reliable")]
    )
    lead = (
        "Corrections are fitted on a part of validation that nothing else has seen. A conformal set or "
        "interval promises how often the truth lies in it; markets change, so what was kept is "
        "measured, quarter by quarter."
    )
    return Section("coverage", heading, lead, notes, marks if corrected else None, panels, tables)


def _panel(name: str, run: Run) -> Panel:
    row, found = run
    conformal = found["conformal"]
    model = model_words(row.get("model"), row.get("budget"))
    kept, promised = percent(conformal.get("coverage")), percent(conformal.get("level"))
    title = f"{name}: {model} covers {kept}, promised {promised}"
    size = (
        f"mean set size {number(conformal.get('mean_size'), 2)}, single answers on "
        f"{percent(conformal.get('singletons'))} of days"
        if conformal.get("kind") == "set"
        else f"mean width {number(conformal.get('mean_width'))}"
    )
    reading = (
        f"Coverage on test {of(conformal, 'coverage', 3)}; {size}. Marks: share covered in each quarter."
    )
    kind = kind_of(row.get("budget"))
    periods = [p for p in conformal["by_period"] if finite(p.get("coverage")) is not None]
    shares = [float(p["coverage"]) for p in periods]
    low, high = padded([*shares, float(conformal["level"])], 0.15)
    chart = Chart((-0.6, len(periods) - 0.4), (max(0.0, low), min(1.02, high)), height=230)
    step = max(1, -(-len(periods) // 6))
    labels = [(float(i), str(p["period"])) for i, p in enumerate(periods) if i % step == 0]
    chart.axes("quarter of the test set", "share covered", labels)
    chart.level(float(conformal["level"]), f"promised: {percent(conformal['level'])}")
    chart.line(list(enumerate(shares)), f"series thin {kind}", "Share covered")
    for i, p in enumerate(periods):
        chart.mark(i, float(p["coverage"]), kind, f"{p['period']}: {percent(p['coverage'])} of {p.get('n')}")
    behind = of_lines(chart, "Quarter", lambda x: str(periods[int(x)]["period"]), percent)
    return panel(title, reading, chart, behind)


def _table(name: str, runs: Sequence[Run]) -> Table:
    after = ("ECE after", "Log loss after", "Covered", "Single answers")
    columns = [
        *texts("Run"),
        *numbers("ECE on test", "ECE by chance alone"),
        *texts("Correction"),
        *numbers(*after),
    ]
    rows = []
    for row, found in runs:
        conformal, calibration = found.get("conformal") or {}, found.get("calibration") or {}
        methods = {m.get("method"): m for m in calibration.get("methods") or []}
        chosen = methods.get(calibration.get("chosen")) or {}
        rows.append(
            [
                seed_words(row),
                of(row, "test_ece", 3),
                number(row.get("test_ece_by_chance"), 3),
                str(calibration.get("chosen") or DASH),
                number(chosen.get("test_ece"), 3),
                number(chosen.get("test_log_loss")),
                percent(conformal.get("coverage")),
                percent(conformal.get("singletons")),
            ]
        )
    title = f"{name}: expected calibration error, the correction chosen on held-out stretches, coverage."
    caption = title
    if is_ternary(str(runs[0][0].get("task"))):
        caption += " Error and correction are of one probability; forecasts of three classes have none."
    return table(caption, columns, rows, title)

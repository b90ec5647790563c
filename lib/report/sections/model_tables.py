"""Sections of comparison: all models of a problem against the best on validation, and the controls.

Shows the intervals, tests and outcomes that the evaluation has computed; claims that a failed control forbids
are left out.
"""

from __future__ import annotations

from lib.config.base import primary_metric
from lib.report.compared import all_tainted, barred_words, blocked
from lib.report.inputs import ReportInputs
from lib.report.page import Cells, Column, Section, Table, TableCell, numbers, table, texts
from lib.report.svg import BUDGET_LEGEND, Strip, kind_of, legend, padded
from lib.report.wording import (
    DASH,
    Names,
    finite,
    interval,
    listed,
    models_words,
    number,
    of,
    p_value,
    plural,
    prose,
    triple,
    triple_holm,
)
from lib.scaling.axes import Row
from lib.scaling.words import metric_words, model_words, of_all, sentence

_KINDS = {
    "null_control": "Nothing to find (shifted labels)",
    "leak_control": "Tomorrow's return as a channel",
    "law_control": "Known law",
}
_FOLD_BEYOND = 6
_SENTENCES = 8
"""Sentences about problems beside the verdicts; the section holds the others."""


def baseline_sentences(inputs: ReportInputs, names: Names) -> list[str]:
    """One sentence per problem: which model was best on validation, and whether others differ from it."""
    tables = _compared(inputs)
    sentences = [_sentence(compared, inputs, names) for compared in tables[:_SENTENCES]]
    if len(tables) > _SENTENCES:
        sentences.append(
            f"{plural(len(tables) - _SENTENCES, 'more problem')}: see “Against simple baselines”."
        )
    return sentences


def _compared(inputs: ReportInputs) -> list[Row]:
    """Of each problem its models, as the evaluation compares them."""
    return [compared for compared in inputs.scaling.get("baselines") or [] if compared.get("rows")]


def _sentence(compared: Row, inputs: ReportInputs, names: Names) -> str:
    start = f"{names.problem(compared)}: {_reference(compared)} was best on validation"
    if all_tainted(inputs):
        return f"{start}; a control of the whole study failed, so no difference on test is read as a finding."
    if blocked(inputs, compared.get("reference")):
        return f"{start}; a control of it failed, so nothing is concluded about it."
    others = [row for row in compared["rows"] if finite(row.get("difference")) is not None]
    silent = [row for row in others if blocked(inputs, row.get("model"))]
    judged = [row for row in others if row not in silent]
    worse = [row for row in judged if _clear(row) > 0]
    better = [row for row in judged if _clear(row) < 0]
    unclear = [row for row in judged if row not in worse and row not in better]
    parts = []
    if worse and len(worse) == len(others) > 1:
        parts.append(f"all {len(others)} others are clearly worse on test")
    elif worse:
        parts.append(f"{models_words(worse)} {'is' if len(worse) == 1 else 'are'} clearly worse on test")
    if better:
        parts.append(f"{models_words(better)} {'is' if len(better) == 1 else 'are'} clearly better on test")
    if unclear:
        parts.append(f"{models_words(unclear)} cannot be distinguished from it")
    if silent:
        parts.append(f"nothing is concluded about {models_words(silent)}, whose controls failed")
    finding = "; ".join(parts) if parts else "there is nothing to compare it with"
    return f"{start}; {finding}."


def _clear(row: Row) -> int:
    """1 if a model is clearly worse than the reference, -1 if clearly better, else 0: whether its interval
    excludes 0 when all comparisons of the table are counted (Holm)."""
    _, low, high = triple_holm(row, "difference")
    if low is None or high is None:
        return 0
    return 1 if low > 0 else -1 if high < 0 else 0


def _reference(compared: Row) -> str:
    """Name of the model that was best on validation."""
    return model_words(compared.get("reference"), compared.get("reference_budget"))


def baselines_section(inputs: ReportInputs, names: Names) -> Section:
    """All models of a problem on the same test samples, with intervals and tests."""
    tables = _compared(inputs)
    if not tables:
        return Section("baselines", "Against simple baselines", "No models to compare in this study.")
    lead = (
        "Each model against the one that was best on validation, on the same test dates. "
        "A difference whose interval includes 0 is no difference that this test set can show. Intervals "
        "and p-values of differences count the noise of dates and of seeds, and are adjusted by Holm for all "
        "comparisons of their table."
    )
    notes = [f"Controls failed, {barred}." for barred in [barred_words(inputs)] if barred]
    marks = legend([*BUDGET_LEGEND, ("base", "baseline")])
    drawn = []
    for position, compared in enumerate(tables):
        drawn += [_table(compared, names, position >= _FOLD_BEYOND), _tests(compared, names)]
    return Section("baselines", "Against simple baselines", lead, notes, marks, tables=drawn)


def _ordered(compared: Row) -> tuple[str, list[Row]]:
    metric = str(compared.get("metric") or primary_metric(str(compared.get("task"))))
    return metric, sorted(
        compared["rows"], key=lambda r: (finite(r.get(metric)) is None, finite(r.get(metric)) or 0.0)
    )


def _table(compared: Row, names: Names, fold: bool) -> Table:
    metric, rows = _ordered(compared)
    differences = Strip.around_zero(v for row in rows for v in triple_holm(row, "difference"))
    head = f"{metric_words(metric).capitalize()}: better ← 0 → worse"
    columns = [
        *texts("Model"),
        Column(head, axis=differences.axis(differences.ticks(True))),
        *numbers("Difference [Holm]", "p (Holm)"),
        *texts("Could be best"),
    ]
    aucs = None
    if known := [v for row in rows for v in triple(row, "auc") if v is not None]:
        aucs = Strip(*padded([*known, 0.5], 0.05), (0.5,))
        columns += [Column("AUC, chance at 0.5", axis=aucs.axis(aucs.ticks())), *numbers("AUC")]
    seeds = sorted({int(row.get("seeds") or 0) for row in rows})
    caption = (
        f"{names.problem(compared)}. Reference: {_reference(compared)}. Seeds: {listed(map(str, seeds))}."
    )
    body = [_row(row, differences, aucs) for row in rows]
    text = f"{caption} {prose(compared.get('text'))}".strip()
    return table(text, columns, body, caption if fold else None)


def _row(row: Row, differences: Strip, aucs: Strip | None) -> list[str]:
    kind = kind_of(row.get("budget"))
    gap, low, high = triple_holm(row, "difference")
    cells = [
        model_words(row.get("model"), row.get("budget")),
        differences.draw(gap or 0.0, low, high, kind),
        "reference" if gap is None else interval(gap, low, high),
        p_value(row.get("difference_p_holm")),
        _could_be_best(row),
    ]
    if aucs:
        cells += [aucs.draw(*triple(row, "auc"), kind), of(row, "auc", 3)]
    return cells


def _could_be_best(row: Row) -> str:
    return {True: "yes", False: "no"}.get(row.get("in_confidence_set"), DASH)  # type: ignore[arg-type]


def _tests(compared: Row, names: Names) -> Table:
    """Every test of a comparison, for checking."""
    metric, rows = _ordered(compared)
    loss = metric_words(metric)
    heads = (
        loss.capitalize(), "Over the base rate [Holm]", "p (Holm)", "DM statistic", "DM p", "DeLong p",
        "Detectable", "Brier", "ECE", f"Calibrated {loss}",
    )  # fmt: skip
    body = [
        [
            model_words(row.get("model"), row.get("budget")),
            of(row, metric),
            _over_base_rate(row),
            p_value(row.get("over_base_rate_p_holm")),
            number(row.get("dm_statistic"), 2),
            p_value(row.get("dm_p")),
            p_value(row.get("delong_p")),
            number(row.get("detectable_difference")),
            number(row.get("brier")),
            number(row.get("ece"), 3),
            number(row.get("calibrated_log_loss")),
        ]
        for row in rows
    ]
    kept = [i for i in range(len(heads) + 1) if i == 0 or any(cells[i] != DASH for cells in body)]
    columns = [*texts("Model"), *numbers(*heads)]
    fold = f"{names.problem(compared)}: all tests"
    caption = (
        "Over the base rate: paired difference on the same dates, below 0 is better. DM: Diebold–Mariano "
        "against the reference, the noise of seeds ignored; DeLong only where labels do not overlap. "
        "Detectable: the smallest difference from the reference that this test set could have shown."
    )
    return table(caption, [columns[i] for i in kept], [[cells[i] for i in kept] for cells in body], fold)


def _over_base_rate(row: Row) -> str:
    if row.get("is_base_rate"):
        return "is the base rate"
    return interval(*triple_holm(row, "over_base_rate"))


def controls_section(inputs: ReportInputs, names: Names) -> Section:
    """Controls: a known signal found, an absent one not found, a leak noticed, a known law recognised."""
    controls = inputs.controls
    if not controls:
        lead = "No controls in this study: nothing shows that it finds a signal, or finds none where none is."
        return Section("controls", "Controls", lead)
    failed = [control for control in controls if not control.get("passed")]
    lead = f"{sentence(of_all(len(controls), len(controls), 'control'))} came out as expected."
    if failed:
        lead = f"{sentence(of_all(len(failed), len(controls), 'control'))} failed, {barred_words(inputs)}."
    keys = ("auc", "low", "high", "planted_auc", "required_auc")
    values = [v for control in controls for key in keys if (v := finite(control.get(key))) is not None]
    strip = Strip(*padded([*values, 0.5], 0.06), (0.5,))
    columns = [
        *texts("Control", "Outcome"),
        Column("Test AUC, chance at 0.5", axis=strip.axis(strip.ticks())),
        *numbers("AUC [interval]"),
        Column("Why", wide=True),
    ]
    planted = any(finite(control.get("planted_auc")) is not None for control in controls)
    caption = (
        "Intervals here are wider than those of the other tables: all of shifted labels hold together at "
        "99.9 % (by Bonferroni), each of the others by itself at 99.9 %."
    )
    if planted:
        caption += " Dashed lines: the AUC required, and the best that the planted signal allows."
    rows = [_control_row(control, names, strip) for control in controls]
    return Section("controls", "Controls", lead, tables=[table(caption, columns, rows)])


def _control_row(control: Row, names: Names, strip: Strip) -> Cells:
    what = _KINDS.get(str(control.get("role")), "Planted signal")
    auc, low, high = (finite(control.get(key)) for key in ("auc", "low", "high"))
    lines = [v for k in ("planted_auc", "required_auc") if (v := finite(control.get(k))) is not None]
    passed = bool(control.get("passed"))
    where = names.problem({**control, "condition": "base"})
    budget = control.get("budget")
    return [
        f"{what} · {where} · {model_words(control.get('model'), None if budget == '*' else budget)}",
        TableCell("✓ passed" if passed else "✗ failed", tone="pass" if passed else "fail"),
        strip.draw(auc, low, high, kind_of(budget), lines),
        interval(auc, low, high, 3),
        prose(control.get("reason")),
    ]

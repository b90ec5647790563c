"""Section of the ablations: which variant was best on the selection parts, and which was chosen.

Shows the table that the evaluation has ranked; None where no such runs exist.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lib.report.inputs import ReportInputs
from lib.report.page import Cells, Column, Section, Table, TableCell, numbers, table, texts
from lib.report.svg import Strip
from lib.report.wording import Names, count, duration, interval, number, plural, prose, triple
from lib.scaling.ablation import PROBLEM
from lib.scaling.axes import Row
from lib.scaling.words import model_words

FOLD = re.compile(r"wf\d+")
"""Columns of folds: the mean loss of one."""


def ablations_section(inputs: ReportInputs, names: Names) -> Section | None:
    """One table per ablation, problem and size; least selection loss first."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in inputs.ablation.to_dicts():
        key = tuple(str(row.get(word)) for word in ("experiment", "model", *PROBLEM))
        groups.setdefault(key, []).append(row)
    heading, notes = "Ablations", [prose(text) for text in inputs.ablation_problems]
    if not groups and not notes:
        return None
    if not groups:
        return Section("ablations", heading, "The runs of the ablations could not be ranked.", notes)
    chosen = [_words(row) for rows in groups.values() for row in rows if row.get("chosen")]
    listed = ", ".join(dict.fromkeys(chosen))
    lead = (
        f"Chosen: {listed}. What counts is the loss on the selection parts, all dates together, with the "
        "intercept re-fitted; of the variants within one standard error of the best, the first declared "
        "(the cheapest) wins. No test part is read."
    )
    tables = [_table(rows, names) for rows in groups.values()]
    return Section("ablations", heading, lead, notes, tables=tables)


def _words(row: Row) -> str:
    """A variant: its recipe, the values of its settings, or both."""
    recipe = "" if row.get("recipe") == "base" and row.get("settings") else str(row.get("recipe"))
    return " ".join(filter(None, [recipe, str(row.get("settings") or "").replace(".", ", ")]))


def _table(rows: Sequence[Row], names: Names) -> Table:
    strip = Strip.around_zero(v for row in rows for v in triple(row, "difference"))
    folds = sorted(name for name in rows[0] if FOLD.fullmatch(name))
    columns = [
        *texts("Variant", "Chosen"),
        Column("Selection loss: better ← 0 → worse", axis=strip.axis(strip.ticks(True))),
        *numbers("Difference from the best [90 %]", "Log loss", "AUC", *folds, "Seeds", "Training"),
    ]
    body: list[Cells] = []
    for row in rows:
        gap, low, high = triple(row, "difference")
        best = low is None and gap == 0.0
        body.append(
            [
                _words(row),
                TableCell("✓ chosen", tone="pass") if row.get("chosen") else "",
                strip.draw(gap, low, high, "ink"),
                "best" if best else interval(gap, low, high),
                number(row["log_loss"]),
                number(row["auc"], 3),
                *(number(row[fold], 3) for fold in folds),
                count(row.get("seeds")),
                duration(row.get("training_seconds")),
            ]
        )
    size = model_words("size", rows[0].get("budget"))
    caption = (
        f"{names.problem(rows[0])}, {size}: {plural(len(rows), 'variant')}, paired by date over "
        f"{count(rows[0]['dates'])} dates of {plural(int(rows[0]['folds']), 'fold')}."
    )
    return table(caption, columns, body)

"""Section of the ablation of normalisation and readout: which was best on validation, and which was chosen.

Shows the table that the evaluation has ranked; None where no such runs exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lib.reporting.inputs import ReportInputs
from lib.reporting.page import Cell, Column, Section, Table
from lib.reporting.svg import Strip
from lib.reporting.words import (
    PROBLEM,
    Names,
    count,
    duration,
    finite,
    interval,
    model_words,
    number,
    plural,
    prose,
    triple,
)

FOLD = re.compile(r"wf\d+")
"""Columns of folds: the mean loss of one."""


def readouts_section(inputs: ReportInputs, names: Names) -> Section | None:
    """One table per problem of the ablation, least validation loss first."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in inputs.ablation.to_dicts() if inputs.ablation.height else []:
        groups.setdefault(tuple(str(row.get(word)) for word in (*PROBLEM, "budget")), []).append(row)
    heading, notes = "Normalisation and readout", [prose(text) for text in inputs.ablation_problems]
    if not groups and not notes:
        return None
    if not groups:
        return Section("readouts", heading, "The runs that vary these could not be ranked.", notes)
    chosen = [_words(row) for rows in groups.values() for row in rows if row.get("chosen")]
    told = ", ".join(dict.fromkeys(chosen))
    lead = (
        f"Chosen on validation: {told}. What counts is the loss on the selection parts of the folds, all "
        "dates together; the cheapest combination within one standard error of the best wins. "
        "No test part is read."
    )
    tables = [_table(rows, names) for rows in groups.values()]
    return Section("readouts", heading, lead, notes, tables=tables)


def _words(row: Mapping[str, Any]) -> str:
    return f"{row.get('normalisation')} with {row.get('pooling')}"


def _table(rows: Sequence[Mapping[str, Any]], names: Names) -> Table:
    far = max([1e-9, *(abs(v) for row in rows for v in triple(row, "difference") if v is not None)]) * 1.05
    strip = Strip(-far, far, (0.0,))
    folds = sorted(name for name in rows[0] if FOLD.fullmatch(name))
    columns = [
        Column("Normalisation and readout"),
        Column("Chosen"),
        Column("Validation loss: better ← 0 → worse", axis=strip.axis(strip.ticks(True))),
        *(Column(head, numeric=True) for head in (
            "Difference from the best [90 %]", "Log loss", "AUC", *folds, "Seeds", "Training")),
    ]  # fmt: skip
    body = []
    for row in rows:
        gap, low, high = triple(row, "difference")
        best = low is None and gap == 0.0
        body.append(
            [
                Cell(_words(row)),
                Cell("✓ chosen" if row.get("chosen") else "", tone="pass" if row.get("chosen") else ""),
                Cell("", drawing=strip.draw(gap, low, high, "ink")),
                Cell("best" if best else interval(gap, low, high), sort=gap),
                Cell(number(row["log_loss"]), sort=finite(row["log_loss"])),
                Cell(number(row["auc"], 3)),
                *(Cell(number(row[fold], 3)) for fold in folds),
                Cell(count(row.get("seeds"))),
                Cell(duration(row.get("training_seconds"))),
            ]
        )
    size = model_words("size", rows[0].get("budget"))
    caption = (
        f"{names.problem(rows[0])}, {size}: {plural(len(rows), 'combination')}, paired by date over "
        f"{count(rows[0]['dates'])} dates of {plural(int(rows[0]['folds']), 'fold')}."
    )
    return Table(caption, columns, body)

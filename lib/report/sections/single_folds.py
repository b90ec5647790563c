"""The walk-forward folds one by one: does what holds over all of them hold in single years?

Shows what `lib.scaling.walk_forward` has measured; draws no verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.report.inputs import ReportInputs
from lib.report.page import Column, Section, Table, TableCell
from lib.report.wording import Names, count, finite, interval, model_words

Entry = Mapping[str, Any]


def folds_section(inputs: ReportInputs, names: Names) -> Section | None:
    """Per prediction problem in how many folds a model is better, and each fold; None without folds."""
    entries = [entry for entry in inputs.scaling.get("walk_forward") or [] if entry.get("folds")]
    if not entries:
        return None
    lead = (
        "Each fold is trained on the years before it and tested on its own; the test parts together are the "
        "long test set on which the questions above are decided. Folds share training years, so they are not "
        "independent, and no fold decides anything by itself."
    )
    tables = [
        table
        for entry in entries
        for table in ([_better(entry, names)] if entry.get("better") else []) + [_single(entry, names)]
    ]
    return Section("folds", "Fold by fold", lead, tables=tables)


def _words(line: Entry) -> str:
    first = model_words(line["model"], line["budget"])
    return f"{first} against {model_words(line['against_model'], line['against_budget'])}"


def _better(entry: Entry, names: Names) -> Table:
    columns = [Column("Comparison"), Column("Lower loss in folds", numeric=True)]
    body = [
        [
            TableCell(_words(line)),
            TableCell(f"{count(line['better_folds'])} of {count(line['folds'])}", sort=line["better_folds"]),
        ]
        for line in entry["better"]
    ]
    return Table(f"{names.problem(entry['problem'])}: {entry['question']}", columns, body)


def _single(entry: Entry, names: Names) -> Table:
    columns = [Column("Fold"), Column("Tested on"), Column("Comparison or model")]
    columns += [Column("Loss, or difference in it", numeric=True), Column("Seeds", numeric=True)]
    body = []
    for fold in entry["folds"]:
        start = [
            TableCell(str(fold["fold"]), sort=fold["fold"]),
            TableCell(f"{fold['first']} to {fold['last']}"),
        ]
        body += [
            [*start, TableCell(_words(line)), _estimate(line["difference"]), TableCell("–")]
            for line in fold.get("differences") or []
        ]
        body += [
            [
                *start,
                TableCell(model_words(line["model"], line["budget"])),
                _estimate(line["loss"]),
                TableCell(count(line["seeds"])),
            ]
            for line in fold.get("models") or []
        ]
    problem = names.problem(entry["problem"])
    shown, declared = len(entry["folds"]), entry.get("declared_folds")
    return Table(
        f"{problem}, fold by fold", columns, body, f"{problem}: {shown} of {declared} folds one by one"
    )


def _estimate(found: Entry) -> TableCell:
    value = found.get("estimate")
    return TableCell(interval(value, found.get("low"), found.get("high")), sort=finite(value))

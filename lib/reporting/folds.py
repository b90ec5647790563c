"""Walk-forward folds: does what holds on the test period hold in other years? One by one, and pooled by date.

Shows what `lib.evaluation.walk_forward` has measured; computes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lib.reporting.inputs import ReportInputs
from lib.reporting.page import Cell, Column, Section, Table
from lib.reporting.svg import Strip, kind_of, padded
from lib.reporting.words import (
    Names,
    count,
    finite,
    interval,
    metric_words,
    model_words,
    number,
    plural,
    triple_holm,
)

Entry = Mapping[str, Any]
_ENDS = (("", "estimate"), ("_low_holm", "low_holm"), ("_high_holm", "high_holm"))


def folds_section(inputs: ReportInputs, names: Names) -> Section | None:
    """Per prediction problem the pooled comparisons, and those of each fold; None without folds."""
    entries = [entry for entry in inputs.scaling.get("walk_forward") or [] if entry.get("folds")]
    if not entries:
        return None
    pooled = [line for entry in entries for line in entry.get("pooled") or []]
    lead = (
        "Each fold is trained on the years before it and tested on its own; the test parts together are one "
        f"long test set. {_summary(pooled)} Folds share training years, so they are not independent."
    )
    tables = [
        table
        for entry in entries
        for table in ([_pooled(entry, names)] if entry.get("pooled") else []) + [_single(entry, names)]
    ]
    return Section("folds", "Fold by fold", lead, tables=tables)


def _summary(pooled: Sequence[Entry]) -> str:
    if not pooled:
        return "Nothing here is compared over all of them: neither several sizes nor opponents."
    better = sum((finite(line["difference"].get("high_holm")) or 0.0) < 0 for line in pooled)
    worse = sum((finite(line["difference"].get("low_holm")) or 0.0) > 0 for line in pooled)
    return (
        f"Of {plural(len(pooled), 'pooled comparison')}, {better} are clearly better and {worse} clearly "
        "worse (paired by date, adjusted by Holm)."
    )


def _words(line: Entry) -> str:
    first = model_words(line["model"], line["budget"])
    return f"{first} against {model_words(line['against_model'], line['against_budget'])}"


def _triple(difference: Entry) -> tuple[float | None, float | None, float | None]:
    return triple_holm({f"x{end}": difference.get(key) for end, key in _ENDS}, "x")


def _pooled(entry: Entry, names: Names) -> Table:
    lines = entry.get("pooled") or []
    found = [_triple(line["difference"]) for line in lines]
    strip = Strip(*padded([*(v for three in found for v in three if v is not None), 0.0], 0.06), (0.0,))
    loss = metric_words(entry["metric"])
    columns = [
        Column("All folds together"),
        Column(f"Difference in {loss}: better ← 0", axis=strip.axis(strip.ticks(True))),
        *(Column(h, numeric=True) for h in ("Difference", "Better in folds", "Test days", "Detectable")),
    ]
    body = []
    for line, (value, low, high) in zip(lines, found, strict=True):
        body.append(
            [
                Cell(_words(line)),
                Cell("", drawing=strip.draw(value, low, high, kind_of(line["budget"]))),
                Cell(interval(value, low, high), sort=value),
                Cell(f"{count(line.get('better_folds'))} of {count(line.get('folds'))}"),
                Cell(count(line.get("dates"))),
                Cell(number(line.get("detectable"))),
            ]
        )
    return Table(f"{names.problem(entry['cell'])}: {entry['question']}", columns, body)


def _single(entry: Entry, names: Names) -> Table:
    columns = [Column("Fold"), Column("Tested on"), Column("Comparison or model")]
    columns += [Column("Loss, or difference in it", numeric=True), Column("Seeds", numeric=True)]
    body = []
    for fold in entry["folds"]:
        start = [Cell(str(fold["fold"]), sort=fold["fold"]), Cell(f"{fold['first']} to {fold['last']}")]
        body += [
            [*start, Cell(_words(line)), _estimate(line["difference"]), Cell("–")]
            for line in fold.get("differences") or []
        ]
        body += [
            [
                *start,
                Cell(model_words(line["model"], line["budget"])),
                _estimate(line["loss"]),
                Cell(count(line["seeds"])),
            ]
            for line in fold.get("models") or []
        ]
    problem = names.problem(entry["cell"])
    shown, declared = len(entry["folds"]), entry.get("declared_folds")
    return Table(
        f"{problem}, fold by fold", columns, body, f"{problem}: {shown} of {declared} folds one by one"
    )


def _estimate(found: Entry) -> Cell:
    value = found.get("estimate")
    return Cell(interval(value, found.get("low"), found.get("high")), sort=finite(value))

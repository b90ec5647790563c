"""What was asked and is not answered by a verdict, with the reason; and the results of walk-forward folds.

A question needs runs that differ along an axis and in nothing else. Those without one are listed, never
dropped. Takes all numbers from the tables of models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lib.evaluation.collect import fraction_of
from lib.reporting.compared import experiments_of
from lib.reporting.inputs import ReportInputs
from lib.reporting.page import Cell, Column, Section, Table
from lib.reporting.svg import Strip, kind_of, padded
from lib.reporting.words import (
    NO_BUDGET,
    Names,
    count,
    finite,
    interval,
    listed,
    metric_words,
    model_words,
    of,
    plural,
    triple_holm,
)

_FOLD = re.compile(r"(?:^|-)wf(\d+)$")
_FOLD_OF_NAME = re.compile(r"-wf\d+$")
Row = Mapping[str, Any]


def unanswered(inputs: ReportInputs) -> list[str]:
    """One sentence per question of the study that has no verdict: its words, its experiments, the reason."""
    answered = {name for q in inputs.scaling.get("questions") or [] for name in experiments_of(q)}
    runs: dict[tuple[str, str], list[Row]] = {}
    names: dict[tuple[str, str], list[str]] = {}
    for row in inputs.runs.to_dicts():
        name = str(row.get("experiment"))
        if row.get("role") in (None, "question") and name not in answered:
            key = (_FOLD_OF_NAME.sub("", name), str(row.get("question") or name))
            runs.setdefault(key, []).append(row)
            if name not in names.setdefault(key, []):
                names[key].append(name)
    return [f"{key[1]} ({_named(names[key])}): {_reason(rows)}" for key, rows in runs.items()]


def _named(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _reason(rows: Sequence[Row]) -> str:
    done = sum(row.get("status") == "done" for row in rows)
    state = "" if done == len(rows) else f" {done} of {plural(len(rows), 'run')} finished."
    if all(row.get("budget") in (None, NO_BUDGET) for row in rows):
        return f"its models have no size to grow; they stand in the comparison of models.{state}"
    if any(_FOLD.search(str(row.get("variant"))) for row in rows):
        return f"each fold holds one size, so nothing grows; its results stand fold by fold below.{state}"
    if any(fraction_of(str(row.get("variant"))) < 1.0 for row in rows):
        return f"there are no runs on another share of the training dates to compare with.{state}"
    sizes = sorted({str(r["budget"]) for r in rows if r.get("budget") not in (None, NO_BUDGET)})
    models = {str(r.get("model")) for r in rows}
    what = (
        f"its {len(models)} models stand in the comparison of models"
        if len(models) > 1
        else "its runs stand in the comparison of models"
    )
    return (
        f"no two of its runs differ in size, channels, kinds of data, assets, dates or window alone (only "
        f"{listed(sizes)}); {what}.{state}"
    )


def folds_section(inputs: ReportInputs, names: Names) -> Section | None:
    """Walk-forward: each fold's test years on their own, against its base rate; None without folds."""
    groups: dict[str, list[tuple[int, Row, Row]]] = {}
    for table in inputs.scaling.get("baselines") or []:
        found = _FOLD.search(str(table.get("variant")))
        if found is None:
            continue
        base = _FOLD.sub("", str(table["variant"])) or "base"
        for line in table.get("rows") or []:
            model = model_words(line.get("model"), line.get("budget"))
            name = f"{names.problem({**table, 'variant': base})} · {model}"
            groups.setdefault(name, []).append((int(found[1]), table, line))
    if not groups:
        return None
    spans = _spans(inputs)
    every = [line for rows in groups.values() for _, _, line in rows]
    beats = sum(line.get("beats_base_rate") is True for line in every)
    worse = sum(line.get("beats_base_rate") is False for line in every)
    lead = (
        "Each fold is trained on the years before it and tested on its own. Of "
        f"{plural(len(every), 'result')} of a model in a fold, {beats} are clearly better than the base rate "
        f"and {worse} clearly worse. Intervals are each fold's own, adjusted for its models (Holm); folds "
        "share training years, so they are not independent."
    )
    tables = [_folds(name, sorted(rows, key=lambda r: r[0]), spans) for name, rows in groups.items()]
    return Section("folds", "Fold by fold", lead, tables=tables)


def _spans(inputs: ReportInputs) -> dict[str, str]:
    """Variant to the first and last day of its test set."""
    spans: dict[str, str] = {}
    for row in inputs.runs.to_dicts():
        if row.get("test_first") and row.get("test_last"):
            spans.setdefault(str(row.get("variant")), f"{row['test_first']} to {row['test_last']}")
    return spans


def _folds(name: str, rows: Sequence[tuple[int, Row, Row]], spans: Mapping[str, str]) -> Table:
    metric = str(rows[0][1].get("metric") or "log_loss")
    loss = metric_words(metric)
    ends = [v for _, _, line in rows for v in triple_holm(line, "over_base_rate") if v is not None]
    strip = Strip(*padded([*ends, 0.0], 0.06), (0.0,))
    columns = [
        Column("Fold"),
        Column("Tested on"),
        Column(f"{loss.capitalize()} over the base rate: better ← 0", axis=strip.axis(strip.ticks(True))),
        *(Column(h, numeric=True) for h in ("Difference", loss.capitalize(), "AUC", "Seeds")),
    ]  # fmt: skip
    body = []
    for fold, table, line in rows:
        value, low, high = triple_holm(line, "over_base_rate")
        body.append(
            [
                Cell(str(fold), sort=fold),
                Cell(spans.get(str(table.get("variant")), "–")),
                Cell("", drawing=strip.draw(value, low, high, kind_of(line.get("budget")))),
                Cell(interval(value, low, high), sort=value),
                Cell(of(line, metric), sort=finite(line.get(metric))),
                Cell(of(line, "auc", 3), sort=finite(line.get("auc"))),
                Cell(count(line.get("seeds"))),
            ]
        )
    return Table(name, columns, body)

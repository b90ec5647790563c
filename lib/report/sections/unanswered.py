"""Hypotheses without a verdict, with the reason.

A question needs runs that differ along an axis and in nothing else. Those without one are listed, never
dropped, and so is what waits for something that the study has yet to make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lib.report.compared import experiments_of
from lib.report.inputs import ReportInputs
from lib.report.wording import (
    NO_BUDGET,
    listed,
    plural,
)

Row = Mapping[str, Any]


def unanswered(inputs: ReportInputs) -> list[str]:
    """One sentence per question without a verdict: its text, its experiments, the reason."""
    answered = {name for q in inputs.scaling.get("questions") or [] for name in experiments_of(q)}
    runs: dict[tuple[str, str], list[Row]] = {}
    names: dict[tuple[str, str], list[str]] = {}
    for row in inputs.runs.to_dicts():
        name = str(row.get("experiment"))
        if row.get("role") in (None, "question") and name not in answered:
            key = (name, str(row.get("question") or name))
            runs.setdefault(key, []).append(row)
            if name not in names.setdefault(key, []):
                names[key].append(name)
    waiting = inputs.scaling.get("waiting") or {}
    return [f"{key[1]} ({_named(names[key])}): {_reason(rows)}" for key, rows in runs.items()] + [
        f"{name}: not in these results, it waits for {what}." for name, what in waiting.items()
    ]


def _named(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _reason(rows: Sequence[Row]) -> str:
    done = sum(row.get("status") == "done" for row in rows)
    state = "" if done == len(rows) else f" {done} of {plural(len(rows), 'run')} finished."
    if all(row.get("budget") in (None, NO_BUDGET) for row in rows):
        return f"its models have no size to grow; they stand in the comparison of models.{state}"
    if any(row.get("fold") is not None for row in rows):
        return f"its results stand fold by fold, and compared over all folds, below.{state}"
    if any((row.get("train_fraction") or 1.0) < 1.0 for row in rows):
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

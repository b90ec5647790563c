"""Hypotheses without a verdict, with the reason.

A question needs runs that differ along an axis and in nothing else. Those without one are listed, never
dropped, and so is what waits for something that the study has yet to make.
"""

from __future__ import annotations

from collections.abc import Sequence

from lib.report.compared import experiments_of
from lib.report.inputs import ReportInputs, asks, has_size
from lib.report.wording import listed, plural
from lib.scaling.axes import Row


def unanswered(inputs: ReportInputs) -> list[str]:
    """One sentence per question without a verdict: its text, its experiments, the reason."""
    answered = {name for question in inputs.questions for name in experiments_of(question)}
    runs: dict[tuple[str, str], list[Row]] = {}
    for row in filter(asks, inputs.rows):
        if (name := str(row.get("experiment"))) not in answered:
            runs.setdefault((name, str(row.get("question") or name)), []).append(row)
    waiting = inputs.scaling.get("waiting") or {}
    return [f"{question} ({name}): {_reason(rows)}" for (name, question), rows in runs.items()] + [
        f"{name}: not in these results, it waits for {what}." for name, what in waiting.items()
    ]


def _reason(rows: Sequence[Row]) -> str:
    done = sum(row.get("status") == "done" for row in rows)
    state = "" if done == len(rows) else f" {done} of {plural(len(rows), 'run')} finished."
    if not any(map(has_size, rows)):
        return f"its models have no size to grow; they stand in the comparison of models.{state}"
    if any(row.get("fold") is not None for row in rows):
        return f"its results stand fold by fold, and compared over all folds, below.{state}"
    if any((row.get("train_fraction") or 1.0) < 1.0 for row in rows):
        return f"there are no runs on another share of the training dates to compare with.{state}"
    sizes = sorted({str(row["budget"]) for row in rows if has_size(row)})
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

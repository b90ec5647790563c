"""The tables of docs/results.md, made from the schemas and from what `meanings` says of each column."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from lib.results.meanings import (
    CURVE,
    DAILY_COLUMNS,
    HISTORY_COLUMNS,
    IMPORTANCE_COLUMNS,
    METRICS_COLUMNS,
    PREDICTION_COLUMNS,
    QUESTION,
    RUNS,
    SUMMARY,
    Described,
)
from lib.scaling.run_columns import PARTS
from lib.study.documents.marks import rewritten

_BEGIN, _END = "<!-- {}: written by make docs -->", "<!-- end of {} -->"
_TYPES = {pl.String: "text", pl.Int64: "integer", pl.Float64: "number", pl.Boolean: "flag", pl.Date: "date"}


def with_tables(text: str) -> str:
    """A page with the tables between its marks written again.

    Raises:
        ValueError: the page has no marks for one of them.
    """
    for place, table in results_tables().items():
        text = rewritten(text, _BEGIN.format(place), _END.format(place), table)
    return text


def results_tables() -> dict[str, str]:
    """Markdown by the name of its place in the page."""
    return {
        "runs": _runs_markdown(),
        "metrics": _table(METRICS_COLUMNS),
        "predictions": _table(PREDICTION_COLUMNS),
        "history": _table(HISTORY_COLUMNS),
        "importance": _table(IMPORTANCE_COLUMNS),
        "daily": _table(DAILY_COLUMNS),
        "summary": _entries(SUMMARY),
        "question": _entries(QUESTION),
        "curve": _entries(CURVE),
    }


def _runs_markdown() -> str:
    """All groups of columns; the measures, which every part has, once, as those of test."""
    others = [f"Measures: {part}" for part in PARTS[:-1]]
    return "\n\n".join(f"### {group.title}\n\n{_table(group)}" for group in RUNS if group.title not in others)


def _table(group: Described) -> str:
    ends = bool(group.intervals)
    lines = ["| column | type | unit | meaning |", "|---|---|---|---|"]
    for name, (unit, meaning) in group.meanings.items():
        column = group.before + name
        dtype = _TYPES[group.schema[column]]
        also = f"; `{column}_low`, `{column}_high`" if ends and name in group.intervals else ""
        lines.append(f"| `{column}`{also} | {dtype} | {unit} | {meaning} |")
    return "\n".join(lines)


def _entries(meanings: Mapping[str, str]) -> str:
    rows = [f"| `{name}` | {meaning} |" for name, meaning in meanings.items()]
    return "\n".join(["| entry | meaning |", "|---|---|", *rows])

"""The table of all declared runs, finished or not, and its copy as CSV.

Shows what the runs recorded; orders and filters nothing (the page does).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lib.data.io import spreadsheet_safe
from lib.report.inputs import ReportInputs
from lib.report.page import Column, Table, TableCell
from lib.report.wording import (
    count,
    duration,
    finite,
    memory,
    model_words,
    number,
    of,
    parameters,
    percent,
    plural,
)

FULL_CSV_BYTES = 1_500_000
"""Beyond, only the principal columns are embedded, or the page would be too heavy."""
_PRINCIPAL = (
    "experiment", "variant", "dataset", "timescale", "task", "horizon", "model", "budget", "seed", "status",
    "param_count", "test_auc", "test_auc_low", "test_auc_high", "test_log_loss", "test_log_loss_low",
    "test_log_loss_high", "test_mse", "test_r2", "selection_log_loss", "selection_mse",
    "train_seconds", "path",
)  # fmt: skip


def runs_table(inputs: ReportInputs) -> Table:
    """One row per declared run; columns without any value are left out."""
    rows = inputs.runs.to_dicts()
    varying = _varying(rows)
    body = [_row(row, varying, inputs) for row in rows]
    keep = [i for i in range(len(_COLUMNS)) if i < _ALWAYS or any(r[i].text not in ("–", "") for r in body)]
    columns = [_COLUMNS[i] for i in keep]
    return Table("All declared runs.", columns, [[row[i] for i in keep] for row in body])


_COLUMNS = [
    Column("Run"), Column("Status"),
    *(Column(head, numeric=True) for head in (
        "Parameters", "Test AUC", "Test log loss", "Base-rate log loss", "Test squared error", "Test R²",
        "Base rate", "Probability range")),
    Column("Alarms on test"),
    *(Column(head, numeric=True) for head in (
        "Best step", "Learning rate", "Time", "Samples/s", "Peak memory")),
    Column("Device"), Column("Experiment"), Column("Dataset"), Column("Timescale"),
    Column("Seed", numeric=True), Column("Path"),
]  # fmt: skip
_ALWAYS = 2


def run_name(row: Mapping[str, Any], varying: Collection[str]) -> str:
    """What distinguishes a run from its neighbours; parts of the key that all runs share are left out."""
    words = [str(row[word]) for word in ("variant", "dataset", "timescale") if word in varying]
    if words[:1] == ["base"]:
        words.pop(0)
    words += [f"{row.get('task')} h{row.get('horizon')}", model_words(row.get("model"), row.get("budget"))]
    if "seed" in varying:
        words.append(f"seed {row.get('seed')}")
    return " · ".join(words)


def _varying(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    words = ("variant", "dataset", "timescale", "seed")
    return {word for word in words if len({row.get(word) for row in rows}) > 1}


def _row(row: Mapping[str, Any], varying: Collection[str], inputs: ReportInputs) -> list[TableCell]:
    status = str(row.get("status") or "missing")
    alarms = (inputs.metrics.get(str(row.get("path"))) or {}).get("warnings") or []
    tests = [str(a).removeprefix("test: ") for a in alarms if str(a).startswith("test:")]
    low, high = finite(row.get("test_prediction_min")), finite(row.get("test_prediction_max"))
    spread = None if low is None or high is None else high - low
    steps = f"{count(row.get('best_step'))} of {count(row.get('steps'))}" if row.get("steps") else "–"
    rate = finite(row.get("learning_rate"))
    return [
        TableCell(run_name(row, varying)),
        TableCell("done" if status == "done" else f"✗ {status}", tone="" if status == "done" else "fail"),
        TableCell(parameters(row.get("param_count")), sort=finite(row.get("param_count"))),
        TableCell(of(row, "test_auc", 3), sort=finite(row.get("test_auc"))),
        TableCell(of(row, "test_log_loss"), sort=finite(row.get("test_log_loss"))),
        TableCell(number(row.get("test_base_rate_log_loss"))),
        TableCell(of(row, "test_mse", 6), sort=finite(row.get("test_mse"))),
        TableCell(number(row.get("test_r2"))),
        TableCell(percent(row.get("test_base_rate")), sort=finite(row.get("test_base_rate"))),
        TableCell("–" if spread is None else f"{number(low, 3)} to {number(high, 3)}", sort=spread),
        TableCell("; ".join(_short(a) for a in tests) or "–"),
        TableCell(steps, sort=finite(row.get("best_step"))),
        TableCell("–" if rate is None else f"{rate:.1e}", sort=rate),
        TableCell(duration(row.get("total_seconds")), sort=finite(row.get("total_seconds"))),
        TableCell(count(row.get("samples_per_second")), sort=finite(row.get("samples_per_second"))),
        TableCell(memory(row.get("peak_memory_mb")), sort=finite(row.get("peak_memory_mb"))),
        TableCell(" ".join(str(row[k]) for k in ("device", "precision") if row.get(k)) or "–"),
        *(TableCell(str(row.get(word) or "–")) for word in ("experiment", "dataset", "timescale")),
        TableCell(str(row.get("seed"))),
        TableCell(str(row.get("path") or "–"), code=True),
    ]


def _short(alarm: str) -> str:
    for word in ("collapsed", "one class only", "recall is 0", "not finite"):
        if word in alarm:
            return word
    return alarm.rstrip(".")


def missing_runs(inputs: ReportInputs) -> list[str]:
    """Every unfinished run, by its whole key."""
    words = {"variant", "dataset", "timescale", "seed"}
    undone = [row for row in inputs.runs.to_dicts() if row.get("status") != "done"]
    return [f"{run_name(row, words)} ({row.get('status') or 'missing'})" for row in undone]


def summary_line(inputs: ReportInputs) -> str:
    """Number of declared and of finished runs."""
    if not inputs.runs.height:
        return "No runs in this study."
    done = sum(row.get("status") == "done" for row in inputs.runs.to_dicts())
    rest = inputs.runs.height - done
    return f"{plural(inputs.runs.height, 'declared run')}: {done} done, {rest} missing or failed."


def runs_csv(inputs: ReportInputs) -> tuple[str, str]:
    """The table as CSV, and a note on its content."""
    if not inputs.runs.height:
        return "", ""
    text = spreadsheet_safe(inputs.runs).write_csv()
    if len(text) <= FULL_CSV_BYTES:
        return text, "all columns"
    columns = [name for name in _PRINCIPAL if name in inputs.runs.columns]
    return spreadsheet_safe(
        inputs.runs.select(columns)
    ).write_csv(), "principal columns; the full table is beside this report"

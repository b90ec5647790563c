"""The table of all declared runs, finished or not, and its copy as CSV.

Shows what the runs recorded; orders and filters nothing (the page does).
"""

from __future__ import annotations

from collections.abc import Collection

from lib.data.io import spreadsheet_safe
from lib.report.inputs import ReportInputs
from lib.report.page import Cells, Table, TableCell, numbers, table, texts
from lib.report.wording import DASH, count, duration, finite, memory, number, of, parameters, percent, plural
from lib.scaling.axes import Row
from lib.scaling.words import model_words

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
    varying = {word for word in _VARYING if len({row.get(word) for row in inputs.rows}) > 1}
    whole = table("All declared runs.", _COLUMNS, [_row(row, varying, inputs) for row in inputs.rows])
    keep = [
        i
        for i in range(len(whole.columns))
        if i < _ALWAYS or any(row[i].text not in (DASH, "") for row in whole.rows)
    ]
    columns = [whole.columns[i] for i in keep]
    return Table(whole.caption, columns, [[row[i] for i in keep] for row in whole.rows])


_VARYING = ("variant", "dataset", "timescale", "seed")
"""Parts of a run's key that its name leaves out where all runs share them."""
_COLUMNS = [
    *texts("Run", "Status"),
    *numbers("Parameters", "Test AUC", "Test log loss", "Base-rate log loss", "Test squared error", "Test R²",
             "Base rate", "Probability range"),
    *texts("Alarms on test"),
    *numbers("Best step", "Learning rate", "Time", "Samples/s", "Peak memory"),
    *texts("Device", "Experiment", "Dataset", "Timescale"), *numbers("Seed"), *texts("Path"),
]  # fmt: skip
_ALWAYS = 2


def _run_name(row: Row, varying: Collection[str]) -> str:
    """What distinguishes a run from its neighbours; parts of the key that all runs share are left out."""
    words = [str(row[word]) for word in ("variant", "dataset", "timescale") if word in varying]
    if words[:1] == ["base"]:
        words.pop(0)
    words += [f"{row.get('task')} h{row.get('horizon')}", model_words(row.get("model"), row.get("budget"))]
    if "seed" in varying:
        words.append(f"seed {row.get('seed')}")
    return " · ".join(words)


def _row(row: Row, varying: Collection[str], inputs: ReportInputs) -> Cells:
    status = str(row.get("status") or "missing")
    alarms = inputs.measured(row).get("warnings") or []
    tests = [str(a).removeprefix("test: ") for a in alarms if str(a).startswith("test:")]
    low, high = finite(row.get("test_prediction_min")), finite(row.get("test_prediction_max"))
    spread = None if low is None or high is None else high - low
    steps = f"{count(row.get('best_step'))} of {count(row.get('steps'))}" if row.get("steps") else DASH
    rate = finite(row.get("learning_rate"))

    def by(name: str, text: str) -> TableCell:
        """A text that is ordered by a number of the run."""
        return TableCell(text, sort=finite(row.get(name)))

    return [
        _run_name(row, varying),
        "done" if status == "done" else TableCell(f"✗ {status}", tone="fail"),
        by("param_count", parameters(row.get("param_count"))),
        by("test_auc", of(row, "test_auc", 3)),
        by("test_log_loss", of(row, "test_log_loss")),
        number(row.get("test_base_rate_log_loss")),
        by("test_mse", of(row, "test_mse", 6)),
        number(row.get("test_r2")),
        by("test_base_rate", percent(row.get("test_base_rate"))),
        TableCell(DASH if spread is None else f"{number(low, 3)} to {number(high, 3)}", sort=spread),
        "; ".join(_short(alarm) for alarm in tests) or DASH,
        by("best_step", steps),
        by("learning_rate", DASH if rate is None else f"{rate:.1e}"),
        by("total_seconds", duration(row.get("total_seconds"))),
        by("samples_per_second", count(row.get("samples_per_second"))),
        by("peak_memory_mb", memory(row.get("peak_memory_mb"))),
        " ".join(str(row[k]) for k in ("device", "precision") if row.get(k)) or DASH,
        *(str(row.get(word) or DASH) for word in ("experiment", "dataset", "timescale")),
        str(row.get("seed")),
        TableCell(str(row.get("path") or DASH), code=True),
    ]


def _short(alarm: str) -> str:
    for word in ("collapsed", "one class only", "recall is 0", "not finite"):
        if word in alarm:
            return word
    return alarm.rstrip(".")


def missing_runs(inputs: ReportInputs) -> list[str]:
    """Every unfinished run, by its whole key."""
    undone = [row for row in inputs.rows if row.get("status") != "done"]
    return [f"{_run_name(row, _VARYING)} ({row.get('status') or 'missing'})" for row in undone]


def summary_line(inputs: ReportInputs) -> str:
    """Number of declared and of finished runs."""
    if not inputs.runs.height:
        return "No runs in this study."
    done, declared = len(inputs.done), plural(inputs.runs.height, "declared run")
    return f"{declared}: {done} done, {inputs.runs.height - done} missing or failed."


def runs_csv(inputs: ReportInputs) -> tuple[str, str]:
    """The table as CSV, and a note on its content."""
    if not inputs.runs.height:
        return "", ""
    text = spreadsheet_safe(inputs.runs).write_csv()
    if len(text) <= FULL_CSV_BYTES:
        return text, "all columns"
    columns = [name for name in _PRINCIPAL if name in inputs.runs.columns]
    principal = spreadsheet_safe(inputs.runs.select(columns)).write_csv()
    return principal, "principal columns; the full table is beside this report"

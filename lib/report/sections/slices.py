"""Section of the parts: the loss of every model by year, by volatility and by symbol.

Means over seeds of what the evaluation has measured on each part, without intervals, as the section states.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lib.config.base import primary_metric
from lib.report.inputs import ReportInputs
from lib.report.measured import Run, by_problem
from lib.report.page import Section, Table, numbers, table, texts
from lib.report.wording import DASH, Names, budget_order, count, finite, number, plural
from lib.scaling.words import metric_words, model_words

_PROBLEMS = 12
"""Problems whose parts are shown; beyond, a sentence says how many more there are."""
Measures = Mapping[str, Any]
Parts = Mapping[str, Measures]
"""Name of a part (a year, a regime, a symbol) to its measures."""


def parts_section(inputs: ReportInputs, names: Names) -> Section | None:
    """Folded tables by year, regime and symbol; None where no run was measured in parts."""
    problems = by_problem(
        inputs, names, lambda found: found if any(parts(found) for parts in _KINDS.values()) else {}
    )
    if not problems:
        return None
    shown = list(problems.items())[:_PROBLEMS]
    tables = [found for name, runs in shown for kind in _KINDS if (found := _table(name, kind, runs))]
    notes = []
    if len(problems) > len(shown):
        more = plural(len(problems) - len(shown), "more problem")
        notes.append(f"{more} not shown; metrics.json of each run has its parts.")
    lead = (
        "The same test forecasts in parts: means over seeds, beside the base rate of the same part. A part "
        "holds few independent samples, so these figures have no intervals: read whether models keep their "
        "order from part to part, not by how much they differ in one."
    )
    return Section("parts", "Year by year, calm and storm", lead, notes, tables=tables)


def _years(found: Measures) -> dict[str, Measures]:
    return {str(part["year"]): part for part in found.get("by_year") or []}


def _regimes(found: Measures) -> dict[str, Measures]:
    return {_REGIME.get(str(p["regime"]), str(p["regime"])): p for p in found.get("by_regime") or []}


def _symbols(found: Measures) -> dict[str, Measures]:
    parts = {str(s): by_split.get("test") or {} for s, by_split in (found.get("by_symbol") or {}).items()}
    return {symbol: part for symbol, part in parts.items() if part.get("n")}


_REGIME = {"low": "calm", "middle": "middling", "high": "stormy"}
_KINDS: dict[str, Callable[[Measures], dict[str, Measures]]] = {
    "year": _years,
    "volatility": _regimes,
    "symbol": _symbols,
}
_TERCILES = " Calm and stormy: volatility below and above the terciles of the training years."


def _table(name: str, kind: str, runs: Sequence[Run]) -> Table | None:
    """One row per model and size, one column per part; None with fewer than two parts."""
    models: dict[tuple[str, str], list[Parts]] = {}
    for row, found in runs:
        key = (str(row.get("model")), str(row.get("budget")))
        models.setdefault(key, []).append(_KINDS[kind](found))
    labels = list(dict.fromkeys(label for own in models.values() for parts in own for label in parts))
    labels = sorted(labels) if kind == "year" else labels
    if len(labels) < 2:
        return None
    first = {label: next(p[label] for own in models.values() for p in own if label in p) for label in labels}
    metric = primary_metric(str(runs[0][0].get("task")))
    decimals = 4 if metric == "log_loss" else 6
    base = "base_rate_log_loss" if metric == "log_loss" else "zero_mse"
    rows = [
        [model_words(*key), *(_cell(own, label, metric, decimals) for label in labels)]
        for key, own in sorted(models.items(), key=lambda item: (budget_order(item[0][1]), item[0]))
    ]
    every = [parts for own in models.values() for parts in own]
    zero = ["no model: the base rate" if metric == "log_loss" else "no model: always 0"]
    zero += [number(_mean(every, label, base), decimals) for label in labels]
    heads = [f"{label} (n {count(first[label].get('n'))})" for label in labels]
    loss = metric_words(metric)
    auc = ", in brackets the AUC" if metric == "log_loss" else ""
    caption = f"Test {loss}{auc}; n counts samples." + (_TERCILES if kind == "volatility" else "")
    return table(caption, [*texts("Model"), *numbers(*heads)], [*rows, zero], f"{name}: {loss} by {kind}")


def _cell(own: Sequence[Parts], label: str, metric: str, decimals: int) -> str:
    loss, auc = _mean(own, label, metric), _mean(own, label, "auc")
    if loss is None:
        return DASH
    return number(loss, decimals) + ("" if auc is None else f" ({number(auc, 3)})")


def _mean(own: Sequence[Parts], label: str, name: str) -> float | None:
    known = [v for parts in own if (v := finite((parts.get(label) or {}).get(name))) is not None]
    return sum(known) / len(known) if known else None

"""Wording of numbers, intervals, tasks and runs, the same everywhere in the report.

Computes no measure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from lib.config.base import BUDGET_PARAMETERS, threshold_of
from lib.config.run_key import NO_BUDGET
from lib.scaling.axes import CASE

DASH = "–"
MINUS = "−"
PROBLEM = CASE
"""What names a prediction problem in tables; its walk-forward folds belong together."""
_BAR = {
    "daily": "daily", "weekly": "weekly", "monthly": "monthly", "2wk": "two-week", "multires": "daily",
    "2d": "two-day", "3d": "three-day", "5d": "five-day",
}  # fmt: skip
_MOST_DECIMALS = 8
Triple = tuple[float | None, float | None, float | None]
"""An estimate and the ends of its interval, as far as they are known."""
_TINY = 1e-6
_ROUNDING = 0.02


def finite(value: Any) -> float | None:
    """The value as a float, or None if it is absent, not a number or not finite."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def number(value: Any, decimals: int = 4) -> str:
    """Decimals with a true minus sign: as many as requested, or three digits where rounding would change the
    number by over 2 % (a squared error of 0.000512); below a millionth with an exponent; none is `–`."""
    x = finite(value)
    if x is None:
        return DASH
    if 0.0 < abs(x) < _TINY:
        return f"{x:.1e}".replace("-", MINUS)
    if abs(round(x, decimals) - x) > _ROUNDING * abs(x):
        decimals = 2 - math.floor(math.log10(abs(x)))
    return f"{x:.{decimals}f}".replace("-", MINUS)


def interval(value: Any, low: Any, high: Any, decimals: int = 4) -> str:
    """`0.512 [0.480, 0.544]`; the bracket only where both ends are known. All three have the same decimals,
    more than requested where the ends would look alike."""
    x, bottom, top = finite(value), finite(low), finite(high)
    if x is None:
        return DASH
    if bottom is None or top is None:
        return f"{number(x, decimals)} [no interval]"
    width = top - bottom
    if width > 0.0:
        decimals = max(decimals, min(_MOST_DECIMALS, 1 - math.floor(math.log10(width))))
    own, start, end = (f"{v:.{decimals}f}".replace("-", MINUS) for v in (x, bottom, top))
    return f"{own} [{start}, {end}]"


def of(row: Mapping[str, Any], name: str, decimals: int = 4) -> str:
    """A measure of a mapping with its interval, by the names `x, x_low, x_high`."""
    return interval(row.get(name), row.get(f"{name}_low"), row.get(f"{name}_high"), decimals)


def estimate(found: Mapping[str, Any] | None, decimals: int = 4) -> str:
    """An estimate with its interval, by the names `estimate, low, high`."""
    return interval(*triple_of(found), decimals)


def triple_of(found: Mapping[str, Any] | None, suffix: str = "") -> Triple:
    """An estimate and the ends of its interval; with the suffix `_holm` of that for all comparisons."""
    own = found or {}
    return finite(own.get("estimate")), finite(own.get(f"low{suffix}")), finite(own.get(f"high{suffix}"))


def triple(row: Mapping[str, Any], name: str) -> Triple:
    """A measure of a mapping and the ends of its interval, by the names `x, x_low, x_high`."""
    return finite(row.get(name)), finite(row.get(f"{name}_low")), finite(row.get(f"{name}_high"))


def triple_holm(row: Mapping[str, Any], name: str) -> Triple:
    """A measure of a mapping and its interval adjusted for all comparisons, `x, x_low_holm, x_high_holm`."""
    return finite(row.get(name)), finite(row.get(f"{name}_low_holm")), finite(row.get(f"{name}_high_holm"))


def percent(value: Any, decimals: int = 1) -> str:
    """A fraction in per cent."""
    x = finite(value)
    return DASH if x is None else f"{x * 100:.{decimals}f} %".replace("-", MINUS)


def p_value(value: Any) -> str:
    """A p-value to three decimals, `< 0.001` below."""
    x = finite(value)
    return DASH if x is None else "< 0.001" if x < 0.001 else f"{x:.3f}"


def count(value: Any) -> str:
    """An integer with narrow spaces between thousands."""
    x = finite(value)
    return DASH if x is None else f"{round(x):,}".replace(",", "\u202f")


def prose(text: Any) -> str:
    """A sentence from another stage, its negative numbers with a true minus sign."""
    return re.sub(r"(?:(?<![\w.\-])|(?<=\de))-(?=\d)", MINUS, "" if text is None else str(text))


def parameters(value: Any) -> str:
    """A parameter count as `2.02M`."""
    x = finite(value)
    if x is None:
        return DASH
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if x >= size:
            return f"{x / size:.3g}{unit}"
    return f"{x:.0f}"


def duration(seconds: Any) -> str:
    """Seconds as `42 s`, `3 min 20 s` or `5 h 10 min`."""
    x = finite(seconds)
    if x is None:
        return DASH
    if x < 10:
        return f"{x:.1f} s"
    if x < 60:
        return f"{x:.0f} s"
    minutes, rest = divmod(round(x), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def memory(megabytes: Any) -> str:
    """Megabytes as MB or GB."""
    x = finite(megabytes)
    if x is None:
        return DASH
    return f"{x:.0f} MB" if x < 1024 else f"{x / 1024:.1f} GB"


def first_lower(text: str) -> str:
    """A sentence as the continuation of another."""
    return f"{text[:1].lower()}{text[1:]}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """`1 run`, `2 runs`."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def listed(items: Iterable[str], last: str = "and") -> str:
    """`a, b and c`."""
    words = list(items)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""


def unit_of(metric: str) -> str:
    """Unit of a loss, for axes."""
    return "nats per forecast" if metric == "log_loss" else "squared return"


def task_words(task: str) -> str:
    """A task in words."""
    if task.startswith("threshold_"):
        return f"Touch of +{threshold_of(task) * 100:.0f} %"
    words = {"direction": "Direction", "regression": "Return", "triple_barrier": "First barrier touched"}
    return words.get(task, task)


def ahead(timescale: str, horizon: Any) -> str:
    """`5 daily bars ahead`."""
    return f"{horizon} {_BAR.get(timescale, timescale)} {'bar' if str(horizon) == '1' else 'bars'} ahead"


def problem_words(timescale: str, task: str, horizon: Any) -> str:
    """`Touch of +1 %, 5 daily bars ahead`; the horizon as a number or as in a path, `h5`."""
    return f"{task_words(task)}, {ahead(timescale, str(horizon).removeprefix('h'))}"


def dataset_words(dataset: Any) -> str:
    """`Aa20`; where a part of the name varies (`*a20`, `A*20`, `Aa*`), what is the same and what is not."""
    found = re.fullmatch(r"([A-Z]|\*)([a-z]|\*)(\d+|\*)", str(dataset))
    if found is None or "*" not in found.groups():
        return str(dataset)
    row, column, tier = found.groups()
    rows = "all rows" if row == "*" else f"row {row}"
    columns = "all columns" if column == "*" else f"column {column}"
    return f"{rows}, {columns}, {'all tiers' if tier == '*' else f'{tier} channels'}"


class Names:
    """Names problems by what distinguishes them in this study, and leaves out what all have in common."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        windows: dict[str, set[str]] = {}
        datasets = set()
        for row in rows:
            datasets.add(str(row.get("dataset")))
            windows.setdefault(str(row.get("timescale")), set()).add(str(row.get("context_length")))
        self._one_dataset = len(datasets) < 2
        self._windows = {timescale for timescale, lengths in windows.items() if len(lengths) > 1}

    def problem(self, row: Mapping[str, Any]) -> str:
        """A prediction problem, such as `Touch of +1 %, 5 daily bars ahead`."""
        parts = [problem_words(str(row.get("timescale")), str(row.get("task")), row.get("horizon"))]
        if not self._one_dataset:
            parts.append(dataset_words(row.get("dataset")))
        if row.get("timescale") == "multires":
            parts.append("multires")
        condition, share, bars = (row.get(w) for w in ("condition", "train_fraction", "context_length"))
        if condition not in ("base", None):
            parts.append(f"variant {condition}")
        if (known := finite(share)) is not None and known != 1.0:
            parts.append(f"{100 * known:g} % of the dates")
        if finite(bars) is not None and row.get("timescale") in self._windows:
            parts.append(f"windows of {bars} bars")
        if row.get("fold") is not None:
            parts.append(f"fold {row['fold']}")
        return ", ".join(parts)


def curve_name(curve: Mapping[str, Any], names: Names) -> str:
    """A curve by its problem and, where size does not vary along it, by its size."""
    budget = curve.get("budget")
    return names.problem(curve) + (f", {budget}" if budget not in (None, NO_BUDGET) else "")


def models_words(rows: Iterable[Mapping[str, Any]]) -> str:
    """Several models, the sizes of one model gathered: `patchtst (2M, 20M) and xgboost`."""
    budgets: dict[str, list[str]] = {}
    for row in rows:
        found = budgets.setdefault(str(row.get("model")), [])
        if row.get("budget") not in (None, NO_BUDGET, ""):
            found.append(str(row["budget"]))
    return listed(f"{model} ({', '.join(sizes)})" if sizes else model for model, sizes in budgets.items())


def budget_order(budget: Any) -> float:
    """Order of budgets by size, models without one first."""
    return float(BUDGET_PARAMETERS.get(budget, 0))

"""The alarm "too good to be true": forecasts that only somebody who knows the future could make.

It reads validation alone, so it needs no access to the test set, and both parts of it: by chance, or because
a choice was made on the first part, a measure may pass the threshold in one of them, but hardly in both. It
suspends nothing: it names runs that a person must check.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.config.base import is_classification
from lib.config.workflow import TooGoodConfig

_PARTS = ("validation", "calibration")


def threshold_of_alarm(task: str, cfg: TooGoodConfig) -> float:
    """The AUC (for regression the R²) of a task above which the alarm goes off."""
    if task.startswith("threshold_"):
        return cfg.threshold
    return float(getattr(cfg, task))


def too_good(
    splits: Mapping[str, Mapping[str, Any]], task: str, cfg: TooGoodConfig, minimum_class_count: int
) -> str | None:
    """The alarm of one run as a sentence, or None.

    Args:
        splits: measures of the primary symbol, by part.
        task: the run's task.
        cfg: thresholds.
        minimum_class_count: a part with fewer samples of a class is too small to raise an alarm.
    """
    word, name = ("AUC", "auc") if is_classification(task) else ("R²", "r2")
    limit, found = threshold_of_alarm(task, cfg), []
    for part in _PARTS:
        measures = splits.get(part) or {}
        value = measures.get(name)
        if value is None or _rarer(measures) < minimum_class_count:
            return None
        found.append(float(value))
    if min(found) <= limit:
        return None
    values = " and ".join(f"{value:.3f}" for value in found)
    return (
        f"too good to be true: {word} {values} on the two parts of validation, beyond {limit:g}. "
        "Look for channels that know the future."
    )


def _rarer(measures: Mapping[str, Any]) -> float:
    """Samples of the rarer of two classes (of class 1 and the rest); all samples for returns."""
    n, rate = float(measures["n"]), measures.get("base_rate")
    return n if rate is None else n * min(rate, 1.0 - rate)

"""Words that the verdicts and the report share. Computes no measure."""

from __future__ import annotations

from typing import Any

from lib.config.run_key import NO_BUDGET


def sentence(text: str) -> str:
    """A clause as the beginning of a sentence."""
    return f"{text[:1].upper()}{text[1:]}"


def of_all(k: int, n: int, one: str) -> str:
    """`none of 4 curves`, `3 of 4 curves`, `all 4 curves`; of two `neither curve`, `both curves`."""
    many = f"{n} {one}" if n == 1 else f"{n} {one}s"
    if n < 2 or 0 < k < n:
        return f"{k} of {many}"
    if n == 2:
        return f"both {one}s" if k else f"neither {one}"
    return f"all {many}" if k else f"none of {many}"


def metric_words(metric: str) -> str:
    """A measure's name in words."""
    known = {"log_loss": "log loss", "mse": "squared error", "auc": "AUC"}
    return known.get(metric, metric.replace("_", " "))


def model_words(model: Any, budget: Any) -> str:
    """A model with its budget, if it has one: `patchtst 2M`; `*` stands for all of them."""
    return str(model) if budget in (None, NO_BUDGET, "", "*") else f"{model} {budget}"

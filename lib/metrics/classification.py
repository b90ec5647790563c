"""Measures of binary predictions, used during training and evaluation.

Plain numpy, because importing scikit-learn costs seconds in every one of thousands of small jobs; tests hold
each measure equal to scikit-learn's. Knows nothing of dates, intervals or files.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Metric = float | int | bool | None

CLIP = 1e-7
"""The log loss clips probabilities this far from 0 and 1, so that one certain error is not infinite."""
THRESHOLD = 0.5
"""A probability of at least this predicts class 1."""
COLLAPSE_RANGE = 0.02
COLLAPSE_DEVIATION = 0.005


def log_loss_per_sample(target: npt.ArrayLike, probability: npt.ArrayLike) -> Floats:
    """Negative log-likelihood of each sample in nats, ``-[y log p + (1-y) log(1-p)]``.

    Args:
        target: (n,) zeros and ones.
        probability: (n,) probability of class 1; clipped to [1e-7, 1 - 1e-7].
    """
    y = np.asarray(target, dtype=np.float64)
    p = np.clip(np.asarray(probability, dtype=np.float64), CLIP, 1.0 - CLIP)
    return -(y * np.log(p) + (1.0 - y) * np.log1p(-p))


def roc_auc(target: npt.ArrayLike, score: npt.ArrayLike) -> float | None:
    """Probability that a random positive scores above a random negative, ties counting one half.

    The Mann–Whitney form by mid-ranks (Hanley & McNeil 1982). `target` holds zeros and ones, (n,), like
    `score`. None with one class only.

    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    y = np.asarray(target, dtype=np.float64) > 0.5
    positives = int(y.sum())
    negatives = y.size - positives
    if positives == 0 or negatives == 0:
        return None
    _, group, size = np.unique(np.asarray(score, dtype=np.float64), return_inverse=True, return_counts=True)
    mid_rank = np.cumsum(size) - (size - 1) / 2.0
    rank_sum = float(mid_rank[group][y].sum())
    return (rank_sum - positives * (positives + 1) / 2.0) / (positives * negatives)


def average_precision(target: npt.ArrayLike, score: npt.ArrayLike) -> float | None:
    """Area under the precision–recall curve as a step function, ``sum (R_k - R_{k-1}) P_k``.

    Equal scores form one step. None with one class only (without negatives it would be 1 for any model).
    """
    y = np.asarray(target, dtype=np.float64) > 0.5
    if not 0 < y.sum() < y.size:
        return None
    scores = np.asarray(score, dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    last_of_group = np.append(np.flatnonzero(np.diff(scores[order])), y.size - 1)
    hits = np.cumsum(y[order])[last_of_group]
    precision = hits / (last_of_group + 1.0)
    gained = np.diff(hits, prepend=0) / hits[-1]
    return float(gained @ precision)


def is_collapsed(probability: npt.ArrayLike) -> bool:
    """Whether predictions are nearly the same for every sample: range < 0.02 or standard deviation <
    0.005."""
    p = np.asarray(probability, dtype=np.float64)
    return bool(p.size and (np.ptp(p) < COLLAPSE_RANGE or p.std() < COLLAPSE_DEVIATION))


def classification_metrics(
    target: npt.ArrayLike, probability: npt.ArrayLike, reference_rate: float | None = None
) -> dict[str, Metric]:
    """All measures of one set of binary predictions.

    Args:
        target: (n,) zeros and ones.
        probability: (n,) probability of class 1.
        reference_rate: share of class 1 in training; its constant forecast gives `base_rate_log_loss`.

    Returns:
        `n, n_invalid, base_rate, auc, pr_auc, accuracy, majority_accuracy, precision, recall, f1, brier,
        log_loss, base_rate_log_loss, prediction_min, prediction_max, collapsed, zero_recall`.
        `majority_accuracy` is that of always predicting the more frequent class of this set. A measure is
        None where it is undefined: `auc` and `pr_auc` with one class, `precision` without a predicted
        positive, `recall` without a positive. If any target or prediction is not finite (`n_invalid` > 0),
        everything that depends on the predictions is None: measuring the rest would flatter a broken model.
    """
    y = np.asarray(target, dtype=np.float64)
    p = np.asarray(probability, dtype=np.float64)
    invalid = int((~(np.isfinite(p) & np.isfinite(y))).sum())
    out: dict[str, Metric] = {"n": int(y.size), "n_invalid": invalid, "base_rate": _mean(y)}
    usable = y.size > 0 and invalid == 0
    out["auc"] = roc_auc(y, p) if usable else None
    out["pr_auc"] = average_precision(y, p) if usable else None
    out |= _confusion(y > 0.5, p >= THRESHOLD) if usable else dict.fromkeys(_CONFUSION)
    out["majority_accuracy"] = float(max(np.mean(y > 0.5), np.mean(y <= 0.5))) if usable else None
    out["brier"] = float(np.mean((p - y) ** 2)) if usable else None
    out["log_loss"] = _mean(log_loss_per_sample(y, p)) if usable else None
    out["base_rate_log_loss"] = (
        None if reference_rate is None else _mean(log_loss_per_sample(y, np.full(y.size, reference_rate)))
    )
    out["prediction_min"] = float(p.min()) if usable else None
    out["prediction_max"] = float(p.max()) if usable else None
    out["collapsed"] = is_collapsed(p) if usable else None
    out["zero_recall"] = None if out["recall"] is None else out["recall"] == 0.0
    return out


_CONFUSION = ("accuracy", "precision", "recall", "f1")


def _confusion(actual: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]) -> dict[str, Metric]:
    hits = int((actual & predicted).sum())
    positives, claimed = int(actual.sum()), int(predicted.sum())
    return {
        "accuracy": float(np.mean(actual == predicted)),
        "precision": hits / claimed if claimed else None,
        "recall": hits / positives if positives else None,
        "f1": 2.0 * hits / (positives + claimed) if positives + claimed else None,
    }


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None

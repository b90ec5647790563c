"""Measures of forecasts in three classes (-1, 0, +1), used during training and evaluation.

Class labels rise with the columns of the probabilities. Plain numpy; knows nothing of dates or files.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lib.metrics.classification import CLIP, Floats, Metric, is_collapsed, roc_auc

CLASSES = (-1, 0, 1)


def log_loss_per_sample(target: npt.ArrayLike, probability: npt.ArrayLike) -> Floats:
    """Negative log-likelihood of each sample in nats, ``-log p(class that happened)``; shape (n,).

    Args:
        target: (n,) of -1, 0, 1.
        probability: (n, 3); clipped to [1e-7, 1 - 1e-7] as in the binary log loss.
    """
    p = np.clip(np.asarray(probability, dtype=np.float64), CLIP, 1.0 - CLIP)
    return -np.log(p[np.arange(len(p)), _columns(target)])


def brier_per_sample(target: npt.ArrayLike, probability: npt.ArrayLike) -> Floats:
    """Squared distance of the probabilities from what happened, summed over classes (Brier 1950): 0 to 2."""
    p = np.asarray(probability, dtype=np.float64)
    return np.asarray(((p - _one_hot(target)) ** 2).sum(axis=1))


def signed(probability: Floats) -> Floats:
    """Direction from three probabilities, p(+1) - p(-1); (n,) from (n, 3)."""
    difference: Floats = probability[:, 2] - probability[:, 0]
    return difference


def ternary_metrics(
    target: npt.ArrayLike, probability: npt.ArrayLike, reference_shares: npt.ArrayLike | None = None
) -> dict[str, Metric]:
    """All measures of one set of forecasts in three classes.

    Args:
        target: (n,) of -1, 0, 1.
        probability: (n, 3) of these classes.
        reference_shares: (3,) share of each class in training; their constant forecast gives
            `base_rate_log_loss`.

    Returns:
        As `classification_metrics`, with these meanings: `base_rate` is the share of class +1; `auc` the mean
        over classes of one class against the rest, `auc_signed` that of +1 against -1 by p(+1) - p(-1);
        `accuracy` of the most probable class; `precision, recall, f1` means over the classes that occur
        (`macro`), and each of them per class as `recall_down, recall_neutral, recall_up`, …; `prediction_min,
        prediction_max` and `collapsed` of p(+1) - p(-1); `zero_recall` if a class that occurs is never found;
        `share_down, share_neutral, share_up` the observed shares. A measure is None where it is undefined,
        and all are if a forecast is not finite.
    """
    y = np.asarray(target, dtype=np.float64)
    p = np.asarray(probability, dtype=np.float64).reshape(len(y), len(CLASSES))
    invalid = int((~(np.isfinite(p).all(axis=1) & np.isfinite(y))).sum())
    out: dict[str, Metric] = {"n": int(y.size), "n_invalid": invalid}
    out["base_rate"] = float((y == 1).mean()) if y.size else None
    usable = y.size > 0 and invalid == 0
    if not usable:
        return out | dict.fromkeys(_MEASURES)
    direction = signed(p)
    moved = y != 0
    out["auc"] = one_against_rest(y, p)
    out["auc_signed"] = roc_auc(y[moved] > 0, direction[moved])
    out |= _confusion(y, np.array(CLASSES)[p.argmax(axis=1)])
    out["brier"] = float(brier_per_sample(y, p).mean())
    out["log_loss"] = float(log_loss_per_sample(y, p).mean())
    out["base_rate_log_loss"] = None
    if reference_shares is not None:
        constant = np.tile(np.asarray(reference_shares, dtype=np.float64), (y.size, 1))
        out["base_rate_log_loss"] = float(log_loss_per_sample(y, constant).mean())
    out |= {"prediction_min": float(direction.min()), "prediction_max": float(direction.max())}
    out["collapsed"] = is_collapsed(direction)
    return out


def one_against_rest(target: Floats, probability: Floats) -> float | None:
    """Mean AUC of one class against the rest, over the classes that occur; None with one class only."""
    found = [roc_auc(target == label, probability[:, i]) for i, label in enumerate(CLASSES)]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def confusion_matrix(target: npt.ArrayLike, predicted: npt.ArrayLike, classes: tuple[int, ...]) -> Floats:
    """Counts by observed class (rows) and predicted class (columns); (classes, classes)."""
    y, forecast = np.asarray(target), np.asarray(predicted)
    return np.array([[float(((y == a) & (forecast == b)).sum()) for b in classes] for a in classes])


_NAMES = {-1: "down", 0: "neutral", 1: "up"}
_MEASURES = (
    *("auc", "auc_signed", "accuracy", "precision", "recall", "f1", "brier", "log_loss"),
    *("base_rate_log_loss", "prediction_min", "prediction_max", "collapsed", "zero_recall"),
    *(f"{kind}_{name}" for kind in ("share", "precision", "recall", "f1") for name in _NAMES.values()),
)


def _confusion(target: Floats, predicted: npt.NDArray[np.int64]) -> dict[str, Metric]:
    counts = confusion_matrix(target, predicted, CLASSES)
    out: dict[str, Metric] = {"accuracy": float(np.trace(counts) / counts.sum())}
    for i, label in enumerate(CLASSES):
        hits, actual, claimed = counts[i, i], counts[i].sum(), counts[:, i].sum()
        name = _NAMES[label]
        out[f"share_{name}"] = float(actual / counts.sum())
        out[f"precision_{name}"] = float(hits / claimed) if claimed else None
        out[f"recall_{name}"] = float(hits / actual) if actual else None
        out[f"f1_{name}"] = float(2 * hits / (actual + claimed)) if actual else None
    for kind in ("precision", "recall", "f1"):
        known = [out[f"{kind}_{name}"] for name in _NAMES.values()]
        defined = [float(value) for value in known if value is not None]
        out[kind] = float(np.mean(defined)) if defined else None
    recalls = [out[f"recall_{name}"] for name in _NAMES.values()]
    out["zero_recall"] = any(value == 0.0 for value in recalls)
    return out


def _columns(target: npt.ArrayLike) -> npt.NDArray[np.int64]:
    return np.searchsorted(CLASSES, np.asarray(target, dtype=np.float64)).astype(np.int64)


def _one_hot(target: npt.ArrayLike) -> Floats:
    return np.eye(len(CLASSES))[_columns(target)]

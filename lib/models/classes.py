"""Classes of a ternary task as libraries want them: numbered from 0, and only those that occur in training.

A class that training never saw gets probability 0 (neutral labels may be left out by declaration).
"""

from __future__ import annotations

import numpy as np

from lib.errors import ModelError


def seen(target: np.ndarray, classes: tuple[int, ...]) -> list[int]:
    """Columns of the classes that occur."""
    return [column for column, label in enumerate(classes) if (target == label).any()]


def columns_of(target: np.ndarray, present: list[int], classes: tuple[int, ...]) -> np.ndarray:
    """(n,) int64: the column of each sample's class.

    Raises:
        ModelError: a class that training never saw.
    """
    columns = np.searchsorted(classes, target)
    unseen = sorted({classes[column] for column in set(columns.tolist()) - set(present)})
    if unseen:
        raise ModelError(
            f"class {unseen[0]} occurs in validation and never in training; nothing can learn it."
        )
    return columns


def number(target: np.ndarray, present: list[int], classes: tuple[int, ...]) -> np.ndarray:
    """(n,) int64: the position of each sample's class among those that training saw.

    Raises:
        ModelError: a class that training never saw.
    """
    return np.searchsorted(present, columns_of(target, present, classes))


def spread(probability: np.ndarray, present: list[int], classes: tuple[int, ...]) -> np.ndarray:
    """(n, classes) probabilities out of (n, present) ones."""
    out = np.zeros((len(probability), len(classes)))
    out[:, present] = probability
    return out


def softmax(scores: np.ndarray) -> np.ndarray:
    """(n, k) probabilities from scores, each row shifted by its largest so that nothing overflows."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares

"""Penalised linear fits along a path of penalties, fast for thousands of correlated channels.

The second moments of the features are decomposed once. Ridge regression is then solved for every penalty at
no further cost, and logistic regression becomes easy for L-BFGS: in coordinates in which the Hessian is
nearly the identity it needs some twenty steps instead of hundreds. Each penalty begins where the one before
it ended. Knows nothing of samples or models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

_ROWS = 4096
_TOLERANCE = 1e-5
"""Largest entry of the gradient in the easy coordinates; the loss is then exact to about its square."""


@dataclass(frozen=True)
class Spectrum:
    """Centred features, and the eigenvalues and vectors of their second moments."""

    features: np.ndarray
    """(n, channels) float32, centred."""
    mean: np.ndarray
    """(channels,) float64, what was taken away."""
    values: np.ndarray
    """(channels,) of X'X / n."""
    vectors: np.ndarray
    """(channels, channels), one per column."""

    @classmethod
    def of(cls, features: np.ndarray) -> Spectrum:
        """Of features (n, channels) float32."""
        mean = features.mean(axis=0, dtype=np.float64)
        centred = features - mean.astype(np.float32)
        moments = np.zeros((features.shape[1], features.shape[1]))
        for begin in range(0, len(centred), _ROWS):  # in double precision without a copy of the whole
            rows = centred[begin : begin + _ROWS].astype(np.float64)
            moments += rows.T @ rows
        values, vectors = np.linalg.eigh(moments / len(features))
        return cls(centred, mean, np.maximum(values, 0.0), vectors)


def ridge_path(
    spectrum: Spectrum, target: np.ndarray, penalties: Sequence[float]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Coefficients (channels, k) and intercept (k,) of ridge regression for each penalty.

    Minimises ``|y - X b|² + penalty · |b|²`` for each of the k columns of `target` (n, k).
    """
    n, mean = len(target), target.mean(axis=0)
    moments = np.zeros((spectrum.mean.size, target.shape[1]))
    for begin in range(0, n, _ROWS):
        rows = slice(begin, begin + _ROWS)
        moments += spectrum.features[rows].astype(np.float64).T @ (target[rows] - mean)
    turned = spectrum.vectors.T @ moments
    for penalty in penalties:
        coefficients = spectrum.vectors @ (turned / (n * spectrum.values + penalty)[:, None])
        yield coefficients, mean - spectrum.mean @ coefficients


def logistic_path(
    spectrum: Spectrum, indicator: np.ndarray, inverse_penalties: Sequence[float], max_iterations: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Coefficients (channels, k) and intercept (k,) of logistic regression for each inverse penalty C.

    Minimises ``C · sum of log losses + |b|² / 2`` (scikit-learn's form; a test compares).
    The Hessian is bounded by the features' second moments times p(1 - p) (Böhning & Lindsay 1988), which is
    what the coordinates are scaled by.

    Args:
        spectrum: of the features.
        indicator: (n, k) of zeros and ones: for two classes k = 1 (class 1), for more one column per class.
        inverse_penalties: values of C; each begins where the one before ended.
        max_iterations: of L-BFGS, for each.
    """
    from scipy.optimize import minimize

    n, k = indicator.shape
    share = indicator.mean(axis=0)
    curvature = max(float((share * (1 - share)).mean()), 1e-6)
    coefficients = np.zeros((spectrum.mean.size, k))
    intercept = _start(share)
    for strength in inverse_penalties:
        penalty = 1.0 / (strength * n)
        scale = 1.0 / np.sqrt(curvature * spectrum.values + penalty)
        level = 1.0 / np.sqrt(curvature)

        def objective(
            packed: np.ndarray, penalty: float = penalty, scale: np.ndarray = scale, level: float = level
        ) -> tuple[float, np.ndarray]:
            easy, own = packed[k:].reshape(-1, k), packed[:k] * level
            turned = scale[:, None] * easy
            weights = (spectrum.vectors @ turned).astype(np.float32)
            loss, residual = _loss((spectrum.features @ weights).astype(np.float64) + own, indicator)
            gradient = (spectrum.features.T @ residual.astype(np.float32)).astype(np.float64) / n
            easy_gradient = scale[:, None] * (spectrum.vectors.T @ gradient + penalty * turned)
            total = loss / n + 0.5 * penalty * float((turned**2).sum())
            return total, np.concatenate([residual.sum(axis=0) / n * level, easy_gradient.ravel()])

        begin = (spectrum.vectors.T @ coefficients) / scale[:, None]
        found = minimize(
            objective,
            np.concatenate([intercept / level, begin.ravel()]),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": max_iterations, "gtol": _TOLERANCE, "ftol": 1e-10},
        )
        intercept = found.x[:k] * level
        coefficients = spectrum.vectors @ (scale[:, None] * found.x[k:].reshape(-1, k))
        yield coefficients, intercept - spectrum.mean @ coefficients


def _start(share: np.ndarray) -> np.ndarray:
    """The intercept without any feature."""
    share = np.clip(share, 1e-6, 1 - 1e-6)
    logits: np.ndarray = np.log(share / (1 - share)) if share.size == 1 else np.log(share)
    return logits


def _loss(scores: np.ndarray, indicator: np.ndarray) -> tuple[float, np.ndarray]:
    """Summed log loss of scores (n, k), and its derivative (n, k): probability minus indicator."""
    if scores.shape[1] == 1:
        loss = np.logaddexp(0.0, scores) - indicator * scores
        return float(loss.sum()), expit(scores) - indicator
    shifted = scores - scores.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    total = powers.sum(axis=1, keepdims=True)
    loss = np.log(total[:, 0]) - (indicator * shifted).sum(axis=1)
    return float(loss.sum()), powers / total - indicator

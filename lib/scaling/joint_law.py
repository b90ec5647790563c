"""The joint law of sizes and data, E + A·N^-alpha + B·D^-beta, for runs trained on subsets of the dates.

Fitted to all runs of a grid by robust least squares from several starts (Hoffmann et al. 2022), with
intervals from resampled dates and seeds. Judges nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.config.workflow import EvaluationConfig
from lib.inference.power_law import EXPONENTS, huber_width
from lib.metrics.classification import Floats
from lib.scaling.scale_points import ScalePoint, point_draws
from lib.scaling.scaling_law import EDGE, EDGE_SHARE, Interval, tails_of

DRAWS = 200
NAMES = ("E", "A", "alpha", "B", "beta")
_LEAST_POINTS = 3
_STARTS = (0.1, 0.4, 1.0)


@dataclass(frozen=True)
class JointLaw:
    """Parameters with intervals; `fitted` has one value per scale point."""

    identified: bool
    note: str
    parameters: dict[str, Interval]
    fitted: list[float]


def fit_joint_law(
    points: Sequence[ScalePoint], sizes: Floats, samples: Floats, horizon: int, cfg: EvaluationConfig,
    confidence: float | None = None,
) -> JointLaw | None:  # fmt: skip
    """Fit the law to a grid.

    Args:
        points: one per combination of size and share of dates, on the same test samples.
        sizes: (points,) N, parameters.
        samples: (points,) D, training samples.
        horizon: least block length in bars.
        cfg: seed and confidence.
        confidence: of the intervals, if not that of `cfg`.

    Returns:
        None with fewer than three sizes or three amounts of data, fewer than six scale points, or too few
        dates. A and B are in loss at the geometric means of N and D, where they can be compared.
    """
    if min(len(set(sizes)), len(set(samples))) < _LEAST_POINTS or len(points) < len(NAMES) + 1:
        return None
    drawn = point_draws(points, horizon, cfg, DRAWS)
    if drawn is None:
        return None
    point_of = np.repeat(np.arange(len(points)), [point.seeds for point in points])
    log_n, log_d = (np.log(v) - np.log(v).mean() for v in (sizes, samples))
    runs = np.concatenate([point.losses.means for point in points])
    width = huber_width(runs, point_of)
    centre = np.array([point.mean for point in points])

    def fit(losses: Floats, starts: Sequence[Floats]) -> Floats:
        return _least(log_n[point_of], log_d[point_of], losses, starts, width)

    spread = max(float(np.ptp(centre)), 1e-9)
    grid = [
        np.array([centre.mean(), spread / 2, alpha, spread / 2, beta])
        for alpha in _STARTS
        for beta in _STARTS
    ]
    best = fit(runs, grid)
    draws = np.array([fit(runs + (own - centre)[point_of], [best]) for own in drawn])
    low, high = np.quantile(draws, tails_of(confidence or cfg.confidence), axis=0)
    parameters = {
        name: Interval(float(best[i]), float(low[i]), float(high[i])) for i, name in enumerate(NAMES)
    }
    exponents = draws[:, [2, 4]]
    at_edge = np.mean((exponents < EXPONENTS[0] * EDGE) | (exponents > EXPONENTS[1] / EDGE), axis=0)
    falls = bool(low[1] > 0 and low[3] > 0)
    identified = bool(np.all(at_edge <= EDGE_SHARE) and falls and best[0] >= 0)
    note = (
        "Both exponents are identified."
        if identified
        else "Not identified: of resampled data an exponent runs to the edge of the search, an amplitude is "
        "not clearly above 0, or E lies below 0."
    )
    return JointLaw(identified, note, parameters, list(map(float, _law(best, log_n, log_d))))


def _law(theta: Floats, log_n: Floats, log_d: Floats) -> Floats:
    floor, a, alpha, b, beta = theta
    return np.asarray(floor + a * np.exp(-alpha * log_n) + b * np.exp(-beta * log_d), dtype=np.float64)


def _slopes(theta: Floats, log_n: Floats, log_d: Floats) -> Floats:
    """Derivatives of the law by its parameters; (runs, 5)."""
    _, a, alpha, b, beta = theta
    of_n, of_d = np.exp(-alpha * log_n), np.exp(-beta * log_d)
    return np.column_stack([np.ones_like(log_n), of_n, -a * log_n * of_n, of_d, -b * log_d * of_d])


def _least(log_n: Floats, log_d: Floats, losses: Floats, starts: Sequence[Floats], width: float) -> Floats:
    """The parameters of the best fit."""
    from scipy.optimize import least_squares

    low, high = EXPONENTS
    in_loss = max(width, 1e-6)
    found: list[Any] = []
    for start in starts:
        inside = start.copy()
        inside[[2, 4]] = np.clip(inside[[2, 4]], low * 1.01, high / 1.01)
        found.append(
            least_squares(
                lambda theta: (_law(theta, log_n, log_d) - losses) / width,
                inside,
                jac=lambda theta: _slopes(theta, log_n, log_d) / width,
                loss="huber",
                bounds=([-np.inf, -np.inf, low, -np.inf, low], [np.inf, np.inf, high, np.inf, high]),
                x_scale=[in_loss, in_loss, 0.1, in_loss, 0.1],
                max_nfev=200,
            )
        )
    return np.asarray(min(found, key=lambda result: float(result.cost)).x, dtype=np.float64)

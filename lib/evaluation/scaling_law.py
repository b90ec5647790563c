"""How loss depends on size in one cell: slope, gain, rival forms, the law with a floor, the saturation point.

Three sizes cannot identify ``E + A N^-alpha``; the slope of the loss on log10 N can be estimated, so that is
what is judged, and forms are compared only where there is freedom left to compare them. Verdicts are drawn
elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lib.config.workflow import EvaluationConfig
from lib.evaluation.comparisons import Estimate
from lib.evaluation.levels import Level, contrast, gain_weights, level_draws, slope_weights
from lib.evaluation.power_law import EXPONENTS, LawFits, fit_law, huber_width
from lib.metrics.classification import Floats

LAW_DRAWS = 600
CURVE_POINTS = 50
_LAW_SIZES = 4
"""Different sizes from which the law with a floor has a degree of freedom left."""
_EDGE = 1.05
_EDGE_SHARE = 0.025
_POWER_EXPONENTS = np.linspace(-1.0, 3.0, 801)


@dataclass(frozen=True)
class Form:
    """A rival form of the law; `aicc` is None where it cannot be compared, and `note` says why."""

    form: str
    aicc: float | None
    note: str
    parameters: dict[str, float]
    loso_rmse: float | None = None
    """Root mean squared error for sizes that were left out of the fit, one at a time."""
    curve: list[tuple[float, float]] | None = None


@dataclass(frozen=True)
class Interval:
    """An estimate with its percentile interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Law:
    """E + A N^-alpha with intervals over dates and seeds; `identified` says whether alpha means anything."""

    identified: bool
    note: str
    floor: Interval
    amplitude: Interval
    exponent: Interval
    curve: list[tuple[float, float, float, float]]


def slope(levels: Sequence[Level], horizon: int) -> Estimate | None:
    """Least-squares slope of the loss on log10 size: loss per tenfold size; negative is better.

    None unless there are two different sizes.
    """
    weights = slope_weights(levels)
    return None if weights is None else contrast(levels, weights, horizon)


def log_log_slope(levels: Sequence[Level], horizon: int) -> Estimate | None:
    """Least-squares slope of log loss on log size: minus the exponent of a pure power law A N^-alpha.

    The logarithm is taken to first order around each level's mean loss, so that the noise of dates and seeds
    carries over (delta method).
    """
    weights = slope_weights(levels)
    means = [level.mean for level in levels]
    if weights is None or min(means) <= 0.0:
        return None
    weights = weights / math.log(10.0)
    found = contrast(levels, weights / np.array(means), horizon)
    return replace(found, value=float(weights @ np.log(means)))


def gain(levels: Sequence[Level], horizon: int) -> Estimate | None:
    """Loss of the first level minus loss of the last; positive is better. None with one level."""
    weights = gain_weights(levels)
    return None if weights is None else contrast(levels, weights, horizon)


def steps(levels: Sequence[Level], horizon: int) -> list[tuple[str, str, Estimate]]:
    """Gain of each level over the one before it."""
    out = []
    for at in range(1, len(levels)):
        weights = np.zeros(len(levels))
        weights[at - 1], weights[at] = 1.0, -1.0
        out.append((levels[at - 1].label, levels[at].label, contrast(levels, weights, horizon)))
    return out


def straight_band(
    levels: Sequence[Level], draws: Floats | None, confidence: float
) -> list[tuple[float, float, float | None, float | None]]:
    """The straight line in log10 size through the levels, with its pointwise interval from draws."""
    weights = slope_weights(levels)
    if weights is None:
        return []
    sizes = np.array([float(level.size or 0.0) for level in levels])
    x, means = np.log10(sizes), np.array([level.mean for level in levels])
    grid = np.linspace(x.min(), x.max(), CURVE_POINTS)
    line = means.mean() + (grid - x.mean()) * float(weights @ means)
    if draws is None:
        return [(float(g), float(v), None, None) for g, v in zip(10**grid, line, strict=True)]
    lines = draws.mean(axis=1)[:, None] + (grid - x.mean())[None, :] * (draws @ weights)[:, None]
    low, high = np.quantile(lines, _tails(confidence), axis=0)
    rows = zip(10**grid, line, low, high, strict=True)
    return [(float(g), float(v), float(lower), float(upper)) for g, v, lower, upper in rows]


def fit_law_with_floor(
    levels: Sequence[Level], horizon: int, cfg: EvaluationConfig, confidence: float | None = None
) -> Law | None:
    """E + A N^-alpha over all runs, with intervals from seeds and blocks of dates.

    Args:
        levels: with sizes, on the same samples.
        horizon: least block length in bars.
        cfg: seed and confidence.
        confidence: of the intervals, if not that of `cfg`.

    Returns:
        None with fewer than four different sizes (no degree of freedom would be left) or too few dates.
        The exponent is identified if its interval keeps clear of both edges of the search and A is not 0.
    """
    if len({level.size for level in levels}) < _LAW_SIZES or any(level.size is None for level in levels):
        return None
    drawn = level_draws(levels, horizon, cfg, LAW_DRAWS)
    if drawn is None:
        return None
    level_of = np.repeat(np.arange(len(levels)), [level.seeds for level in levels])
    sizes = np.array([float(level.size or 0.0) for level in levels])
    runs = np.concatenate([level.losses.means for level in levels])
    width = huber_width(runs, level_of)
    centre = np.array([level.mean for level in levels])
    best = fit_law(sizes[level_of], runs, width)
    fits = fit_law(sizes[level_of], runs + (drawn - centre)[:, level_of], width)
    tails = _tails(confidence or cfg.confidence)
    at_edge = np.mean((fits.exponent < EXPONENTS[0] * _EDGE) | (fits.exponent > EXPONENTS[1] / _EDGE))
    amplitude = _interval(best.amplitude, fits.amplitude, tails)
    identified = bool(at_edge <= _EDGE_SHARE and amplitude.low * amplitude.high > 0)
    note = (
        "The exponent is identified."
        if identified
        else "The exponent is not identified: the fits of resampled data run to the edge of the search or "
        "their amplitude changes sign. Read the slope, not the exponent."
    )
    grid = np.geomspace(sizes.min(), sizes.max(), CURVE_POINTS)
    low, high = np.quantile(fits.at(grid), tails, axis=0)
    curve = [tuple(map(float, at)) for at in zip(grid, best.at(grid)[0], low, high, strict=True)]
    return Law(
        identified,
        note,
        _interval(best.floor, fits.floor, tails),
        amplitude,
        _interval(best.exponent, fits.exponent, tails),
        curve,  # type: ignore[arg-type]
    )


def _interval(best: Floats, draws: Floats, tails: tuple[float, float]) -> Interval:
    low, high = np.quantile(draws, tails)
    return Interval(float(best[0]), float(low), float(high))


def _tails(confidence: float) -> tuple[float, float]:
    return (1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0


@dataclass(frozen=True)
class Saturation:
    """The smallest level within the margin of the best one, and how often each level is that in the draws."""

    level: str
    size: float | None
    shares: dict[str, float]


def saturation(levels: Sequence[Level], draws: Floats | None, margin: float) -> Saturation | None:
    """From which level on nothing is gained that would matter; None if the test set cannot be resampled."""
    if draws is None or len(levels) < 2:
        return None
    means = np.array([level.mean for level in levels])
    first = int(np.argmax(means <= means.min() + margin))
    drawn = np.argmax(draws <= draws.min(axis=1, keepdims=True) + margin, axis=1)
    shares = np.bincount(drawn, minlength=len(levels)) / draws.shape[0]
    named = {level.label: float(share) for level, share in zip(levels, shares, strict=True)}
    return Saturation(levels[first].label, levels[first].size, named)


# --- Rival forms -------------------------------------------------------------------------------------------

Fit = Callable[[Floats, Floats], tuple[dict[str, float], Callable[[Floats], Floats]]]
"""From sizes and losses to parameters and the fitted curve."""


def rival_forms(levels: Sequence[Level]) -> list[Form]:
    """Flat, log-linear, power and saturating law, compared by AICc and by leaving one size out.

    AICc (Hurvich & Tsai 1989) is over the runs (one point per size and seed); a form with k parameters is
    compared only if there are more than k different sizes, else it passes through the sizes' means whatever
    the truth. Leaving one size out asks each form for the mean loss of a size it has not seen.
    """
    n = np.concatenate([np.full(level.seeds, float(level.size or 0.0)) for level in levels])
    loss = np.concatenate([level.losses.means for level in levels])
    return [_judge(name, fit, k, n, loss) for name, (fit, k) in FORMS.items()]


def _flat(n: Floats, loss: Floats) -> tuple[dict[str, float], Callable[[Floats], Floats]]:
    level = float(loss.mean())
    return {"E": level}, lambda sizes: np.full(sizes.shape, level)


def _log_linear(n: Floats, loss: Floats) -> tuple[dict[str, float], Callable[[Floats], Floats]]:
    x = np.log10(n)
    slope_, intercept = np.polyfit(x, loss, 1)
    return {"a": float(intercept), "slope": float(slope_)}, lambda sizes: intercept + slope_ * np.log10(sizes)


def _power(n: Floats, loss: Floats) -> tuple[dict[str, float], Callable[[Floats], Floats]]:
    """A N^-alpha without a floor, by least squares on the loss itself."""
    centre = float(np.exp(np.log(n).mean()))
    terms = (n[None, :] / centre) ** -_POWER_EXPONENTS[:, None]
    amplitudes = terms @ loss / np.sum(terms**2, axis=1)
    errors = np.sum((loss[None, :] - amplitudes[:, None] * terms) ** 2, axis=1)
    at = int(np.argmin(errors))
    alpha, amplitude = float(_POWER_EXPONENTS[at]), float(amplitudes[at])
    return {
        "A": amplitude * centre**alpha,
        "alpha": alpha,
    }, lambda sizes: amplitude * (sizes / centre) ** -alpha


def _saturating(n: Floats, loss: Floats) -> tuple[dict[str, float], Callable[[Floats], Floats]]:
    # Least squares like the other forms, or AICc would compare unlike things.
    fits: LawFits = fit_law(n, loss, math.inf)
    found = {"E": float(fits.floor[0]), "A": float(fits.amplitude[0]), "alpha": float(fits.exponent[0])}
    return found, lambda sizes: fits.at(sizes)[0]


FORMS: dict[str, tuple[Fit, int]] = {
    "flat": (_flat, 1),
    "log-linear": (_log_linear, 2),
    "power": (_power, 2),
    "saturating": (_saturating, 3),
}
"""Form to its fit and number of parameters."""


def _judge(name: str, fit: Fit, k: int, n: Floats, loss: Floats) -> Form:
    distinct = np.unique(n)
    if name == "saturating" and distinct.size <= k:
        note = (
            f"E + A N^-alpha has 3 parameters; {distinct.size} sizes leave no degrees of freedom to test it."
        )
        return Form(name, None, note, {})
    if distinct.size < k:
        return Form(name, None, f"{k} parameters need at least {k} sizes.", {})
    parameters, curve = fit(n, loss)
    grid = np.geomspace(distinct[0], distinct[-1], CURVE_POINTS)
    drawn = [(float(size), float(value)) for size, value in zip(grid, curve(grid), strict=True)]
    aicc, note = _aicc(k, n, loss, curve(n))
    alpha = parameters.get("alpha")
    if name == "saturating" and alpha is not None and not EXPONENTS[0] * _EDGE < alpha < EXPONENTS[1] / _EDGE:
        aicc, note = None, f"the exponent runs to the edge of the search ({alpha:.2g}): not identified."
    return Form(name, aicc, note, parameters, _leave_one_size_out(fit, k, n, loss), drawn)


def _aicc(k: int, n: Floats, loss: Floats, fitted: Floats) -> tuple[float | None, str]:
    distinct = int(np.unique(n).size)
    residual = float(np.sum((loss - fitted) ** 2))
    spare = loss.size - (k + 1) - 1
    if distinct <= k:
        return None, f"{k} parameters and {distinct} sizes leave no degrees of freedom."
    if spare <= 0:
        return None, f"{loss.size} runs are too few for AICc with {k} parameters."
    if residual <= 1e-24 * max(1.0, float(loss @ loss)):
        return None, "the runs lie exactly on this form; AICc is not defined."
    p = k + 1
    aicc = loss.size * math.log(residual / loss.size) + 2 * p + 2 * p * (p + 1) / spare
    return aicc, f"{loss.size} runs at {distinct} sizes; lower is better."


def _leave_one_size_out(fit: Fit, k: int, n: Floats, loss: Floats) -> float | None:
    """None if the sizes left over do not determine the form."""
    sizes = np.unique(n)
    if sizes.size - 1 < k or sizes.size < 3 or (k > 2 and sizes.size - 1 <= k):
        return None
    errors = []
    for size in sizes:
        kept = n != size
        _, curve = fit(n[kept], loss[kept])
        errors.append(float(curve(np.array([size]))[0]) - float(loss[~kept].mean()))
    return math.sqrt(float(np.mean(np.square(errors))))

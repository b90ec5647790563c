"""Rival forms of the dependence on size: flat, log-linear, power and saturating, compared by how they fit.

Forms are compared only where degrees of freedom are left. A description, not a test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lib.inference.power_law import EXPONENTS, LawFits, fit_law
from lib.metrics.classification import Floats
from lib.scaling.scale_points import ScalePoint
from lib.scaling.scaling_law import CURVE_POINTS, EDGE

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


Fit = Callable[[Floats, Floats], tuple[dict[str, float], Callable[[Floats], Floats]]]
"""From sizes and losses to parameters and the fitted curve."""


def rival_forms(points: Sequence[ScalePoint]) -> list[Form]:
    """Flat, log-linear, power and saturating law, compared by AICc and by leaving one size out.

    AICc (Hurvich & Tsai 1989) is over the runs (one point per size and seed); a form with k parameters is
    compared only if there are more than k different sizes, else it passes through the sizes' means whatever
    the truth. Leaving one size out tests each form on the mean loss of a size it has not seen.
    """
    n = np.concatenate([np.full(point.seeds, float(point.size or 0.0)) for point in points])
    loss = np.concatenate([point.losses.means for point in points])
    return [_judge(name, fit, k, n, loss) for name, (fit, k) in FORMS.items()]


def _flat(n: Floats, loss: Floats) -> tuple[dict[str, float], Callable[[Floats], Floats]]:
    mean = float(loss.mean())
    return {"E": mean}, lambda sizes: np.full(sizes.shape, mean)


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
    if name == "saturating" and alpha is not None and not EXPONENTS[0] * EDGE < alpha < EXPONENTS[1] / EDGE:
        aicc, note = None, f"the exponent runs to the edge of the search ({alpha:.2g}): not identified."
    return Form(name, aicc, note, parameters, _leave_one_size_out(fit, k, n, loss), drawn)


def _aicc(k: int, n: Floats, loss: Floats, fitted: Floats) -> tuple[float | None, str]:
    distinct = int(np.unique(n).size)
    residual = float(np.sum((loss - fitted) ** 2))
    spare = loss.size - (k + 1) - 1
    if distinct <= k:
        return None, f"{k} parameters and {distinct} sizes leave no degrees of freedom."
    if spare <= 0:
        return None, f"{loss.size} runs are too few for AICc with {k} parameter{'s' if k != 1 else ''}."
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

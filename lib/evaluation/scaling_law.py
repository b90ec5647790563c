"""How loss depends on the number of parameters in one cell: slope, gain, power and rival forms.

Three sizes cannot identify ``E + A N^-alpha``; the slope of the loss on log10 N can be estimated, so that is
what is judged, and the rival forms are compared only where there is freedom left to compare them. All sizes
are evaluated on the same dates, which are resampled jointly. Verdicts are drawn elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.config.workflow import EvaluationConfig
from lib.evaluation.comparisons import DateLosses, Estimate, estimate_mean, seed_noise_of_mean
from lib.metrics.classification import Floats

_ALPHAS = np.geomspace(0.01, 3.0, 600)


@dataclass(frozen=True)
class Size:
    """One budget of a cell: its measured parameters and the losses of its seeds (runs = seeds)."""

    budget: str
    parameters: int
    losses: DateLosses

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return int(self.losses.sums.shape[0])


@dataclass(frozen=True)
class Form:
    """A rival form of the law; `aicc` is None where it cannot be compared, and `note` says why."""

    form: str
    aicc: float | None
    note: str
    parameters: dict[str, float]


def contrast(sizes: Sequence[Size], weights: Floats, horizon: int, cfg: EvaluationConfig) -> Estimate:
    """A weighted sum of the sizes' mean losses, with dates resampled jointly and seeds apart.

    Args:
        sizes: on the same samples.
        weights: (sizes,) one weight per size.
        horizon: least block length in bars.
        cfg: draws and seed.
    """
    sums = np.sum([w * size.losses.sums.mean(axis=0) for w, size in zip(weights, sizes, strict=True)], axis=0)
    noise = [
        seed_noise_of_mean(size.losses.means, float(w))
        for w, size in zip(weights, sizes, strict=True)
        if w != 0.0
    ]
    return estimate_mean(
        sums, sizes[0].losses.counts, horizon, cfg, [term for term in noise if term is not None]
    )


def slope(sizes: Sequence[Size], horizon: int, cfg: EvaluationConfig) -> Estimate | None:
    """Least-squares slope of the loss on log10 parameters: loss per tenfold parameters; negative is better.

    None unless there are two different sizes.
    """
    x = np.log10([size.parameters for size in sizes])
    centred = x - x.mean()
    spread = float(centred @ centred)
    if len(sizes) < 2 or spread == 0.0:
        return None
    return contrast(sizes, centred / spread, horizon, cfg)


def gain(sizes: Sequence[Size], horizon: int, cfg: EvaluationConfig) -> Estimate | None:
    """Loss of the smallest size minus loss of the largest; positive is better. None with one size."""
    ordered = sorted(range(len(sizes)), key=lambda i: sizes[i].parameters)
    if len(ordered) < 2 or sizes[ordered[0]].parameters == sizes[ordered[-1]].parameters:
        return None
    weights = np.zeros(len(sizes))
    weights[ordered[0]], weights[ordered[-1]] = 1.0, -1.0
    return contrast(sizes, weights, horizon, cfg)


def rival_forms(sizes: Sequence[Size]) -> list[Form]:
    """Flat, log-linear and saturating law, compared by AICc over the runs (one point per size and seed).

    A form with k parameters is compared only if there are more than k different sizes (else it passes through
    the sizes' means whatever the truth) and AICc (Hurvich & Tsai 1989) is defined for the number of runs.
    """
    n = np.concatenate([np.full(size.seeds, float(size.parameters)) for size in sizes])
    loss = np.concatenate([size.losses.means for size in sizes])
    distinct = int(np.unique(n).size)
    x = np.log10(n)
    forms = [_judge("flat", np.ones((n.size, 1)), loss, distinct, ("E",))]
    forms.append(_judge("log-linear", np.column_stack([np.ones_like(x), x]), loss, distinct, ("a", "slope")))
    if distinct <= 3:
        note = f"E + A N^-alpha has 3 parameters and {distinct} sizes leave no degrees of freedom to test it."
        return [*forms, Form("saturating", None, note, {})]
    scaled = n / n.min()
    designs = [np.column_stack([np.ones_like(n), scaled**-alpha]) for alpha in _ALPHAS]
    residuals = [_least_squares(design, loss)[1] for design in designs]
    best = int(np.argmin(residuals))
    form = _judge("saturating", designs[best], loss, distinct, ("E", "A"), searched=1)
    if best in (0, len(_ALPHAS) - 1):
        edge = f"the exponent runs to the edge of the search ({_ALPHAS[best]:.2g}): not identified."
        return [*forms, Form("saturating", None, edge, {})]
    parameters = form.parameters | {"alpha": float(_ALPHAS[best])}
    if "A" in parameters:
        parameters["A"] *= float(n.min()) ** float(_ALPHAS[best])
    return [*forms, Form(form.form, form.aicc, form.note, parameters)]


def _least_squares(design: Floats, loss: Floats) -> tuple[Floats, float]:
    coefficients = np.linalg.lstsq(design, loss, rcond=None)[0].astype(np.float64)
    return coefficients, float(np.sum((loss - design @ coefficients) ** 2))


def _judge(
    form: str, design: Floats, loss: Floats, distinct: int, names: tuple[str, ...], *, searched: int = 0
) -> Form:
    parameters = len(names) + searched
    coefficients, residual = _least_squares(design, loss)
    fitted = dict(zip(names, map(float, coefficients), strict=True))
    spare = loss.size - (parameters + 1) - 1
    if distinct <= parameters:
        return Form(
            form, None, f"{parameters} parameters and {distinct} sizes leave no degrees of freedom.", fitted
        )
    if spare <= 0:
        return Form(
            form, None, f"{loss.size} runs are too few for AICc with {parameters} parameters.", fitted
        )
    if residual <= 1e-24 * max(1.0, float(loss @ loss)):
        return Form(form, None, "the runs lie exactly on this form; AICc is not defined.", fitted)
    k = parameters + 1
    aicc = loss.size * math.log(residual / loss.size) + 2 * k + 2 * k * (k + 1) / spare
    return Form(form, aicc, f"{loss.size} runs at {distinct} sizes; lower is better.", fitted)

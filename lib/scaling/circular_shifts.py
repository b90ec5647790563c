"""How far from one half the AUC of forecasts that know nothing may lie: as far as shifted labels put it.

The labels of each fold are moved in a circle against the forecasts, by every number of bars. Each shift keeps
how labels overlap and cluster and how forecasts resemble the day before's, and takes away all that one could
know of the other; so the AUCs of all shifts are what chance does. For forecasts that do know something this
is no interval of their AUC. Judges nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lib.inference.bootstrap import enough_blocks
from lib.inference.comparisons import Estimate
from lib.metrics.classification import Floats
from lib.scaling.samples import Aligned
from lib.scoring.measures import rankings


def shifted_auc(aligned: Aligned, positions: Sequence[int], horizon: int) -> Estimate | None:
    """Test AUC averaged over runs and folds, with the spread that circular shifts of the labels give it.

    Of n days the AUC of all n shifts is a circular correlation, so its mean square is exact. Where both
    series are stationary their phases are independent, and the AUC is a sum of bounded terms with random
    signs: normal quantiles hold, and far in the tail they are on the safe side (Hoeffding 1963), which is why
    no degrees of freedom are counted.

    Args:
        aligned: one sample per date, folds one after the other.
        positions: of the runs among `aligned.scores`.
        horizon: bars ahead; a fold of less than two horizons has no shift that is free of overlap.

    Returns:
        None with one class everywhere, or several samples on a date, whose symbols a shift would mix up.
    """
    if aligned.dates.size != aligned.target.size:
        return None
    value = variance = days = 0.0
    shiftable = True
    for fold in aligned.folds:
        shifts = auc_by_shift(aligned, positions, fold)
        if shifts is None:
            continue
        value += shifts.size * shifts[0]
        variance += shifts.size**2 * float(np.mean(shifts**2))
        days += shifts.size
        shiftable = shiftable and enough_blocks(shifts.size, horizon)
    if not days:
        return None
    error = math.sqrt(variance) / days if shiftable else None
    return Estimate(0.5 + value / days, error, math.inf, least=0.0, most=1.0)


def auc_by_shift(aligned: Aligned, positions: Sequence[int], fold: slice) -> Floats | None:
    """AUC less one half in a fold whose labels are moved by 0, 1, … bars; (days,), None with one class.

    Averaged over runs, and over the classes that occur of three.
    """
    outcome, target = aligned.outcome[fold], aligned.target[fold]
    own = [
        pair for position in positions for pair in rankings(outcome, target, aligned.scores[position][fold])
    ]
    if not own:
        return None
    from scipy.stats import rankdata  # importing takes a second, and planning a study imports this module

    spectrum = np.zeros(1, dtype=np.complex128)
    for kind, score in own:
        ranks, n = rankdata(score), kind.size
        pairs = kind.sum() * (n - kind.sum())
        labels = np.fft.rfft(kind - kind.mean())
        spectrum = spectrum + np.conj(labels) * np.fft.rfft(ranks - ranks.mean()) / pairs
    return np.asarray(np.fft.irfft(spectrum / len(own), own[0][0].size), dtype=np.float64)

"""How often does a sound study fail its null control? `python -m tests.benchmarks.null_control`.

Nothing is trained: forecasts know nothing and resemble the day before's (`persistence`), labels overlap over
the horizon or cluster as touches do. Prints for each case how wide chance spreads the AUC in standard errors,
how often one interval fails, what the control can see, and how often a size seems to gain.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter
from scipy.special import expit, ndtr, ndtri

from lib.metrics.classification import Floats
from lib.scaling import scaling_law
from lib.scaling.circular_shifts import shifted_auc
from lib.scaling.controls import null_level
from lib.scaling.samples import Aligned
from lib.scaling.scale_points import ScalePoint

DAYS, SEEDS, SIZES, MARGIN = 498, 3, 3, 0.005
"""Of the null control of config/study.yaml."""
_IN_COMMON = 0.6
"""Share of the variance of a forecast that all seeds of a size have."""
_SPREAD = 0.2
"""Standard deviation of a forecast's log-odds."""


@dataclass(frozen=True)
class Case:
    """What makes labels and forecasts depend on time."""

    horizon: int
    persistence: float
    """Correlation of a forecast with the day before's."""
    clustered: bool = False
    """Labels come in calm and stormy times, as touches do."""
    folds: int = 3

    def __str__(self) -> str:
        labels = "clustered" if self.clustered else "overlapping"
        return f"h{self.horizon} {labels}, persistence {self.persistence}, {self.folds} folds"


CASES = [
    *(Case(5, persistence) for persistence in (0.0, 0.8, 0.95, 0.99)),
    *(Case(20, persistence) for persistence in (0.8, 0.99)),
    *(Case(1, persistence, clustered=True) for persistence in (0.8, 0.95, 0.99)),
    *(Case(5, persistence, folds=1) for persistence in (0.8, 0.95, 0.99)),
]


def walks(persistence: float, count: int, n: int, rng: np.random.Generator) -> Floats:
    """Stationary series of variance 1; (count, n)."""
    before = 10 + int(10 / (1 - persistence))
    steps = np.sqrt(1 - persistence**2) * rng.normal(size=(count, n + before))
    return np.asarray(lfilter([1.0], [1.0, -persistence], steps)[:, before:])


def blind(case: Case, rng: np.random.Generator, days: int = DAYS, symbols: int = 1) -> Aligned:
    """The seeds of one size, which know nothing."""
    n = case.folds * days
    if case.clustered:
        target = rng.normal(size=n) > 1.2 - 0.8 * walks(0.98, 1, n, rng)[0]
    else:
        overlapping = np.convolve(rng.normal(size=n + case.horizon - 1), np.ones(case.horizon), "valid")
        target = overlapping > -0.15 * np.sqrt(case.horizon)
    found = walks(case.persistence, SEEDS + 1, n, rng)
    scores = expit(_SPREAD * (np.sqrt(_IN_COMMON) * found[:1] + np.sqrt(1 - _IN_COMMON) * found[1:]))
    parts = tuple(slice(i * days, (i + 1) * days) for i in range(case.folds))
    index = np.arange(n) // symbols
    dates = np.datetime64("2007-01-01") + np.unique(index)
    return Aligned(dates, index, target.astype(float), scores, "direction", parts, (None,) * SEEDS)


def distances(case: Case, draws: int, seed: int) -> Floats:
    """Distance of the AUC from one half in standard errors; (draws,)."""
    rng = np.random.default_rng([seed, case.horizon, int(100 * case.persistence), case.folds])
    found = [shifted_auc(blind(case, rng), range(SEEDS), case.horizon) for _ in range(draws)]
    return np.array([(one.value - 0.5) / one.se_dates for one in found])


def false_alarms(z: Floats, level: float) -> float:
    """Share of the draws whose interval at this level excludes one half."""
    return float(np.mean(np.abs(z) > ndtri((1 + level) / 2)))


def false_gains(case: Case, draws: int, seed: int) -> float:
    """Chance that the larger of two equally ignorant sizes seems to gain the margin, clear of 0.

    From the spread of the gain over the draws and the limit that each of them has to pass.
    """
    rng = np.random.default_rng([seed, case.horizon, int(100 * case.persistence), 7])
    values, limits = [], []
    for _ in range(draws):
        small, large = blind(case, rng), blind(case, rng)
        large = Aligned(small.dates, small.index, small.target, large.scores, small.task, small.parts)
        levels = [ScalePoint(name, size, own.losses(range(SEEDS))) for name, size, own in
                  (("2M", 2e6, small), ("200M", 2e8, large))]  # fmt: skip
        gain = scaling_law.gain(levels, case.horizon)
        values.append(gain.value)
        limits.append(max(MARGIN, gain.interval(null_level(SIZES + 1))[1] - gain.value))
    return float(np.mean(ndtr(-np.array(limits) / np.std(values))))


def main() -> None:
    """Print the table of docs/methods.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    level = null_level(SIZES + 1)
    for case in CASES:
        z = distances(case, arguments.draws, arguments.seed)
        rng = np.random.default_rng(arguments.seed)
        errors = [shifted_auc(blind(case, rng), range(SEEDS), case.horizon).se_dates for _ in range(50)]
        seen = 0.5 + ndtri((1 + level) / 2) * float(np.mean(errors))
        print(
            f"{case!s:45s} spread {z.std():.3f}  beyond 99 %: {false_alarms(z, 0.99):.4f}  "
            f"beyond 99.9 %: {false_alarms(z, 0.999):.4f}  beyond the level: {false_alarms(z, level):.5f}  "
            f"seen from AUC {seen:.3f}  false gain {false_gains(case, 100, arguments.seed):.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()

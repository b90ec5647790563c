"""Do the intervals cover, and is nothing found where there is nothing? `make bench-statistics`.

Worlds with known answers are simulated as the study sees them: losses by date that depend on each other over
the horizon, on a common part that all runs share, on parts of their own, and on the seed. Every method is the
one that writes scaling.json. Results go to results/benchmarks/statistics.json.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from lib.config.workflow import EvaluationConfig
from lib.data.io import write_json_atomic
from lib.evaluation import scaling_law
from lib.evaluation.axes import AXES
from lib.evaluation.cells import Cell
from lib.evaluation.comparisons import DateLosses, holm_confidences
from lib.evaluation.forecast_tests import auc_influence
from lib.evaluation.joint_law import fit_joint_law
from lib.evaluation.levels import Level, contrast
from lib.evaluation.measures import split_metrics
from lib.evaluation.pooling import pool
from lib.evaluation.standing import Standing
from lib.evaluation.uncertainty import auc_draws, stationary_weights
from lib.evaluation.verdicts import Evidence, cell_verdict, interaction_verdict
from lib.metrics.classification import Floats

CFG = EvaluationConfig()
CONFIDENCE = 0.90
MARGIN = 0.005
THREE = (2e6, 2e7, 2e8)
SIX = tuple(2e6 * 10 ** (0.6 * i) for i in range(6))
Outcome = dict[str, bool | None]


@dataclass(frozen=True)
class Market:
    """What makes losses noisy."""

    days: int = 500
    horizon: int = 5
    seeds: int = 5
    common: float = 0.15
    """Part of a day's loss that all runs share."""
    level_dates: float = 0.03
    """Part of a day's loss that the runs of one level share."""
    run_dates: float = 0.03
    """Part of a day's loss that is a run's own."""
    between_seeds: float = 0.002

    def moving(self, rng: np.random.Generator, *shape: int) -> Floats:
        """Noise of variance 1 that depends on itself over the horizon, as overlapping labels make it."""
        raw = rng.normal(size=(*shape, self.days + self.horizon - 1))
        kernel = np.ones(self.horizon) / np.sqrt(self.horizon)
        return np.apply_along_axis(lambda x: np.convolve(x, kernel, "valid"), -1, raw)

    def levels(
        self, sizes: Sequence[float | None], means: Sequence[float], rng: np.random.Generator,
        common: Floats | None = None,
    ) -> list[Level]:  # fmt: skip
        """Levels whose true mean losses are `means`."""
        shared = self.common * (self.moving(rng) if common is None else common)
        out = []
        for at, (size, mean) in enumerate(zip(sizes, means, strict=True)):
            own = self.level_dates * self.moving(rng)
            runs = self.run_dates * self.moving(rng, self.seeds)
            offset = self.between_seeds * rng.normal(size=(self.seeds, 1))
            out.append(
                Level(str(at), size, DateLosses(mean + shared + own + runs + offset, np.ones(self.days)))
            )
        return out


def inside(truth: float, low: float | None, high: float | None) -> bool | None:
    """Whether an interval covers; None if there is none."""
    return None if low is None or high is None else low <= truth <= high


def log_slope(market: Market, rng: np.random.Generator) -> Outcome:
    """Loss per tenfold size, gain and log-log exponent with three sizes, under L = A N^-alpha."""
    alpha, level = 0.02, 0.9
    means = [level * (n / THREE[0]) ** -alpha for n in THREE]
    levels = market.levels(THREE, means, rng)
    x = np.log10(THREE) - np.mean(np.log10(THREE))
    slope, gain = scaling_law.slope(levels, market.horizon), scaling_law.gain(levels, market.horizon)
    exponent = scaling_law.log_log_slope(levels, market.horizon)
    return {
        "slope": inside(float(x @ means / (x @ x)), *slope.interval(CONFIDENCE)),
        "gain": inside(means[0] - means[-1], *gain.interval(CONFIDENCE)),
        "log_log_exponent": inside(-alpha, *exponent.interval(CONFIDENCE)),
    }


def law_with_floor(market: Market, rng: np.random.Generator, alpha: float = 0.35) -> Outcome:
    """E + A N^-alpha with six sizes."""
    means = [0.60 + 0.12 * (n / SIX[0]) ** -alpha for n in SIX]
    found = scaling_law.fit_law_with_floor(market.levels(SIX, means, rng), market.horizon, CFG, CONFIDENCE)
    return {
        "alpha": inside(alpha, found.exponent.low, found.exponent.high),
        "floor": inside(0.60, found.floor.low, found.floor.high),
        "identified": found.identified,
    }


def joint_law(market: Market, rng: np.random.Generator, alpha: float = 0.35, beta: float = 0.5) -> Outcome:
    """E + A N^-alpha + B D^-beta with three sizes on four shares of the dates."""
    grid = [(n, d) for n in THREE for d in (500.0, 1000.0, 2000.0, 4000.0)]
    sizes, samples = np.array([n for n, _ in grid]), np.array([d for _, d in grid])
    means = 0.5 + 0.1 * (sizes / THREE[0]) ** -alpha + 0.1 * (samples / 500.0) ** -beta
    levels = market.levels([None] * len(grid), list(means), rng)
    found = fit_joint_law(levels, sizes, samples, market.horizon, CFG, CONFIDENCE)
    intervals = {name: found.parameters[name] for name in ("alpha", "beta")}
    return {
        "alpha": inside(alpha, intervals["alpha"].low, intervals["alpha"].high),
        "beta": inside(beta, intervals["beta"].low, intervals["beta"].high),
        "identified": found.identified,
    }


def interaction(market: Market, rng: np.random.Generator) -> Outcome:
    """Difference in differences of two axes."""
    levels = market.levels([None] * 4, [0.70, 0.69, 0.69, 0.67], rng)
    weights = np.array([-1.0, 1.0, 1.0, -1.0])
    truth = -0.70 + 0.69 + 0.69 - 0.67
    return {"effect": inside(truth, *contrast(levels, weights, market.horizon).interval(CONFIDENCE))}


def pooled(market: Market, rng: np.random.Generator) -> Outcome:
    """Mean slope and gain of four cells that share their dates."""
    shared = market.moving(rng)
    cells = []
    for _ in range(4):
        own = 0.7 * shared + 0.7 * market.moving(rng)
        levels = market.levels(THREE, [0.70, 0.69, 0.68], rng, common=own)
        words = {"task": "direction", "timescale": "daily", "horizon": market.horizon}
        cell = Cell(AXES["parameters"], words, {}, {}, levels)
        cell.gain = scaling_law.gain(levels, market.horizon)
        cell.dates = np.arange(market.days).astype("datetime64[D]")
        cells.append(cell)
    (found,) = pool(cells)
    return {
        "slope": inside(-0.01, *found.slope.interval(CONFIDENCE)),
        "gain": inside(0.02, *found.gain.interval(CONFIDENCE)),
    }


def single_run(market: Market, rng: np.random.Generator) -> Outcome:
    """Percentile intervals of one run's AUC and log loss, labels overlapping over the horizon."""
    import polars as pl
    from scipy.special import expit, ndtr

    truth = _single_run_truth(market)
    odds = 0.5 * market.moving(rng)
    target = (ndtr(market.moving(rng)) < expit(odds)).astype(float)
    probability = expit(odds + 0.5 * rng.normal(size=market.days))
    dates = pl.date_range(
        pl.date(2015, 1, 1), pl.date(2015, 1, 1) + pl.duration(days=market.days - 1), eager=True
    )
    frame = pl.DataFrame(
        {"date": dates, "target": target, "prediction": probability, "probability_1": probability}
    )
    cfg = CFG.model_copy(update={"confidence": CONFIDENCE, "bootstrap_draws": 1000})
    found = split_metrics(frame, "direction", market.horizon, cfg, 0.5)
    return {
        name: inside(truth[name], found[f"{name}_low"], found[f"{name}_high"]) for name in ("auc", "log_loss")
    }


_TRUTH: dict[str, float] = {}


def _single_run_truth(market: Market) -> dict[str, float]:
    if not _TRUTH:
        from scipy.special import expit

        from lib.metrics.classification import log_loss_per_sample, roc_auc

        rng = np.random.default_rng(99)
        n = 2_000_000
        odds = 0.5 * rng.normal(size=n)
        target = (rng.random(n) < expit(odds)).astype(float)
        probability = expit(odds + 0.5 * rng.normal(size=n))
        _TRUTH["auc"] = roc_auc(target, probability)
        _TRUTH["log_loss"] = float(np.mean(log_loss_per_sample(target, probability)))
    return _TRUTH


def judged(levels: Sequence[Level], market: Market, confidence: float, gated: bool = True) -> str:
    """The verdict of a cell with these levels; not `gated`: whatever their number of seeds."""
    declared = {level.label: level.seeds for level in levels} if gated else {}
    evidence = Evidence(
        **vars(Standing.of(declared, declared)),
        metric_name="log loss",
        first="2M",
        last="200M",
        margin=MARGIN,
        slope=scaling_law.slope(levels, market.horizon),
        gain=scaling_law.gain(levels, market.horizon),
        pairs=scaling_law.pairs(levels, market.horizon),
        confidence=confidence,
    )
    return cell_verdict(evidence)[0]


def flat_study(market: Market, rng: np.random.Generator, cells: int = 6) -> Outcome:
    """A study of six cells in which size does nothing: whether any cell is called scaling.

    `any_cell_scales_ungated`: whether one would be if the number of seeds were not asked for.
    """
    measured = [market.levels(THREE, [0.69] * 3, rng) for _ in range(cells)]
    slopes = [scaling_law.slope(levels, market.horizon) for levels in measured]
    adjusted = holm_confidences([slope.p_value() for slope in slopes], CFG.confidence)
    own = list(zip(measured, adjusted, strict=True))
    verdicts = [judged(levels, market, level) for levels, level in own]
    ungated = [judged(levels, market, level, gated=False) for levels, level in own]
    return {"any_cell_scales": "scales" in verdicts, "any_cell_scales_ungated": "scales" in ungated,
            "slope_rejected": slopes[0].p_value() < 1 - CFG.confidence}  # fmt: skip


def flat_interaction(market: Market, rng: np.random.Generator) -> Outcome:
    """No interaction: whether one is called."""
    levels = market.levels([None] * 4, [0.70, 0.69, 0.69, 0.68], rng)
    effect = contrast(levels, np.array([-1.0, 1.0, 1.0, -1.0]), market.horizon)
    verdict, _ = interaction_verdict(effect, CFG.confidence, MARGIN, ("a", "b"), Standing())
    return {"called": verdict == "scales"}


def at_the_margin(market: Market, rng: np.random.Generator) -> Outcome:
    """The true gain is exactly the margin: whether it is called flat."""
    levels = market.levels(THREE, [0.69, 0.69 - MARGIN / 2, 0.69 - MARGIN], rng)
    return {"called_flat": judged(levels, market, CFG.confidence) == "flat"}


def bent(market: Market, rng: np.random.Generator) -> Outcome:
    """First and last size are alike, the middle one is better by the margin: whether it is called flat."""
    levels = market.levels(THREE, [0.69, 0.69 - MARGIN, 0.69], rng)
    return {"called_flat": judged(levels, market, CFG.confidence) == "flat"}


def flat_law(market: Market, rng: np.random.Generator) -> Outcome:
    """Six sizes that do nothing: whether an exponent is claimed."""
    levels = market.levels(SIX, [0.69] * 6, rng)
    found = scaling_law.fit_law_with_floor(levels, market.horizon, CFG)
    return {"identified": found.identified}


QUIET = Market(level_dates=0.01, run_dates=0.01, between_seeds=0.0005)
"""Little noise, in which exponents can be identified at all."""
COVERAGE: dict[str, tuple[Callable[[Market, np.random.Generator], Outcome], Market]] = {
    "three sizes, 5 seeds": (log_slope, Market()),
    "three sizes, 3 seeds": (log_slope, Market(seeds=3)),
    "three sizes, 3 seeds, loud seeds": (log_slope, Market(seeds=3, between_seeds=0.02)),
    "three sizes, 250 days": (log_slope, Market(days=250)),
    "law with floor, six sizes": (law_with_floor, QUIET),
    "joint law, 3 sizes x 4 shares": (joint_law, QUIET),
    "interaction": (interaction, Market()),
    "pooled over 4 cells": (pooled, Market()),
    "single run, h5": (single_run, Market()),
    "single run, h1": (single_run, Market(horizon=1)),
}
ERRORS: dict[str, tuple[Callable[[Market, np.random.Generator], Outcome], Market]] = {
    "flat study, 5 seeds": (flat_study, Market()),
    "flat study, 3 seeds, loud seeds": (flat_study, Market(seeds=3, between_seeds=0.01)),
    "flat study, 2 seeds, loud seeds": (flat_study, Market(seeds=2, between_seeds=0.02)),
    "flat study, 250 days": (flat_study, Market(days=250)),
    "no interaction": (flat_interaction, Market()),
    "gain at the margin": (at_the_margin, QUIET),
    "middle size better by the margin": (bent, QUIET),
    "six flat sizes": (flat_law, Market()),
}


def simulate(
    world: Callable[[Market, np.random.Generator], Outcome], market: Market, repetitions: int, seed: int
) -> dict[str, Any]:
    """Share of repetitions in which each thing happened."""
    begun = time.monotonic()
    outcomes = [world(market, np.random.default_rng([seed, i])) for i in range(repetitions)]
    out: dict[str, Any] = {}
    for name in outcomes[0]:
        known = [outcome[name] for outcome in outcomes if outcome[name] is not None]
        share = float(np.mean(known)) if known else None
        error = (share * (1 - share) / len(known)) ** 0.5 if known else None
        out[name] = {"share": share, "standard_error": error, "simulations": len(known)}
    return out | {"seconds": round(time.monotonic() - begun, 1)}


def speed() -> dict[str, float]:
    """Seconds for 2,000 draws of the AUC on 500 test days, draws of the dates included."""
    rng = np.random.default_rng(0)
    target, score, index = (rng.random(500) < 0.5) * 1.0, rng.random(500), np.arange(500)
    begun = time.perf_counter()
    auc_draws(target, score, index, stationary_weights(500, 7, 2000, 1))
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    auc_influence(target, score)
    return {
        "auc_2000_draws_500_days_s": round(first, 4),
        "auc_linear_form_s": round(time.perf_counter() - begun, 5),
    }


def main() -> None:
    """Run the simulations and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--only", default="")
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks/statistics.json"))
    arguments = parser.parse_args()
    result: dict[str, Any] = {"confidence": CONFIDENCE, "margin": MARGIN, "coverage": {}, "errors": {}}
    result["speed"] = speed()
    print(result["speed"])
    for kind, worlds in (("coverage", COVERAGE), ("errors", ERRORS)):
        for name, (world, market) in worlds.items():
            if arguments.only not in name:
                continue
            # The joint law takes a second a fit; 200 repetitions tell 90 % from 85 %.
            slow = world is joint_law
            repetitions = min(arguments.repetitions, 200) if slow else arguments.repetitions
            found = simulate(world, market, repetitions, seed=len(name))
            result[kind][name] = found
            shares = {k: round(v["share"], 3) for k, v in found.items() if isinstance(v, dict)}
            print(f"{kind:9s} {name:34s} {shares} ({found['seconds']} s)", flush=True)
    write_json_atomic(arguments.output, result)


if __name__ == "__main__":
    main()

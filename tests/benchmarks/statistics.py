"""Do the intervals cover, and is nothing found where there is nothing? `make bench-statistics`.

Worlds with known answers are simulated as the study sees them: losses by date that depend on each other over
the horizon, on a common part that all runs share, on parts of their own, and on the seed. Every method is the
one that writes scaling.json. Results go to results/benchmarks/statistics.json.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq

from lib.config.workflow import EvaluationConfig
from lib.data.io import write_json_atomic
from lib.inference.comparisons import DateLosses, Estimate, holm_confidences
from lib.inference.forecast_tests import auc_influence
from lib.metrics.classification import Floats
from lib.scaling import scaling_law
from lib.scaling.axes import AXES
from lib.scaling.curve_skill import Part, measure_skill
from lib.scaling.curves import Curve
from lib.scaling.decision import Decision
from lib.scaling.families import holm_families
from lib.scaling.joint_law import fit_joint_law
from lib.scaling.pooling import pool
from lib.scaling.preconditions import Coverage, Preconditions
from lib.scaling.run_index import StudyRuns
from lib.scaling.samples import Aligned, RunSamples
from lib.scaling.scale_points import ScalePoint, contrast
from lib.scaling.verdicts import Evidence, curve_verdict, interaction_verdict
from lib.scoring.measures import split_metrics

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
    point_dates: float = 0.03
    """Part of a day's loss that the runs of one scale point share."""
    run_dates: float = 0.03
    """Part of a day's loss that is a run's own."""
    between_seeds: float = 0.002
    searches: int = 0
    """Searches of a scale point, to which its seeds are dealt in turn; 0: one recipe for all."""
    between_searches: float = 0.0
    """Luck of a configuration, which all seeds of one search share."""
    folds: int = 1
    calibration: int = 0
    """Calibration days of each fold, before its test."""
    run_error: float = 0.05
    """Error of a seed in the log-odds of its forecasts."""
    base_odds: float = 0.0
    """Log-odds of an event of which nothing is known."""
    between_folds: float = 0.0
    """Luck of a scale point in a fold, which all its seeds share: they have the same years."""
    margin: float = 0.005
    contrasts: int = 6
    """Of the family that is judged together."""

    def moving(self, rng: np.random.Generator, *shape: int) -> Floats:
        """Noise of variance 1 that depends on itself over the horizon, as overlapping labels make it."""
        raw = rng.normal(size=(*shape, self.days + self.horizon - 1))
        if self.horizon == 1:
            return raw
        kernel = np.ones(self.horizon) / np.sqrt(self.horizon)
        return np.apply_along_axis(lambda x: np.convolve(x, kernel, "valid"), -1, raw)

    def points(
        self, sizes: Sequence[float | None], means: Sequence[float], rng: np.random.Generator,
        common: Floats | None = None,
    ) -> list[ScalePoint]:  # fmt: skip
        """Levels whose true mean losses are `means`."""
        shared = self.common * (self.moving(rng) if common is None else common)
        out = []
        for at, (size, mean) in enumerate(zip(sizes, means, strict=True)):
            own = self.point_dates * self.moving(rng)
            runs = self.run_dates * self.moving(rng, self.seeds)
            offset = self.between_seeds * rng.normal(size=(self.seeds, 1))
            sums = mean + shared + own + runs + offset
            if self.between_folds:
                of_fold = self.between_folds * rng.normal(size=self.folds)
                sums += np.repeat(of_fold, self.days // self.folds)
            if self.searches:
                luck = self.between_searches * rng.normal(size=self.searches)
                of = np.arange(self.seeds) % self.searches
                # The replicate is the search: seeds of one search are no independent draws.
                sums = np.array(
                    [(sums + luck[of][:, None])[of == k].mean(axis=0) for k in range(self.searches)]
                )
            out.append(ScalePoint(str(at), size, DateLosses(sums, np.ones(self.days))))
        return out


def inside(truth: float, low: float | None, high: float | None) -> bool | None:
    """Whether an interval covers; None if there is none."""
    return None if low is None or high is None else low <= truth <= high


def log_slope(market: Market, rng: np.random.Generator) -> Outcome:
    """Loss per tenfold size, gain and log-log exponent with three sizes, under L = A N^-alpha."""
    alpha, scale = 0.02, 0.9
    means = [scale * (n / THREE[0]) ** -alpha for n in THREE]
    points = market.points(THREE, means, rng)
    x = np.log10(THREE) - np.mean(np.log10(THREE))
    slope, gain = scaling_law.slope(points, market.horizon), scaling_law.gain(points, market.horizon)
    exponent = scaling_law.log_log_slope(points, market.horizon)
    return {
        "slope": inside(float(x @ means / (x @ x)), *slope.interval(CONFIDENCE)),
        "gain": inside(means[0] - means[-1], *gain.interval(CONFIDENCE)),
        "log_log_exponent": inside(-alpha, *exponent.interval(CONFIDENCE)),
    }


def law_with_floor(market: Market, rng: np.random.Generator, alpha: float = 0.35) -> Outcome:
    """E + A N^-alpha with six sizes."""
    means = [0.60 + 0.12 * (n / SIX[0]) ** -alpha for n in SIX]
    found = scaling_law.fit_law_with_floor(market.points(SIX, means, rng), market.horizon, CFG, CONFIDENCE)
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
    points = market.points([None] * len(grid), list(means), rng)
    found = fit_joint_law(points, sizes, samples, market.horizon, CFG, CONFIDENCE)
    intervals = {name: found.parameters[name] for name in ("alpha", "beta")}
    return {
        "alpha": inside(alpha, intervals["alpha"].low, intervals["alpha"].high),
        "beta": inside(beta, intervals["beta"].low, intervals["beta"].high),
        "identified": found.identified,
    }


def interaction(market: Market, rng: np.random.Generator) -> Outcome:
    """Difference in differences of two axes."""
    points = market.points([None] * 4, [0.70, 0.69, 0.69, 0.67], rng)
    weights = np.array([-1.0, 1.0, 1.0, -1.0])
    truth = -0.70 + 0.69 + 0.69 - 0.67
    return {"effect": inside(truth, *contrast(points, weights, market.horizon).interval(CONFIDENCE))}


def pooled(market: Market, rng: np.random.Generator) -> Outcome:
    """Mean slope and gain of four curves that share their dates."""
    shared = market.moving(rng)
    curves = []
    for _ in range(4):
        own = 0.7 * shared + 0.7 * market.moving(rng)
        points = market.points(THREE, [0.70, 0.69, 0.68], rng, common=own)
        key = {"task": "direction", "timescale": "daily", "horizon": market.horizon}
        curve = Curve(AXES["parameters"], key, points)
        curve.gain = scaling_law.gain(points, market.horizon)
        curve.dates = np.arange(market.days).astype("datetime64[D]")
        curves.append(curve)
    (found,) = pool(curves)
    return {
        "slope": inside(-0.01, *found.slope.interval(CONFIDENCE)),
        "gain": inside(0.02, *found.gain.interval(CONFIDENCE)),
    }


def single_run(market: Market, rng: np.random.Generator) -> Outcome:
    """Intervals of one run's AUC and log loss, labels overlapping over the horizon."""
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


def judged(
    points: Sequence[ScalePoint], market: Market, confidence: float, gated: bool = True,
    recalibrated: Estimate | None = None,
) -> Decision:  # fmt: skip
    """The decision on a curve with these scale points; not `gated`: whatever their number of replicates.

    All scale points are far better than the base rate, and recalibration changes nothing unless it is given:
    the gates that are not simulated stand open.
    """
    declared = {point.label: point.seeds for point in points} if gated else {}
    gain = scaling_law.gain(points, market.horizon)
    evidence = Evidence(
        **vars(Preconditions.of(Coverage(declared=declared, seeds=declared))),
        metric_name="log loss",
        first="2M",
        last="200M",
        margin=market.margin,
        gain=gain,
        steps=scaling_law.steps(points, market.horizon),
        pairs=scaling_law.pairs(points, market.horizon),
        skill={point.label: Estimate(0.1, 0.001, 1000.0) for point in points},
        recalibrated=gain if recalibrated is None else recalibrated,
        confidence=confidence,
        declared_confidence=CFG.confidence,
    )
    return curve_verdict(evidence)


Measured = list[tuple[Sequence[ScalePoint], Estimate, float]]
"""Curves that are judged together: points, gain and Holm's level of each."""


def family(curves: Sequence[Sequence[ScalePoint]], market: Market) -> Measured:
    """Curves with their gains at Holm's levels."""
    gains = [scaling_law.gain(points, market.horizon) for points in curves]
    confidences = holm_families([("confirmatory", "gains", gains)], CFG.confidence)[0].levels
    return list(zip(curves, gains, confidences, strict=True))


def flat_study(market: Market, rng: np.random.Generator) -> Outcome:
    """A study in which size does nothing: whether any of its curves is called scaling or worsening.

    `any_curve_scales_ungated`: whether one would be if the number of seeds were not asked for.
    """
    measured = family([market.points(THREE, [0.69] * 3, rng) for _ in range(market.contrasts)], market)
    verdicts = clear_verdicts(measured, market)
    ungated = clear_verdicts(measured, market, gated=False) if market.seeds < 3 else verdicts
    first, _, confidence = measured[0]
    return {"any_curve_scales": "scales" in verdicts, "any_curve_worsens": "worsens" in verdicts,
            "any_curve_scales_ungated": "scales" in ungated,
            "first_curve_flat": judged(first, market, confidence).verdict == "flat"}  # fmt: skip


def clear_verdicts(measured: Measured, market: Market, gated: bool = True) -> list[str]:
    """Verdicts of the curves whose gain is clear of 0 at Holm's level; no other scales or worsens."""
    out = []
    for points, gain, confidence in measured:
        low, high = gain.interval(confidence)
        if low > 0.0 or high < 0.0:
            out.append(judged(points, market, confidence, gated).verdict)
    return out


def two_margins(market: Market, rng: np.random.Generator) -> Outcome:
    """One of the confirmatory curves gains two margins in two equal steps, the others nothing."""
    gains = [2.0 * market.margin, *[0.0] * (market.contrasts - 1)]
    curves = [market.points(THREE, [0.69, 0.69 - gain / 2, 0.69 - gain], rng) for gain in gains]
    measured = family(curves, market)
    first, second = (judged(points, market, own).verdict for points, _, own in measured[:2])
    clear = clear_verdicts(measured, market)
    return {"found": first == "scales", "other_scales": clear.count("scales") > (first == "scales"),
            "second_flat": second == "flat"}  # fmt: skip


def forecasts(
    market: Market, rng: np.random.Generator, known: Sequence[float], boldness: Sequence[float]
) -> tuple[list[ScalePoint], dict[str, list[Part]], StudyRuns]:
    """Walk-forward folds of forecasts, each with a calibration part, as `measure_skill` measures them.

    A scale point knows a part of the true log-odds, of standard deviation `known` (rising: each contains the
    one before; the last is all there is) and says honestly what follows from it; each seed adds an error of
    its own, and says it `boldness` times too boldly.
    """
    days, held = market.days // market.folds, market.calibration
    n = market.folds * (days + held)
    steps = np.sqrt(np.diff([0.0, *np.square(known)]))
    odds = np.cumsum(steps[:, None] * rng.normal(size=(len(known), n)), axis=0)
    target = (rng.random(n) < 1 / (1 + np.exp(-market.base_odds - odds[-1]))).astype(float)
    said = [
        honest(market, own, math.sqrt(known[-1] ** 2 - part**2))
        for own, part in zip(odds, known, strict=True)
    ]
    rows: dict[str, Any] = {}
    rate = float(np.mean(1 / (1 + np.exp(-market.base_odds - odds[-1]))))
    parts: dict[str, list[Part]] = {}
    for fold in range(market.folds):
        begin = fold * (days + held)
        now = slice(begin + held, begin + held + days)
        dates = np.datetime64("2007-01-01") + np.arange(fold * days, (fold + 1) * days)
        scores = []
        for at, bold in enumerate(boldness):
            for seed in range(market.seeds):
                own = said[at] + market.run_error * rng.normal(size=n)
                p = 1 / (1 + np.exp(-market.base_odds - bold * own))
                scores.append(p[now])
                before = slice(begin, begin + held)
                rows[f"{at}/{fold}/{seed}"] = RunSamples(np.arange(held), target[before], p[before])
        aligned = Aligned(dates, np.arange(days), target[now], np.array(scores), "direction")
        for at in range(len(known)):
            own_rows = [{"path": f"{at}/{fold}/{s}", "train_base_rate": rate} for s in range(market.seeds)]
            positions = range(at * market.seeds, (at + 1) * market.seeds)
            parts.setdefault(str(at), []).append((aligned, positions, own_rows))
    material = Calibrated(rows)
    points = []
    for at, size in enumerate(THREE[: len(known)]):
        own_losses = [aligned.losses(positions) for aligned, positions, _ in parts[str(at)]]
        sums = np.concatenate([one.sums for one in own_losses], axis=1)
        points.append(ScalePoint(str(at), size, DateLosses(sums, np.ones(sums.shape[1]))))
    return points, parts, material  # type: ignore[return-value]


@dataclass(frozen=True)
class Calibrated:
    """Calibration samples by path: all that `measure_skill` asks of the material."""

    rows: dict[str, Any]

    def calibration_of(self, row: Any) -> RunSamples:
        return self.rows[row["path"]]


def whole_rule(
    market: Market, rng: np.random.Generator, known: Sequence[float], boldness: Sequence[float]
) -> tuple[str, str]:
    """Verdict and gate of a curve that is its own family, with skill and recalibration from forecasts."""
    points, parts, material = forecasts(market, rng, known, boldness)
    skill, recalibrated = measure_skill(points, parts, market.horizon, material)
    gain = scaling_law.gain(points, market.horizon)
    others = [1.0] * (market.contrasts - 1)
    confidence = holm_confidences([gain.p_value(), *others], CFG.confidence)[0]
    declared = {point.label: point.seeds for point in points}
    evidence = Evidence(
        **vars(Preconditions.of(Coverage(declared=declared, seeds=declared))),
        metric_name="log loss", first="0", last="2",
        margin=market.margin, gain=gain, steps=scaling_law.steps(points, market.horizon),
        pairs=scaling_law.pairs(points, market.horizon), skill=skill, recalibrated=recalibrated,
        confidence=confidence, declared_confidence=CFG.confidence,
    )  # fmt: skip
    decision = curve_verdict(evidence)
    return decision.verdict, "moot" if decision.moot else decision.gate


def honest(market: Market, known: Floats, unknown: float) -> Floats:
    """Log-odds of an event, above those of its base, for who knows only a part of them.

    Args:
        market: says the base.
        known: the part.
        unknown: standard deviation of the rest.
    """
    points, weights = np.polynomial.hermite_e.hermegauss(16)
    p = (1 / (1 + np.exp(-market.base_odds - known[:, None] - unknown * points))) @ (weights / weights.sum())
    return np.asarray(np.log(p / (1 - p)) - market.base_odds)


def expected_loss(market: Market, known: float, every: float) -> float:
    """Log loss of an honest forecast that knows log-odds of this deviation where there are more."""
    points, weights = np.polynomial.hermite_e.hermegauss(40)
    own = honest(market, known * points, math.sqrt(max(0.0, every**2 - known**2)))
    p = 1 / (1 + np.exp(-market.base_odds - own))
    return float(weights / weights.sum() @ -(p * np.log(p) + (1 - p) * np.log(1 - p)))


def knowledge(market: Market, least: float = 0.3) -> tuple[float, float, float]:
    """Deviations of the known log-odds in two equal steps that are worth two margins together."""

    def lacking(known: float, every: float, gain: float) -> float:
        return expected_loss(market, least, every) - expected_loss(market, known, every) - gain

    every = brentq(lambda x: lacking(x, x, 2 * market.margin), least, 2.0)
    return least, brentq(lambda x: lacking(x, every, market.margin), least, every), every


def learns_more(market: Market, rng: np.random.Generator) -> Outcome:
    """Forecasts whose knowledge is worth two margins more at 200M than at 2M, all stated honestly."""
    verdict, gate = whole_rule(market, rng, knowledge(market), (1.0, 1.0, 1.0))
    return {"scales": verdict == "scales", "shut_by_recalibration": gate == "recalibration",
            "shut_by_reversal": gate == "reversal"}  # fmt: skip


def merely_shrinks(market: Market, rng: np.random.Generator) -> Outcome:
    """All sizes know the same; smaller ones state it too boldly, which costs them several margins."""
    verdict, gate = whole_rule(market, rng, (0.4, 0.4, 0.4), (2.0, 1.5, 1.0))
    return {"scales": verdict == "scales", "shut_by_recalibration": gate == "recalibration"}


def knows_nothing(market: Market, rng: np.random.Generator) -> Outcome:
    """No size knows anything; smaller ones are bolder about it."""
    verdict, gate = whole_rule(market, rng, (0.0, 0.0, 0.0), (3.0, 2.0, 1.0))
    return {"scales": verdict == "scales", "moot": gate == "moot"}


def flat_interaction(market: Market, rng: np.random.Generator) -> Outcome:
    """No interaction: whether one is called."""
    points = market.points([None] * 4, [0.70, 0.69, 0.69, 0.68], rng)
    effect = contrast(points, np.array([-1.0, 1.0, 1.0, -1.0]), market.horizon)
    skilled = {"all": Estimate(0.1, 0.001, 1000.0)}  # the gate of skill is open: what is counted is the rest
    decision = interaction_verdict(effect, CFG.confidence, MARGIN, ("a", "b"), Preconditions(), skilled)
    return {"called": decision.verdict in ("scales", "worsens")}


def at_the_margin(market: Market, rng: np.random.Generator) -> Outcome:
    """The true gain is exactly the margin: whether it is called flat."""
    points = market.points(THREE, [0.69, 0.69 - MARGIN / 2, 0.69 - MARGIN], rng)
    return {"called_flat": judged(points, market, CFG.confidence).verdict == "flat"}


def bent(market: Market, rng: np.random.Generator) -> Outcome:
    """First and last size are alike, the middle one is better by the margin: whether it is called flat."""
    points = market.points(THREE, [0.69, 0.69 - MARGIN, 0.69], rng)
    return {"called_flat": judged(points, market, CFG.confidence).verdict == "flat"}


def flat_law(market: Market, rng: np.random.Generator) -> Outcome:
    """Six sizes that do nothing: whether an exponent is claimed."""
    points = market.points(SIX, [0.69] * 6, rng)
    found = scaling_law.fit_law_with_floor(points, market.horizon, CFG)
    return {"identified": found.identified}


QUIET = Market(point_dates=0.01, run_dates=0.01, between_seeds=0.0005)
"""Little noise, in which exponents can be identified at all."""
DESIGN = Market(
    days=4518,
    horizon=1,
    seeds=5,
    common=0.45,
    point_dates=0.085,
    run_dates=0.08,
    between_seeds=0.002,
    folds=9,
    calibration=75,
    base_odds=-1.225,
    margin=0.01,
    contrasts=22,
)
"""The question of size on touches in config/study.yaml (a test holds this to it): nine folds of two years at
h1. A day's paired difference of two scale points varies by 0.13 nats."""
DIRECTION = replace(DESIGN, days=4482, horizon=5, base_odds=0.2, margin=0.005)
"""The same on the direction of five days, of which the preview says that it cannot show its margin."""
LUCKY = replace(DESIGN, searches=3, between_searches=0.003)
COVERAGE: dict[str, tuple[Callable[[Market, np.random.Generator], Outcome], Market]] = {
    "three sizes, 5 seeds": (log_slope, Market()),
    "three sizes, 3 seeds": (log_slope, Market(seeds=3)),
    "three sizes, 3 seeds, loud seeds": (log_slope, Market(seeds=3, between_seeds=0.02)),
    "three sizes, 250 days": (log_slope, Market(days=250)),
    "law with floor, six sizes": (law_with_floor, QUIET),
    "joint law, 3 sizes x 4 shares": (joint_law, QUIET),
    "three sizes, design, luck of 3 searches": (log_slope, LUCKY),
    "interaction": (interaction, Market()),
    "pooled over 4 curves": (pooled, Market()),
    "single run, h5": (single_run, Market()),
    "single run, h1": (single_run, Market(horizon=1)),
}
ERRORS: dict[str, tuple[Callable[[Market, np.random.Generator], Outcome], Market]] = {
    "flat study, 5 seeds": (flat_study, Market()),
    "flat study, 3 seeds, loud seeds": (flat_study, Market(seeds=3, between_seeds=0.01)),
    "flat study, 2 seeds, loud seeds": (flat_study, Market(seeds=2, between_seeds=0.02)),
    "flat study, 250 days": (flat_study, Market(days=250)),
    "flat study at the size of design": (flat_study, DESIGN),
    "flat study, design, luck of 3 searches": (flat_study, LUCKY),
    "flat study, design, loud luck of 3 searches": (flat_study, replace(LUCKY, between_searches=0.01)),
    "two margins in one curve, design": (two_margins, DESIGN),
    "two margins in one curve, design on direction": (two_margins, DIRECTION),
    "flat study, design on direction": (flat_study, DIRECTION),
    "flat study, design on direction, luck of 3 searches": (
        flat_study,
        replace(DIRECTION, searches=3, between_searches=0.003),
    ),
    "flat study, design, luck of folds 0.003": (flat_study, replace(DESIGN, between_folds=0.003)),
    "flat study, design, luck of folds 0.01": (flat_study, replace(DESIGN, between_folds=0.01)),
    "two margins, design, luck of 3 searches": (two_margins, LUCKY),
    "forecasts, two margins of knowledge": (learns_more, DESIGN),
    "forecasts, merely less bold": (merely_shrinks, DESIGN),
    "forecasts, no knowledge": (knows_nothing, DESIGN),
    "no interaction": (flat_interaction, Market()),
    "gain at the margin": (at_the_margin, QUIET),
    "middle size better by the margin": (bent, QUIET),
    "six flat sizes": (flat_law, Market()),
}

SLOW = {joint_law: 200, learns_more: 60, merely_shrinks: 60, knows_nothing: 60}
"""Worlds that take seconds each: 200 repetitions tell 90 % from 85 %, 60 tell 95 % from 80 %."""


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
    """Seconds for the linear form of the AUC on 500 test days."""
    rng = np.random.default_rng(0)
    target, score = (rng.random(500) < 0.5) * 1.0, rng.random(500)
    begun = time.perf_counter()
    auc_influence(target, score)
    return {"auc_linear_form_s": round(time.perf_counter() - begun, 5)}


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
            repetitions = min(arguments.repetitions, SLOW.get(world, arguments.repetitions))
            found = simulate(world, market, repetitions, seed=len(name))
            result[kind][name] = found
            shares = {k: round(v["share"], 3) for k, v in found.items() if isinstance(v, dict)}
            print(f"{kind:9s} {name:34s} {shares} ({found['seconds']} s)", flush=True)
    write_json_atomic(arguments.output, result)


if __name__ == "__main__":
    main()

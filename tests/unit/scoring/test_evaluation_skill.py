"""Skill over the base rate, and what is left of a gain once both models are recalibrated."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit, softmax
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss

from lib.inference.comparisons import DateLosses
from lib.metrics.classification import log_loss_per_sample
from lib.metrics.ternary import log_loss_per_sample as ternary_loss
from lib.scaling.curve_skill import Part, measure_skill, recalibrated_gain
from lib.scaling.samples import Aligned, PredictionFiles, RunSamples, calibration_reader
from lib.scaling.scale_points import ScalePoint
from lib.scoring.skill import as_bold_as, base_rate_losses, recalibrate, spread_of

RNG = np.random.default_rng(3)


def binary(n: int, factor: float = 1.0, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores of an over-confident model (its log-odds are `factor` times the true ones) and what happened."""
    odds = RNG.normal(0, 0.5, n)
    return expit(factor * odds + shift), (RNG.random(n) < expit(odds)).astype(float)


def ternary(n: int, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    odds = RNG.normal(0, 0.7, (n, 3)) + np.array([0.0, -0.4, 0.3])
    happened = np.array([RNG.choice([-1.0, 0.0, 1.0], p=p) for p in softmax(odds, axis=1)])
    return softmax(factor * odds, axis=1), happened


def test_the_base_rate_loses_what_scikit_learn_says() -> None:
    target = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    found = base_rate_losses(target, 0.4, "direction")
    assert found is not None
    assert found.mean() == pytest.approx(log_loss(target, np.full(5, 0.4)))
    three = base_rate_losses(np.array([-1.0, 0.0, 1.0]), [0.2, 0.5, 0.3], "triple_barrier")
    assert three == pytest.approx(-np.log([0.2, 0.5, 0.3]))
    assert base_rate_losses(np.array([0.1, -0.2]), None, "regression") == pytest.approx([0.01, 0.04])
    assert base_rate_losses(target, None, "direction") is None
    assert base_rate_losses(target, None, "triple_barrier") is None


def test_two_classes_are_recalibrated_as_scikit_learn_does() -> None:
    score, target = binary(400, 3.0, 0.5)
    new, _ = binary(100, 3.0, 0.5)
    found = recalibrate(score, target, new, "direction")
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10)
    model.fit(logit(score)[:, None], target)
    assert found == pytest.approx(model.predict_proba(logit(new)[:, None])[:, 1], abs=1e-6)


def test_returns_are_recalibrated_as_scikit_learn_does() -> None:
    score = RNG.normal(0, 0.01, 200)
    target = 0.3 * score + 0.002 + RNG.normal(0, 0.01, 200)
    new = RNG.normal(0, 0.01, 50)
    expected = LinearRegression().fit(score[:, None], target).predict(new[:, None])
    assert recalibrate(score, target, new, "regression") == pytest.approx(expected)
    assert recalibrate(np.zeros(200), target, new, "regression") == pytest.approx(np.full(50, target.mean()))


def test_three_classes_get_the_likeliest_slope_and_offsets() -> None:
    score, target = ternary(600, 2.5)
    found = recalibrate(score, target, score, "triple_barrier")
    assert found is not None

    def loss(b: np.ndarray) -> float:
        z = b[0] * np.log(score) + np.array([b[1], 0.0, b[2]])
        return -float(log_softmax(z, axis=1)[np.arange(600), target.astype(int) + 1].mean())

    best = minimize(
        loss, np.array([1.0, 0.0, 0.0]), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12}
    )
    assert ternary_loss(target, found).mean() == pytest.approx(best.fun, abs=1e-9)
    # The offsets make every class as likely as it was; scikit-learn's free weights can only fit better.
    assert found.mean(axis=0) == pytest.approx([(target == k).mean() for k in (-1, 0, 1)], abs=1e-6)
    free = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(np.log(score), target)
    at_best = log_loss(target, free.predict_proba(np.log(score)))
    assert at_best <= ternary_loss(target, found).mean() < at_best + 0.01


def test_recalibration_undoes_over_confidence_and_adds_no_knowledge() -> None:
    score, target = binary(20_000, 4.0, 1.0)
    new, happened = binary(20_000, 4.0, 1.0)
    repaired = recalibrate(score, target, new, "direction")
    assert repaired is not None
    honest = expit((logit(new) - 1.0) / 4.0)
    assert np.abs(repaired - honest).max() < 0.03
    gap = log_loss_per_sample(happened, repaired).mean() - log_loss_per_sample(happened, honest).mean()
    assert abs(gap) < 0.001


@pytest.mark.parametrize(
    ("task", "n", "rare"), [("direction", 49, 20), ("direction", 200, 4), ("triple_barrier", 200, 4)]
)
def test_too_few_samples_recalibrate_nothing(task: str, n: int, rare: int) -> None:
    target = np.zeros(n)
    target[:rare] = 1.0
    if task == "triple_barrier":
        target[-50:] = -1.0
        score = softmax(RNG.normal(size=(n, 3)), axis=1)
    else:
        score = RNG.random(n)
    assert recalibrate(score, target, score, task) is None
    assert recalibrate(np.zeros(49), np.zeros(49), np.zeros(9), "regression") is None


class Calibrated:
    """Calibration samples by path: all that `measure_skill` asks of the material."""

    def __init__(self, samples: dict[str, RunSamples]) -> None:
        self.samples = samples

    def calibration_of(self, row: dict[str, Any]) -> RunSamples | None:
        return self.samples.get(row["path"])


def fold(
    number: int, n: int, held: int, bold: Sequence[float]
) -> tuple[dict[str, Part], dict[str, RunSamples]]:
    """One fold of models (two seeds each) that know the same and say it more or less boldly."""
    score, target = binary(n)
    before, happened = binary(held)
    dates = np.datetime64("2010-01-01") + np.arange(number * n, (number + 1) * n)
    scores = [expit(factor * logit(score)) for factor in bold for _ in range(2)]
    aligned = Aligned(dates, np.arange(n), target, np.array(scores), "direction")
    parts, samples = {}, {}
    for at, factor in enumerate(bold):
        rows = [{"path": f"{at}/{number}/{seed}", "train_base_rate": 0.4 + 0.1 * number} for seed in range(2)]
        parts[str(at)] = (aligned, range(2 * at, 2 * at + 2), rows)
        for row in rows:
            samples[row["path"]] = RunSamples(np.arange(held), happened, expit(factor * logit(before)))
    return parts, samples


def joined(
    folds: int, n: int, held: int, bold: Sequence[float] = (3.0, 1.0), bolder_in: Sequence[int] = ()
) -> Any:
    parts: dict[str, list[Part]] = {str(at): [] for at in range(len(bold))}
    samples: dict[str, RunSamples] = {}
    for number in range(folds):
        own, more = fold(number, n, held, (6.0, 1.0) if number in bolder_in else bold)
        samples |= more
        for label, part in own.items():
            parts[label].append(part)
    levels = []
    for label, own_parts in parts.items():
        sums = np.concatenate([aligned.losses(at).sums for aligned, at, _ in own_parts], axis=1)
        levels.append(ScalePoint(label, None, DateLosses(sums, np.ones(folds * n))))
    return levels, parts, samples


def test_skill_is_over_the_base_rate_of_each_fold() -> None:
    levels, parts, samples = joined(2, 300, 100)
    skill, _ = measure_skill(levels, parts, 1, Calibrated(samples))  # type: ignore[arg-type]
    rates = np.repeat([0.4, 0.5], 300)
    target = np.concatenate([aligned.target for aligned, _, _ in parts["0"]])
    constant = log_loss_per_sample(target, rates).mean()
    for level in levels:
        assert skill[level.label].value == pytest.approx(constant - level.mean)
    for _, _, rows in parts["1"]:
        rows[0]["train_base_rate"] = None  # type: ignore[index]
    assert set(measure_skill(levels, parts, 1, Calibrated(samples))[0]) == {"0"}  # type: ignore[arg-type]


def test_a_gain_from_being_less_bold_is_gone_after_recalibration() -> None:
    levels, parts, samples = joined(3, 400, 400)
    gain = levels[0].mean - levels[1].mean
    _, recalibrated = measure_skill(levels, parts, 1, Calibrated(samples))  # type: ignore[arg-type]
    assert gain > 0.05
    assert recalibrated is not None
    assert abs(recalibrated.value) < 1e-6


def test_a_gain_from_being_less_bold_in_some_folds_only_is_gone_as_well() -> None:
    levels, parts, samples = joined(6, 400, 100, bold=(1.0, 1.0), bolder_in=(1, 4))
    gain = levels[0].mean - levels[1].mean
    _, recalibrated = measure_skill(levels, parts, 1, Calibrated(samples))  # type: ignore[arg-type]
    assert gain > 0.05
    assert recalibrated is not None
    assert recalibrated.value < 0.003, "one slope for all folds leaves .008, its interval above 0"


@pytest.mark.parametrize("task", ["direction", "triple_barrier", "regression"])
def test_boldness_is_changed_around_the_mean_of_the_calibration_samples(task: str) -> None:
    score = {
        "direction": binary(300, 3.0, 0.5)[0],
        "triple_barrier": ternary(300, 2.0)[0],
        "regression": RNG.normal(0.001, 0.01, 300),
    }[task]
    wanted = 0.4 * spread_of(score, task)
    found = as_bold_as(score, score, wanted, task)
    if task == "direction":
        assert logit(found).mean() == pytest.approx(logit(score).mean())
    if task == "regression":
        assert found.mean() == pytest.approx(score.mean())
    if task == "triple_barrier":
        assert found.sum(axis=1) == pytest.approx(np.ones(300))
    else:
        assert spread_of(found, task) == pytest.approx(wanted)
    same = np.full_like(score, 1 / 3)
    assert as_bold_as(score, same, wanted, task) is score


def test_a_fold_is_recalibrated_on_its_own_samples_and_those_of_earlier_folds() -> None:
    levels, parts, samples = joined(2, 200, 60, bold=(3.0, 2.0))
    calibrated: Any = Calibrated(samples)
    pooled, evened = (
        recalibrated_gain([parts["0"], parts["1"]], 1, calibrated, even) for even in (False, True)
    )
    assert pooled is not None
    assert evened is not None
    expected = []
    for label in ("0", "1"):
        losses = []
        for at, (aligned, positions, _) in enumerate(parts[label]):
            past = [samples[f"{label}/{number}/0"] for number in range(at + 1)]
            score, target = (np.concatenate([getattr(s, k) for s in past]) for k in ("score", "target"))
            new = recalibrate(score, target, aligned.scores[positions[0]], "direction")
            losses.append(log_loss_per_sample(aligned.target, new))
        expected.append(np.concatenate(losses).mean())
    assert pooled.value == pytest.approx(expected[0] - expected[1], abs=1e-8), "rounding is no difference"
    _, counts = measure_skill(levels, parts, 1, calibrated)
    assert counts in (pooled, evened)
    sign = np.sign(levels[0].mean - levels[1].mean)
    least = [min(sign * end for end in one.interval(0.95)) for one in (pooled, evened, counts)]  # type: ignore[operator]
    assert least[2] == min(least), "the less favourable of the two counts"


def test_folds_without_calibration_are_left_out_until_too_few_dates_remain() -> None:
    levels, parts, samples = joined(3, 200, 60, bold=(3.0, 2.0))
    lacking = {path: one for path, one in samples.items() if path.split("/")[1] != "2"}
    _, two = measure_skill(levels, parts, 1, Calibrated(lacking))  # type: ignore[arg-type]
    assert two is not None
    assert two.date_degrees == pytest.approx(400 / two.block - 1)
    only = {path: one for path, one in samples.items() if path.split("/")[1] == "2"}
    assert measure_skill(levels, parts, 1, Calibrated(only))[1] is None  # type: ignore[arg-type]


def test_the_calibration_part_is_read_apart_from_the_rest_and_is_no_look_at_the_test() -> None:
    frame = pl.DataFrame(
        {"date": [date(2015, 1, day) for day in (1, 2, 3)], "symbol": "S", "target": [1.0, 0.0, 1.0],
         "prediction": [1.0, 0.0, 1.0], "probability_1": [0.6, 0.4, 0.7],
         "part": ["selection", "calibration", "calibration"]}
    )  # fmt: skip
    asked = []
    read = calibration_reader(lambda path, split: asked.append(split) or frame)  # type: ignore[func-returns-value]
    predictions = PredictionFiles(read, what="calibration")
    found = predictions.of({"path": "run", "task": "direction"})
    assert found is not None
    assert found.score.tolist() == [0.4, 0.7]
    assert asked == ["val"]
    lost = PredictionFiles(calibration_reader(lambda path, split: frame.drop("target")), what="calibration")
    assert lost.of({"path": "run", "task": "direction"}) is None
    assert "calibration predictions cannot be read" in lost.troubles[0][2]

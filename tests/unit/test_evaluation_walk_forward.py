"""Walk-forward folds: each one's losses, and paired differences pooled over all test dates."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from lib.config.experiment import Experiment
from lib.config.workflow import EvaluationConfig
from lib.evaluation.material import Material, RunIndex
from lib.evaluation.samples import Predictions
from lib.evaluation.walk_forward import contrasts_of, walk_forward_entries

DAYS = 250
GRID = {"timescales": ["daily"], "tasks": ["direction"], "horizons": [1], "datasets": ["Aa50"]}
SIZED = {"models": ["patchtst-mixed"], "budgets": ["2M", "200M"], "seeds": [1, 2]}
OPPONENTS = {"models": ["base_rate"], "seeds": [1]}


def experiments(folds: int) -> dict[str, Experiment]:
    found = {}
    for fold in range(1, folds + 1):
        variant = f"wf{fold:02d}"
        found[f"sized-{variant}"] = Experiment(question="In other years?", variant=variant, **GRID, **SIZED)
        found[f"naive-{variant}"] = Experiment(question="Opponents?", variant=variant, **GRID, **OPPONENTS)
    return found


def words(path: str) -> tuple[str, str, str, int]:
    variant, model, budget, seed = path.split("/")
    return variant, model, budget, int(seed)


def predictions(path: str, _split: str) -> pl.DataFrame:
    """Labels of a fold, and a probability of what happens: 0.6 at 200M (0.5 in fold 3), 0.55 at 2M."""
    variant, _, budget, seed = words(path)
    fold = int(variant.removeprefix("wf"))
    target = np.random.default_rng(fold).integers(0, 2, DAYS).astype(float)
    sure = {"2M": 0.55, "200M": 0.5 if fold == 3 else 0.6, "none": 0.5}[budget]
    noise = np.random.default_rng([fold, seed, len(budget)]).normal(0, 0.01, DAYS)
    sure = sure + (noise if budget != "none" else 0.0)
    probability = np.where(target == 1, sure, 1 - sure)
    first = date(2010 + fold, 1, 1)
    return pl.DataFrame(
        {
            "date": [first + timedelta(days=i) for i in range(DAYS)],
            "symbol": "SPY",
            "target": target,
            "prediction": (probability > 0.5).astype(float),
            "probability_0": 1 - probability,
            "probability_1": probability,
        }
    )


def material(folds: int, missing: tuple[str, ...] = ()) -> Material:
    rows = []
    for experiment in experiments(folds).values():
        for budget in experiment.budgets or ["none"]:
            for seed in experiment.seeds:
                path = f"{experiment.variant}/{experiment.models[0]}/{budget}/{seed}"
                rows.append(
                    {
                        "variant": experiment.variant,
                        "dataset": "Aa50",
                        "timescale": "daily",
                        "task": "direction",
                        "horizon": 1,
                        "model": experiment.models[0],
                        "budget": budget,
                        "seed": seed,
                        "path": path,
                        "status": "missing" if path in missing else "done",
                    }
                )
    return Material(RunIndex(pl.DataFrame(rows)), Predictions(predictions), EvaluationConfig())


def test_sizes_are_compared_with_each_other_and_with_every_opponent():
    small, large, naive, linear = ("a", "2M"), ("a", "200M"), ("base_rate", "none"), ("logistic", "none")
    assert contrasts_of([naive, large, linear, small]) == [
        (large, small), (small, naive), (small, linear), (large, naive), (large, linear),
    ]  # fmt: skip


def test_folds_are_listed_and_differences_pooled_over_all_their_dates():
    [entry] = walk_forward_entries(experiments(3), material(3))
    assert entry["cell"]["variant"] == "base"
    assert [fold["fold"] for fold in entry["folds"]] == [1, 2, 3]
    assert [fold["first"] for fold in entry["folds"]] == ["2011-01-01", "2012-01-01", "2013-01-01"]
    assert {(m["model"], m["budget"], m["seeds"]) for m in entry["folds"][0]["models"]} == {
        ("patchtst-mixed", "2M", 2), ("patchtst-mixed", "200M", 2), ("base_rate", "none", 1),
    }  # fmt: skip
    sizes = entry["pooled"][0]
    assert (sizes["budget"], sizes["against_budget"]) == ("200M", "2M")
    by_fold = [fold["differences"][0]["difference"]["estimate"] for fold in entry["folds"]]
    assert sizes["difference"]["estimate"] == pytest.approx(np.mean(by_fold)), "all folds have as many dates"
    expected = (2 * np.log(0.55 / 0.6) + np.log(0.55 / 0.5)) / 3
    assert sizes["difference"]["estimate"] == pytest.approx(expected, abs=0.003)
    assert (sizes["folds"], sizes["dates"], sizes["better_folds"]) == (3, 3 * DAYS, 2)
    assert sizes["difference"]["se_seeds"] is not None
    naive = entry["pooled"][1]
    assert (naive["against_model"], naive["better_folds"]) == ("base_rate", 3)
    assert naive["difference"]["high_holm"] < 0
    assert entry["family"]["size"] == 3


def test_a_fold_without_one_side_is_left_out_of_that_comparison_and_counted():
    lost = ("wf02/patchtst-mixed/200M/1", "wf02/patchtst-mixed/200M/2", "wf03/patchtst-mixed/2M/2")
    [entry] = walk_forward_entries(experiments(3), material(3, lost))
    sizes, naive = entry["pooled"][0], entry["pooled"][1]
    assert (sizes["folds"], sizes["dates"]) == (2, 2 * DAYS)
    assert sizes["difference"]["estimate"] is not None
    assert naive["folds"] == 3
    assert naive["difference"]["se_seeds"] is None, "one seed is in all folds, so its noise is unknown"
    assert entry["declared_folds"] == 3


def test_a_study_without_folds_has_no_entry():
    assert walk_forward_entries({}, material(1)) == []

"""Walk-forward folds are the evidence: joined by date and seed, judged together, shown one by one."""

from collections.abc import Collection
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from lib.config.experiment import PlannedExperiment
from lib.config.workflow import EvaluationConfig
from lib.metrics.classification import roc_auc
from lib.scaling.axes import AXES
from lib.scaling.baselines import baseline_tables
from lib.scaling.confirmation import agreement, confirmation
from lib.scaling.control_runs import null_entries
from lib.scaling.controls import null_level
from lib.scaling.curves import Curve, curves_of
from lib.scaling.diagnosis import diagnose
from lib.scaling.hypotheses import hypotheses_of
from lib.scaling.interactions import interactions_of, measure_interaction
from lib.scaling.questions import answers_of
from lib.scaling.run_index import RunIndex, StudyRuns
from lib.scaling.samples import PredictionFiles
from lib.scaling.walk_forward import contrasts_of, walk_forward_entries

DAYS = 250
CASE = {
    "condition": "base", "train_fraction": 1.0, "context_length": 80, "dataset": "Aa50", "timescale": "daily",
    "task": "direction", "horizon": 1,
}  # fmt: skip
GRID = {"timescales": ["daily"], "tasks": ["direction"], "horizons": [1], "datasets": ["Aa50"]}
SIZED = {"models": ["patchtst-mixed"], "budgets": ["2M", "200M"], "seeds": [1, 2, 3]}
BASELINES = {"models": ["base_rate"], "seeds": [1]}
SURE = {"2M": 0.55, "20M": 0.57, "200M": 0.6, "none": 0.5}


def experiments(folds: int, opened: bool = False, shares: Collection[float] = (1.0,)) -> dict:
    """An experiment in folds (and on the study's own split) and its baselines, as they are planned."""
    found = {}
    for fold in [*range(1, folds + 1), *([None] if opened else [])]:
        for share in shares:
            label = "base" if fold is None else f"wf{fold:02d}"
            label += "" if share == 1 else f"-frac{100 * share:g}"
            planned = {"variant": label, "condition": "base", "fold": fold, "walk_forward": True}
            own = planned | {"train_fraction": share}
            found[f"sized-{label}"] = PlannedExperiment(
                question="In other years?", declared="sized", **own, **GRID, **SIZED
            )
        found[f"naive-{label}"] = PlannedExperiment(
            question="Baselines?", declared="naive", **planned, **GRID, **BASELINES
        )
    return found


def outcomes(fold: int) -> np.ndarray:
    return np.random.default_rng(fold).integers(0, 2, DAYS).astype(float)


def predictions(path: str, _split: str) -> pl.DataFrame:
    """Labels of a fold, and a probability of what happens: 0.6 at 200M (0.5 in fold 3), 0.55 at 2M."""
    variant, _, budget, seed = path.split("/")
    label, _, share = variant.partition("-frac")
    fold = 9 if label == "base" else int(label.removeprefix("wf"))
    target = outcomes(fold)
    sure = 0.5 if fold == 3 and budget == "200M" else SURE[budget]
    noise = np.random.default_rng([fold, int(seed), len(budget)]).normal(0, 0.01, DAYS)
    sure = sure + (noise if budget != "none" else 0.0) - (0.02 if share else 0.0)
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


def material(planned: dict, missing: Collection[str] = (), confirmation: str = "closed") -> StudyRuns:
    rows = []
    for experiment in planned.values():
        facts = {"condition": "base", "fold": experiment.fold, "train_fraction": experiment.train_fraction}
        facts |= {"search": None, "family": "naive" if experiment.declared == "naive" else "transformer"}
        for budget in experiment.budgets or ["none"]:
            for seed in experiment.seeds:
                path = f"{experiment.variant}/{experiment.models[0]}/{budget}/{seed}"
                status = "missing" if path in missing else "done"
                rows.append(
                    CASE
                    | facts
                    | {"variant": experiment.variant, "model": experiment.models[0], "budget": budget}
                    | {"seed": seed, "path": path, "status": status, "experiment": experiment.declared}
                    | {"test_collapsed": False}
                    | {"test_base_rate_log_loss": 0.69 + 0.01 * (experiment.fold or 0)}
                    | {"selection_log_loss": 0.6, "train_base_rate": 0.5, "test_base_rate": 0.5}
                    | dict.fromkeys(
                        ("param_count", "n_train", "train_gap", "best_train_loss", "best_validation_loss",
                         "best_epoch", "epochs", "test_brier", "test_ece", "test_calibrated_log_loss")
                    )
                )  # fmt: skip
    index = RunIndex(pl.DataFrame(rows, infer_schema_length=None))
    return StudyRuns(index, PredictionFiles(predictions), EvaluationConfig(confirmation=confirmation))  # type: ignore[arg-type]


def measured(planned: dict, *missing: str, **settings: str) -> tuple[Curve, StudyRuns]:
    found = material(planned, missing, **settings)
    [curve] = curves_of(AXES["parameters"], next(a for a in hypotheses_of(planned, found.index)).rows, found)
    return curve, found


def lost(fold: int, budget: str, *seeds: int) -> list[str]:
    return [f"wf{fold:02d}/patchtst-mixed/{budget}/{seed}" for seed in seeds]


def test_a_curve_pools_the_dates_of_all_folds_and_keeps_the_samples_of_each():
    curve, found = measured(experiments(3))
    assert curve.dates is not None
    assert (curve.folds, curve.dates.size, curve.seeds) == ([1, 2, 3], 3 * DAYS, {"2M": 3, "200M": 3})
    assert np.all(np.diff(curve.dates) > np.timedelta64(0, "D"))
    expected = (2 * np.log(0.6 / 0.55) + np.log(0.5 / 0.55)) / 3
    assert curve.gain is not None
    assert curve.gain.value == pytest.approx(expected, abs=0.003)
    assert curve.gain.se_seeds > 0
    assert [point["n"] for point in curve.entries] == [3 * DAYS] * 2
    assert curve.entries[0]["base_rate_log_loss"] == pytest.approx(0.71), "mean over the folds"
    for parts in curve.parts.values():
        assert [row["fold"] for _, _, rows in parts for row in rows] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
        for aligned, positions, rows in parts:
            np.testing.assert_array_equal(aligned.target, outcomes(rows[0]["fold"]))
            assert [rows[i]["seed"] for i in range(len(positions))] == [1, 2, 3]
    assert not found.troubles


def test_the_auc_of_folds_is_the_mean_of_theirs():
    curve, _ = measured(experiments(2))
    by_fold = [
        roc_auc(outcomes(fold), predictions(path, "test")["probability_1"].to_numpy())
        for fold in (1, 2)
        for path in lost(fold, "200M", 1, 2, 3)
    ]
    assert curve.entries[1]["auc"] == pytest.approx(np.mean(by_fold))


def test_a_scale_point_is_judged_by_the_seeds_that_every_fold_has():
    curve, _ = measured(experiments(3), *lost(2, "2M", 1))
    assert (curve.seeds, curve.declared) == ({"2M": 2, "200M": 3}, {"2M": 3, "200M": 3})
    assert {row["seed"] for _, _, rows in curve.parts["2M"] for row in rows} == {2, 3}


def test_a_fold_without_a_scale_point_is_left_out_for_all_and_named_in_the_reason():
    planned = experiments(3)
    found = material(planned, lost(2, "200M", 1, 2, 3))
    [question] = answers_of(hypotheses_of(planned, found.index), found, []).questions
    curve, _ = measured(planned, *lost(2, "200M", 1, 2, 3))
    assert (curve.folds, dict(curve.lost_folds)) == ([1, 3], {2: ["200M"]})
    assert curve.dates is not None
    assert curve.dates.size == 2 * DAYS, "2M is not judged on more dates than 200M"
    assert "fold 2 is left out for want of 200M" in question["curves"][0]["reason"]
    assert "lost_fold" in {trouble.kind for trouble in found.troubles}


def test_scale_points_without_a_common_fold_cannot_be_compared():
    curve, found = measured(experiments(2), *lost(1, "2M", 1, 2, 3), *lost(2, "200M", 1, 2, 3))
    assert curve.gain is None
    assert not curve.absent
    assert "fold 1 is left out for all, without a usable run of 2M" in found.troubles[0].text


def test_the_studys_own_split_stands_beside_the_verdict_and_never_in_it():
    alone, _ = measured(experiments(2))
    curve, found = measured(experiments(2, opened=True), confirmation="open")
    assert curve.gain == alone.gain
    assert (curve.folds, curve.confirmation.folds) == ([1, 2], [])  # type: ignore[union-attr]
    beside = confirmation(curve, "scales", 0.005, found.cfg)
    assert beside is not None
    assert (beside["state"], beside["agreement"], beside["n"]) == ("open", "agrees", DAYS)
    assert beside["gain"]["estimate"] == pytest.approx(np.log(0.6 / 0.55), abs=0.003)
    closed = confirmation(alone, "scales", 0.005, EvaluationConfig())
    assert closed is not None
    assert closed["state"] == "closed"
    missing = [f"base/patchtst-mixed/2M/{seed}" for seed in (1, 2, 3)]
    curve, found = measured(experiments(2, opened=True), *missing, confirmation="open")
    beside = confirmation(curve, "scales", 0.005, found.cfg)
    assert beside is not None
    assert (beside["agreement"], beside["gain"]["estimate"]) == ("cannot tell", None)


@pytest.mark.parametrize(
    ("verdict", "interval", "beside"),
    [
        ("scales", (0.001, 0.02), "agrees"),
        ("scales", (-0.01, 0.02), "cannot tell"),
        ("scales", (-0.02, 0.004), "contradicts"),
        ("worsens", (-0.02, -0.001), "agrees"),
        ("worsens", (-0.004, 0.02), "contradicts"),
        ("flat", (-0.004, 0.005), "agrees"),
        ("flat", (-0.004, 0.01), "cannot tell"),
        ("flat", (0.006, 0.01), "contradicts"),
        ("undecidable", (0.006, 0.01), "cannot tell"),
        ("scales", (None, None), "cannot tell"),
    ],
)
def test_it_agrees_contradicts_or_cannot_tell(verdict, interval, beside):
    assert agreement(verdict, *interval, 0.005) == beside


def test_shares_interactions_and_the_diagnosis_pool_the_folds_too():
    planned = experiments(2, shares=(0.25, 1.0))
    found = material(planned, lost(1, "2M", 3))
    [sizes, data] = hypotheses_of(planned, found.index)
    assert (sizes.name, data.name) == ("sized", "sized")
    assert [axis.name for axis in data.judged] == ["data"]
    curves = curves_of(AXES["data"], data.rows, found)
    assert [curve.key["budget"] for curve in curves] == ["2M", "200M"]
    assert all(curve.folds == [1, 2] and list(curve.seeds) == ["0.25", "1"] for curve in curves)
    assert curves[0].seeds == {"0.25": 3, "1": 2}
    [(first, second, rows)] = interactions_of(data.axes, data.rows)
    effect = measure_interaction(first, second, rows, found)
    assert effect.seeds == {"2M 0.25": 3, "2M 1": 2, "200M 0.25": 3, "200M 1": 3}
    assert effect.effect is not None
    [entry], [law] = diagnose(data, found, [])
    assert {(line["budget"], line["train_fraction"]) for line in entry["rows"]} == {
        ("2M", 0.25), ("2M", 1.0), ("200M", 0.25), ("200M", 1.0),
    }  # fmt: skip
    gain = entry["data_gain_at_largest"]["estimate"]
    assert gain == pytest.approx(np.log(0.6 / 0.58), abs=0.003)
    assert not law["identified"]


def test_baselines_are_compared_over_all_folds():
    planned = experiments(2, opened=True)
    found = material(planned)
    case = tuple(CASE.values())
    [table] = baseline_tables([(case, True)], found)  # type: ignore[list-item]
    assert (table["folds"], table["n"], table["dates"]) == ([1, 2], 2 * DAYS, 2 * DAYS)
    rows = {(row["model"], row["budget"]): row for row in table["rows"]}
    assert rows["patchtst-mixed", "200M"]["over_base_rate"] == pytest.approx(np.log(0.5 / 0.6), abs=0.003)
    assert rows["patchtst-mixed", "200M"]["beats_base_rate"]
    [own] = baseline_tables([(case, False)], found)  # type: ignore[list-item]
    assert (own["folds"], own["n"]) == ([], DAYS)


def null_runs(*leans: float, budgets: tuple[str, ...] = ("2M", "200M")) -> tuple[dict, StudyRuns]:
    """A null control in as many folds, in which 2M leans by so many deviations to what happens."""
    planned = {
        name: one.model_copy(
            update={
                "role": "null_control",
                "labels": "shifted",
                "budgets": list(budgets),
                "condition": "null",
            }
        )
        for name, one in experiments(len(leans)).items()
        if one.declared == "sized"
    }
    found = material(planned)

    def read(path: str, split: str) -> pl.DataFrame:
        variant, _, budget, seed = path.split("/")
        fold = int(variant.removeprefix("wf"))
        rng = np.random.default_rng([fold, int(seed), len(budget)])
        lean = leans[fold - 1] if budget == "2M" else 0.0
        score = 0.5 + 0.01 * (rng.normal(size=DAYS) + lean * (2 * outcomes(fold) - 1))
        return predictions(path, split).with_columns(probability_0=1 - score, probability_1=pl.Series(score))

    return planned, StudyRuns(found.index, PredictionFiles(read), found.cfg)


def test_a_null_control_is_judged_on_the_dates_of_all_its_folds_together():
    """A draw that is rare in one fold and not over all of them is no fault."""
    planned, found = null_runs(-0.2, 0.4, -0.2)
    small, large = null_entries(planned, found)
    assert (small["experiment"], small["variant"], small["folds"]) == ("sized", "null", [1, 2, 3])
    assert (small["budget"], large["budget"]) == ("2M", "200M")
    assert small["passed"]
    assert large["passed"]
    second = {name: one for name, one in planned.items() if one.fold == 2}
    [alone, _] = null_entries(second, found)
    assert not alone["passed"]
    assert alone["auc"] > 0.58
    planned, found = null_runs(-0.2, -0.2, -0.2)
    assert not null_entries(planned, found)[0]["passed"], "what lasts is found"


def test_the_intervals_of_all_null_controls_hold_together():
    """Two sizes and their gain are three chances to fail; another control adds its own."""
    planned, found = null_runs(0.0, 0.0)
    assert [entry["level"] for entry in null_entries(planned, found)] == [pytest.approx(null_level(3))] * 2
    planned, found = null_runs(0.0, 0.0, budgets=("2M",))
    assert [entry["level"] for entry in null_entries(planned, found)] == [pytest.approx(null_level(1))]
    both = planned | {
        f"more-{name}": one.model_copy(update={"declared": "more"}) for name, one in planned.items()
    }
    assert [entry["level"] for entry in null_entries(both, found)] == [pytest.approx(null_level(2))] * 2


def test_sizes_are_compared_with_each_other_and_with_every_baseline():
    small, large, naive, linear = ("a", "2M"), ("a", "200M"), ("base_rate", "none"), ("logistic", "none")
    assert contrasts_of([naive, large, linear, small]) == [
        (large, small), (small, naive), (small, linear), (large, naive), (large, linear),
    ]  # fmt: skip


def test_folds_are_listed_with_how_often_each_is_better():
    planned = experiments(3)
    [entry] = walk_forward_entries(planned, material(planned, lost(2, "200M", 1, 2, 3)))
    assert entry["problem"] == CASE
    assert entry["declared_folds"] == 3
    assert [(fold["fold"], fold["first"], fold["dates"]) for fold in entry["folds"]] == [
        (1, "2011-01-01", DAYS), (2, "2012-01-01", DAYS), (3, "2013-01-01", DAYS),
    ]  # fmt: skip
    assert {(m["model"], m["budget"], m["seeds"]) for m in entry["folds"][0]["models"]} == {
        ("patchtst-mixed", "2M", 3), ("patchtst-mixed", "200M", 3), ("base_rate", "none", 1),
    }  # fmt: skip
    sizes, naive, _ = entry["better"]
    assert (sizes["budget"], sizes["against_budget"]) == ("200M", "2M")
    assert (sizes["folds"], sizes["better_folds"]) == (2, 1), "not in fold 3, and fold 2 has no 200M"
    assert (naive["budget"], naive["against_model"], naive["better_folds"]) == ("2M", "base_rate", 3)


def test_a_study_without_folds_has_no_entry():
    assert walk_forward_entries({}, material(experiments(1))) == []

"""scaling.json of whole studies in worlds whose answer is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import product
from typing import Any

import numpy as np
import polars as pl
import pytest

from lib.config.base import BUDGET_PARAMETERS
from lib.config.experiment import PlannedExperiment
from lib.config.workflow import EvaluationConfig
from lib.results.meanings import CURVE, QUESTION, SUMMARY
from lib.scaling import baselines
from lib.scaling.run_columns import RUNS_SCHEMA
from lib.scaling.summary import scaling_summary
from tests.unit.made_study import facts_of

CFG = EvaluationConfig(bootstrap_draws=300)
DAYS = 500
BUDGETS = ("2M", "20M", "200M")
Noise = Callable[[str, int], float]
"""Standard deviation of a run's error around the true log-odds, by budget and seed."""


def experiment(**changes: Any) -> PlannedExperiment:
    fields: dict[str, Any] = {
        "question": "Do more parameters help?", "datasets": ["Aa20"], "timescales": ["daily"],
        "tasks": ["direction"], "horizons": [1], "models": ["patchtst", "logistic"], "budgets": list(BUDGETS),
        "seeds": [1, 2, 3],
    }  # fmt: skip
    return PlannedExperiment(**fields | changes)


NULL = experiment(role="null_control", variant="null", labels="shifted", models=["patchtst"], budgets=["2M"])
PLANTED = experiment(
    role="positive_control", variant="planted", models=["patchtst"], budgets=["2M"],
    data={"source": "synthetic", "vintage": "planted"},
)  # fmt: skip

LEAK = experiment(role="leak_control", variant="leak", planted="tomorrow", models=["patchtst"])
LAW = experiment(
    role="law_control", variant="law", expects="scales", models=["patchtst"], margin=0.005,
    data={"source": "synthetic", "vintage": "law"},
)  # fmt: skip
TWIN = LAW.model_copy(update={"variant": "twin", "expects": "flat"})


class World:
    """Runs whose predictions are the true log-odds plus noise that depends on the budget."""

    def __init__(self, noise: Noise, days: int = DAYS) -> None:
        self.noise, self.days = noise, days
        self.control_noise: Noise = lambda budget, seed: 0.3
        rng = np.random.default_rng(7)
        self.odds = rng.normal(0, 1.0, days)
        self.target = (rng.random(days) < 1 / (1 + np.exp(-self.odds))).astype(float)
        self.shifted = rng.permutation(self.target)
        self.before = rng.normal(0, 1.0, days)
        """True log-odds of the calibration part."""
        self.happened = (rng.random(days) < 1 / (1 + np.exp(-self.before))).astype(float)
        self.frames: dict[str, pl.DataFrame] = {}
        """Test predictions by path."""
        self.calibration: dict[str, pl.DataFrame] = {}

    def add(self, name: str, exp: PlannedExperiment) -> Iterator[dict[str, Any]]:
        for task, model, seed in product(exp.tasks, exp.models, exp.seeds):
            for budget in exp.budgets if model.startswith("patchtst") else ["none"]:
                path = f"{exp.variant}/{task}/{model}/{budget}/{seed}"
                self.frames[path] = self.predictions(exp, task, budget, seed)
                self.calibration[path] = self.predictions(exp, task, budget, seed, "calibration")
                row = dict.fromkeys(RUNS_SCHEMA) | facts_of(exp) | {
                    "experiment": name, "role": exp.role, "question": exp.question, "variant": exp.variant,
                    "dataset": "Aa20", "timescale": "daily", "task": task, "horizon": 1, "model": model,
                    "family": "transformer" if model.startswith("patchtst") else "linear", "budget": budget,
                    "seed": seed,
                    "status": "done", "path": path, "param_count": BUDGET_PARAMETERS.get(budget, 20),
                    "selection_log_loss": 0.6 if budget == "none" else 0.65, "selection_mse": 1e-4,
                    "test_base_rate_log_loss": 0.69, "train_base_rate": 0.5, "test_base_rate": 0.5,
                    "n_test": self.days, "row": "A", "column": "a", "tier": 20,
                    "too_good": exp.role == "leak_control",
                }  # fmt: skip
                yield row

    def read(self, path: str, split: str) -> pl.DataFrame:
        return self.frames[path] if split == "test" else self.calibration[path]

    def predictions(
        self, exp: PlannedExperiment, task: str, budget: str, seed: int, part: str = "test"
    ) -> pl.DataFrame:
        rng = np.random.default_rng([seed, len(budget), len(exp.variant), part == "calibration"])
        noises = {"scales": scaling, "flat": flat, None: self.control_noise}
        noise = (self.noise if exp.role == "question" else noises[exp.expects])(budget, seed)
        test = part == "test"
        known, target = (self.odds, self.target) if test else (self.before, self.happened)
        odds = known + noise * rng.normal(size=self.days)
        begin = date(2015 if test else 2012, 1, 1)
        columns: dict[str, Any] = {
            "date": [begin + timedelta(days=i) for i in range(self.days)],
            "symbol": "^GSPC",
            "horizon": 1,
            "part": part,
        }
        if task == "regression":
            columns |= {"target": 0.01 * known + 0.005 * (target - 0.5), "prediction": 0.01 * odds}
        else:
            p = 1 / (1 + np.exp(-odds))
            target = self.shifted if exp.labels == "shifted" else target
            if exp.labels == "shifted":
                p = 0.5 + 0.2 * (p - 0.5)
            columns |= {
                "target": target,
                "prediction": (p > 0.5) * 1.0,
                "probability_0": 1 - p,
                "probability_1": p,
            }
            if task == "triple_barrier":  # every fourth day touches nothing, which nobody foresees
                touched = np.arange(self.days) % 4 > 0
                columns["target"] = np.where(touched, 2 * target - 1, 0.0)
                columns |= {
                    "probability_-1": 0.75 * (1 - p),
                    "probability_0": 0.25,
                    "probability_1": 0.75 * p,
                }
        return pl.DataFrame(columns)

    def summary(
        self, experiments: dict[str, PlannedExperiment],
        spoil: Callable[[dict[str, Any]], None] = lambda row: None,
        planted_auc: float | None = 0.75, primary: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        rows = [row for name, exp in experiments.items() for row in self.add(name, exp)]
        for row in rows:
            spoil(row)
        runs = pl.DataFrame(rows, schema=RUNS_SCHEMA)
        result = scaling_summary(experiments, runs, self.read, CFG, lambda *words: planted_auc, primary)
        json.dumps(result, allow_nan=False)
        return result


def scaling(budget: str, seed: int) -> float:
    return {"2M": 1.2, "20M": 0.7, "200M": 0.3}.get(budget, 0.5)


def flat(budget: str, seed: int) -> float:
    return 0.05


NO_ROWS = pl.DataFrame(
    schema={
        "date": pl.Date, "symbol": pl.String, "target": pl.Float64, "prediction": pl.Float64,
        "probability_1": pl.Float64, "part": pl.String,
    }
)  # fmt: skip
STUDY = {"phase1": experiment(), "null": NULL, "planted": PLANTED}
CONTROLLED = {
    "phase1": experiment(),
    "null": NULL.model_copy(update={"budgets": list(BUDGETS)}),
    "planted": PLANTED.model_copy(update={"budgets": list(BUDGETS)}),
    "leak": LEAK,
    "law": LAW,
    "twin": TWIN,
}


@pytest.fixture(scope="module", autouse=True)
def few_draws() -> Iterator[None]:
    """Joint tests of many models take most of the time of a summary, and decide no verdict."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "_DRAWS", 100)
        yield


@pytest.fixture(scope="module")
def scales() -> dict[str, Any]:
    return World(scaling).summary(STUDY)


def test_a_world_in_which_size_helps_scales(scales: dict[str, Any]) -> None:
    (question,) = scales["questions"]
    (curve,) = question["curves"]
    assert question["verdict"] == curve["verdict"] == "scales"
    assert question["reason"] == curve["reason"]
    assert curve["slope"]["high_holm"] < 0
    assert curve["slope"]["degrees_of_freedom"] == 1
    assert curve["gain"]["estimate"] > 0.005
    assert [point["budget"] for point in curve["points"]] == list(BUDGETS)
    assert [point["seeds"] for point in curve["points"]] == [3, 3, 3]
    for point in curve["points"]:
        assert point["low"] < point["value"] < point["high"]
        assert point["auc_low"] < point["auc"] < point["auc_high"]
    lacking = [
        "no null control of patchtst in several sizes and 3 seeds is declared",
        "no leak control of patchtst is declared",
        "no positive control of patchtst at 20M, 200M is declared",
        "no law control that expects scales or flat is declared",
    ]
    assert curve["reason"].endswith(f"Weakened: {'; '.join(lacking)}.")
    assert scales["warnings"] == [f"base/Aa20/daily/direction/h1/patchtst: {what}." for what in lacking]


def test_a_study_with_all_its_controls_has_nothing_to_say_against_itself() -> None:
    summary = World(scaling).summary(CONTROLLED)
    assert [c["passed"] for c in summary["controls"]] == [True] * 11
    assert [c["verdict"] for c in summary["controls"] if c["role"] == "law_control"] == ["scales", "flat"]
    assert summary["questions"][0]["verdict"] == "scales"
    assert "Weakened" not in summary["questions"][0]["reason"]
    assert summary["warnings"] == []


def test_the_contract_of_the_file(scales: dict[str, Any]) -> None:
    assert set(scales) == set(SUMMARY)
    (curve,) = scales["questions"][0]["curves"]
    assert set(scales["questions"][0]) == set(QUESTION)
    assert set(curve) == set(CURVE)
    assert {"estimate", "low", "high", "low_holm", "high_holm", "unit"} <= set(curve["slope"])
    assert {"experiment", "role", "model", "budget", "auc", "low", "high", "level", "planted_auc",
            "required_auc", "passed", "reason"} <= set(scales["controls"][0])  # fmt: skip


def test_the_same_study_gives_the_same_bytes(scales: dict[str, Any]) -> None:
    assert json.dumps(World(scaling).summary(STUDY)) == json.dumps(scales)


def test_controls_pass_where_they_should(scales: dict[str, Any]) -> None:
    assert [(c["experiment"], c["passed"]) for c in scales["controls"]] == [("null", True), ("planted", True)]
    assert scales["controls"][1]["required_auc"] == pytest.approx(0.675)


def test_all_models_stand_in_one_table_against_the_best_on_validation(scales: dict[str, Any]) -> None:
    (table,) = scales["baselines"]
    assert table["reference"] == "logistic"
    rows = {(row["model"], row["budget"]): row for row in table["rows"]}
    assert len(rows) == 4
    assert rows["logistic", "none"]["difference"] is None
    assert rows["patchtst", "2M"]["difference_low"] > 0
    gap = rows["patchtst", "2M"]["log_loss"] - rows["logistic", "none"]["log_loss"]
    assert rows["patchtst", "2M"]["difference"] == pytest.approx(gap)


def test_access_to_the_test_set_is_counted_by_content(scales: dict[str, Any]) -> None:
    assert scales["test_access"] == 9 + 3 + 3 + 3
    same = World(lambda budget, seed: 0.0).summary({"phase1": experiment()})
    assert same["test_access"] == 1


def test_a_world_in_which_size_does_nothing_is_flat() -> None:
    summary = World(flat).summary(STUDY)
    assert summary["questions"][0]["verdict"] == "flat"


def test_flat_worlds_with_seed_noise_are_not_called_scaling() -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        noise = {(b, s): rng.uniform(0.3, 0.9) for b in BUDGETS for s in (1, 2, 3)}
        summary = World(lambda b, s, noise=noise: noise.get((b, s), 0.5)).summary(STUDY)  # type: ignore[misc]
        assert summary["questions"][0]["verdict"] != "scales"


@pytest.mark.parametrize("noise", [scaling, flat])
def test_a_single_seed_decides_nothing(noise: Noise) -> None:
    summary = World(noise).summary(STUDY | {"phase1": experiment(seeds=[1])})
    assert summary["questions"][0]["verdict"] == "undecidable"
    assert "one seed" in summary["questions"][0]["reason"]


def test_a_planted_signal_that_was_missed_forbids_an_answer() -> None:
    summary = World(scaling).summary(STUDY, planted_auc=0.99)
    assert [c["passed"] for c in summary["controls"]] == [True, False]
    assert summary["questions"][0]["verdict"] == "undecidable"
    assert "planted" in summary["questions"][0]["reason"]


def test_a_leak_in_the_null_control_forbids_an_answer() -> None:
    world = World(scaling)
    world.shifted = world.target
    summary = world.summary(STUDY)
    failed = summary["controls"][0]
    assert not failed["passed"]
    assert "by more than chance although nothing can be learned" in failed["reason"]
    assert summary["questions"][0]["verdict"] == "undecidable"
    assert summary["questions"][0]["reason"].startswith("A control did not pass (null of patchtst 2M)")
    world.control_noise = lambda budget, seed: 0.3 if seed == 1 else 1.5  # unlike seeds excuse no leak
    two_seeds = world.summary(STUDY | {"null": NULL.model_copy(update={"seeds": [1, 2]})})
    assert not two_seeds["controls"][0]["passed"]


def test_a_law_that_is_not_told_forbids_an_answer() -> None:
    def spoil(row: dict[str, Any]) -> None:
        if row["role"] == "law_control" and row["variant"] == "twin":
            row["path"] = row["path"].replace("twin/", "law/")  # forecasts in which size helps

    summary = World(scaling).summary(CONTROLLED, spoil)
    [failed] = [c for c in summary["controls"] if not c["passed"]]
    assert failed["reason"].startswith("The verdict is scales where flat was planted")
    assert summary["questions"][0]["verdict"] == "undecidable"


def test_an_alarm_that_stays_silent_and_one_that_goes_off_unasked_are_told() -> None:
    def silent(row: dict[str, Any]) -> None:
        row["too_good"] = row["role"] == "leak_control" and row["budget"] != "20M"

    summary = World(scaling).summary(CONTROLLED, silent)
    [failed] = [c for c in summary["controls"] if not c["passed"]]
    assert (failed["role"], failed["budget"]) == ("leak_control", "20M")
    assert summary["questions"][0]["verdict"] == "undecidable"

    def loud(row: dict[str, Any]) -> None:
        row["too_good"] = row["role"] != "question" or row["seed"] == 2

    summary = World(scaling).summary(CONTROLLED, loud)
    assert len(summary["too_good"]) == 4 + 9, "the question's runs of one seed, and those of the null control"
    assert any("Too good to be true on validation: base/" in text for text in summary["warnings"])
    assert summary["questions"][0]["verdict"] == "scales", "it names runs and suspends nothing"


def test_a_null_control_in_which_size_helps_has_failed() -> None:
    world = World(scaling)
    # Larger models are merely less sure of themselves, which lowers the loss where nothing can be learned.
    original = world.predictions

    def shrinking(
        exp: PlannedExperiment, task: str, budget: str, seed: int, part: str = "test"
    ) -> pl.DataFrame:
        share = {"2M": 4.5, "20M": 1.0, "200M": 0.0}.get(budget, 1.0) if exp.labels == "shifted" else 1.0
        return original(exp, task, budget, seed, part).with_columns(
            probability_1=0.5 + share * (pl.col("probability_1") - 0.5)
        )

    world.predictions = shrinking  # type: ignore[method-assign]
    null = NULL.model_copy(update={"budgets": list(BUDGETS)})
    summary = world.summary({"phase1": experiment(), "null": null})
    assert [c["passed"] for c in summary["controls"]] == [True, True, False]
    assert "with size" in summary["controls"][2]["reason"]


def test_a_control_that_was_not_run_forbids_an_answer() -> None:
    def spoil(row: dict[str, Any]) -> None:
        row["status"] = "missing" if row["role"] == "null_control" else "done"

    summary = World(scaling).summary(STUDY, spoil)
    assert summary["controls"][0]["reason"] == "The control has not been run."
    assert summary["questions"][0]["verdict"] == "undecidable"
    assert any(warning.startswith("null: 3 of 3 runs are missing") for warning in summary["warnings"])


def test_a_missing_size_forbids_an_answer_and_is_listed() -> None:
    def spoil(row: dict[str, Any]) -> None:
        row["status"] = "missing" if row["budget"] == "200M" else "done"

    summary = World(scaling).summary(STUDY, spoil)
    assert "No usable run at 200M" in summary["questions"][0]["reason"]
    assert [point["budget"] for point in summary["questions"][0]["curves"][0]["points"]] == ["2M", "20M"]
    assert any("phase1: 3 of 12 runs are missing" in warning for warning in summary["warnings"])


def test_a_study_without_any_result_still_says_so() -> None:
    def spoil(row: dict[str, Any]) -> None:
        row["status"] = "missing"

    summary = World(scaling).summary(STUDY, spoil)
    assert summary["test_access"] == 0
    assert summary["baselines"] == []
    assert summary["questions"][0]["verdict"] == "undecidable"
    assert summary["questions"][0]["curves"][0]["slope"]["estimate"] is None


@pytest.mark.parametrize(
    ("damage", "warning"),
    [
        (
            lambda f: f.with_columns(probability_1=pl.lit(float("nan"))),
            "500 of 500 test predictions are not finite",
        ),
        (lambda f: pl.concat([f, f[:1]]), "occur twice"),
        (lambda f: f.clear(), "no test predictions"),
        (lambda f: f.drop("target"), "cannot be read"),
        (lambda f: f[10:], "compared on the 490 shared ones"),
        (lambda f: f.with_columns(target=1 - pl.col("target")), "disagree about the test targets"),
    ],
    ids=["NaN", "twice", "empty", "no target", "fewer dates", "other targets"],
)
def test_a_damaged_run_is_named_and_never_crashes_the_summary(
    damage: Callable[[pl.DataFrame], pl.DataFrame], warning: str
) -> None:
    world = World(scaling)

    def spoil(row: dict[str, Any]) -> None:
        if row["path"] == "base/direction/patchtst/20M/2":
            world.frames[row["path"]] = damage(world.frames[row["path"]])

    summary = world.summary(STUDY, spoil)
    assert any(warning in text for text in summary["warnings"]), summary["warnings"]


def test_a_test_set_of_one_class_has_losses_but_no_auc() -> None:
    world = World(scaling)
    world.target[:] = 1.0
    summary = world.summary({"phase1": experiment()})
    (curve,) = summary["questions"][0]["curves"]
    assert all(point["auc"] is None and point["value"] is not None for point in curve["points"])


def test_regression_is_judged_on_squared_error_with_the_margin_in_its_unit() -> None:
    summary = World(scaling).summary({"phase1": experiment(tasks=["regression"])})
    (curve,) = summary["questions"][0]["curves"]
    zero = curve["points"][0]["base_rate_log_loss"]
    assert curve["metric"] == "mse"
    assert curve["margin"] == pytest.approx(zero * (1 - np.exp(-0.01)))
    assert curve["verdict"] == "scales"
    assert curve["points"][0]["auc"] is None
    assert "mse_low" in summary["baselines"][0]["rows"][0]


def test_more_curves_make_each_interval_wider() -> None:
    one = World(scaling).summary({"phase1": experiment()})["questions"][0]["curves"][0]
    tasks = ["direction", "threshold_1pct", "threshold_2pct"]
    many = World(flat).summary({"phase1": experiment(tasks=tasks)})["questions"][0]["curves"]
    assert one["gain"]["low_holm"] == one["gain"]["low"]
    assert len(many) == 3
    assert all(curve["gain"]["low_holm"] < curve["gain"]["low"] for curve in many)


def test_confirmatory_questions_are_one_family_and_exploratory_ones_stay_apart() -> None:
    tasks = ["direction", "threshold_1pct", "threshold_2pct"]
    study = {
        task: experiment(tasks=[task], analysis="confirmatory" if task != tasks[2] else "exploratory")
        for task in tasks
    }
    questions = World(flat).summary(study)["questions"]
    assert [q["analysis"] for q in questions] == ["confirmatory", "confirmatory", "exploratory"]
    assert [q["family"]["size"] for q in questions] == [2, 2, 1]
    gains = [q["curves"][0]["gain"] for q in questions]
    assert [gain["low_holm"] < gain["low"] for gain in gains] == [True, True, False]


def the_curve(summary: dict[str, Any]) -> dict[str, Any]:
    (question,) = summary["questions"]
    (curve,) = question["curves"]
    assert (question["verdict"], question["gate"]) == (curve["verdict"], curve["gate"])
    assert question["moot"] is curve["moot"]
    return dict(curve)


def test_a_curve_carries_the_evidence_of_every_gate(scales: dict[str, Any]) -> None:
    curve = the_curve(scales)
    assert (curve["gate"], curve["moot"]) == ("gain", False)
    assert [one["point"] for one in curve["skill"]] == list(BUDGETS)
    for one, point in zip(curve["skill"], curve["points"], strict=True):
        assert one["estimate"] + point["value"] == pytest.approx(np.log(2))
        assert one["beats_base_rate"] is (one["low_holm"] > 0)
    assert (
        0 < curve["recalibrated"]["low_holm"] < curve["recalibrated"]["estimate"] < curve["gain"]["estimate"]
    )
    assert curve["equivalence"]["confidence"] == pytest.approx(0.9)
    ends = [(pair["from"], pair["to"]) for pair in curve["equivalence"]["pairs"]]
    assert ends == [("2M", "20M"), ("2M", "200M"), ("20M", "200M")]
    assert curve["change_mind"] == scales["questions"][0]["change_mind"]
    assert curve["change_mind"][0].startswith("Another test period")


def test_a_middle_size_that_is_far_worse_is_no_scaling() -> None:
    curve = the_curve(World(lambda budget, seed: {"2M": 0.6, "20M": 1.6}.get(budget, 0.2)).summary(STUDY))
    assert (curve["verdict"], curve["gate"]) == ("undecidable", "reversal")
    assert "but from 2M to 20M the log loss rises" in curve["reason"]


def test_sizes_that_are_all_worse_than_the_base_rate_are_moot_whatever_they_gain() -> None:
    curve = the_curve(World(lambda budget, seed: {"2M": 5.0, "20M": 4.0}.get(budget, 3.0)).summary(STUDY))
    assert curve["gain"]["low_holm"] > 0.005
    assert (curve["verdict"], curve["gate"], curve["moot"]) == ("undecidable", "skill", True)
    assert "No scale point beats the base rate" in curve["reason"]


def test_a_size_that_only_states_itself_less_boldly_has_not_learned_more() -> None:
    """All sizes know the same; the smaller ones exaggerate it, the largest shrinks towards the base rate."""
    world = World(flat)
    original = world.predictions

    def bold(exp: Any, task: str, budget: str, seed: int, part: str = "test") -> pl.DataFrame:
        factor = {"2M": 3.0, "20M": 2.0}.get(budget, 1.0) if exp.role == "question" else 1.0
        odds = (pl.col("probability_1") / (1 - pl.col("probability_1"))).log() * factor
        return original(exp, task, budget, seed, part).with_columns(probability_1=1 / (1 + (-odds).exp()))

    world.predictions = bold  # type: ignore[method-assign]
    curve = the_curve(world.summary(STUDY))
    assert curve["gain"]["low_holm"] > 0.005
    assert abs(curve["recalibrated"]["estimate"]) < 0.001
    assert (curve["verdict"], curve["gate"]) == ("undecidable", "recalibration")
    assert "what differs is how sure the models are" in curve["reason"]


def test_a_world_in_which_size_hurts_worsens() -> None:
    curve = the_curve(World(lambda budget, seed: {"2M": 0.2, "20M": 0.6}.get(budget, 1.2)).summary(STUDY))
    assert (curve["verdict"], curve["gate"]) == ("worsens", "gain")


def test_without_a_calibration_part_nothing_scales() -> None:
    world = World(scaling)
    curve = the_curve(world.summary(STUDY, lambda row: world.calibration.update({row["path"]: NO_ROWS})))
    assert (curve["verdict"], curve["gate"]) == ("undecidable", "recalibration")
    assert "A calibration part of at least 50 samples" in " ".join(curve["change_mind"])
    assert curve["recalibrated"]["estimate"] is None


def test_without_a_base_rate_no_skill_is_claimed() -> None:
    curve = the_curve(World(scaling).summary(STUDY, lambda row: row.update(train_base_rate=None)))
    assert (curve["verdict"], curve["gate"], curve["moot"]) == ("undecidable", "skill", False)
    assert curve["skill"] == []


def test_a_study_without_controls_is_told_so() -> None:
    assert any("No controls" in text for text in World(flat).summary({"phase1": experiment()})["warnings"])


def test_an_experiment_that_compares_no_sizes_asks_no_question_of_scaling() -> None:
    summary = World(flat).summary({"readout": experiment(budgets=["2M"])})
    assert summary["questions"] == []
    assert len(summary["baselines"][0]["rows"]) == 2


def test_runs_of_an_experiment_are_found_though_another_declared_them_first() -> None:
    world = World(scaling)
    rows = list(world.add("phase1", experiment()))
    runs = pl.DataFrame(rows, schema=RUNS_SCHEMA)
    both = {"phase1": experiment(), "again": experiment(seeds=[1, 2])}
    summary = scaling_summary(both, runs, world.read, CFG)
    assert [q["verdict"] for q in summary["questions"]] == ["scales", "undecidable"]
    assert "Only two seeds at 2M, 20M, 200M" in summary["questions"][1]["reason"]
    assert summary["questions"][1]["curves"][0]["points"][0]["seeds"] == 2
    assert "few_seeds" in {problem["kind"] for problem in summary["problems"]}


def test_several_symbols_make_no_more_independent_labels_than_the_one_that_decides() -> None:
    alone = World(scaling).summary(STUDY, primary="^GSPC")["power"][0]
    world = World(scaling)

    def with_another(row: dict[str, Any]) -> None:
        frame = world.frames[row["path"]]
        other = frame.with_columns(symbol=pl.lit("^IXIC"), target=1 - pl.col("target"))
        world.frames[row["path"]] = pl.concat([frame, other])
        row["n_test"] = 2 * DAYS

    summary = world.summary(STUDY, with_another, primary="^GSPC")
    assert summary["power"][0]["n"] == summary["power"][0]["effective_n"] == DAYS
    assert summary["power"][0] == alone
    assert summary["questions"][0]["verdict"] == "scales"


def test_what_a_curve_could_have_shown_is_told_at_the_level_it_is_judged_at() -> None:
    tasks = ["direction", "threshold_1pct", "threshold_2pct"]
    one = World(flat).summary({"phase1": experiment()})["questions"][0]["curves"][0]
    many = World(flat).summary({"phase1": experiment(tasks=tasks)})["questions"][0]["curves"]
    assert many[0]["gain"]["low"] == pytest.approx(one["gain"]["low"])
    assert all(curve["detectable_gain"] > 1.1 * one["detectable_gain"] for curve in many)


def test_baselines_are_adjusted_for_their_number_with_the_noise_of_seeds() -> None:
    # The seeds of 20M are so unlike that its mean says little, however clear it is on these dates.
    loud = World(lambda budget, seed: {("20M", 1): 3.0}.get((budget, seed), 0.9))
    (table,) = loud.summary({"phase1": experiment()})["baselines"]
    rows = {row["budget"]: row for row in table["rows"]}
    others = [rows[budget] for budget in BUDGETS]
    assert rows["none"]["difference_p_holm"] is None
    for row in others:
        assert row["difference_p_holm"] >= row["difference_p"]
        assert row["difference_low_holm"] <= row["difference_low"]
        clear = row["difference_low_holm"] > 0 or row["difference_high_holm"] < 0
        assert clear == (row["difference_p_holm"] < 0.05)
    assert rows["20M"]["dm_p"] < 0.001 < 0.05 < rows["20M"]["difference_p_holm"]
    smallest = min(others, key=lambda row: row["difference_p"])
    assert smallest["difference_p_holm"] == pytest.approx(min(1.0, 3 * smallest["difference_p"]))
    assert all(row["beats_base_rate"] == (row["over_base_rate_high_holm"] < 0 or None) for row in others)


def test_the_base_rate_is_not_tested_against_itself() -> None:
    world = World(flat)
    made = world.summary({"phase1": experiment()})["baselines"][0]["rows"]
    read = world.read

    def constant(path: str, split: str) -> pl.DataFrame:
        frame = read(path, split)
        if "/20M/" not in path:
            return frame
        rate = pl.lit(np.float64(np.float32(0.5)) + 1e-9)  # a base rate as single precision keeps it
        return frame.with_columns(probability_1=rate, probability_0=1 - rate)

    world.read = constant  # type: ignore[method-assign]
    table = world.summary({"phase1": experiment()})["baselines"][0]
    rows = {row["budget"]: row for row in table["rows"]}
    assert not any(row["is_base_rate"] for row in made)
    assert [budget for budget, row in rows.items() if row["is_base_rate"]] == ["20M"]
    assert rows["20M"]["over_base_rate"] is rows["20M"]["over_base_rate_p_holm"] is None
    others = [row for budget, row in rows.items() if budget != "20M"]
    assert table["spa"]["models"] == len(others) == 3, "one try less"
    smallest = min(others, key=lambda row: row["over_base_rate_p"])
    adjusted = min(1.0, 3 * smallest["over_base_rate_p"])
    assert smallest["over_base_rate_p_holm"] == pytest.approx(adjusted), "of three comparisons, not of four"


def test_where_several_symbols_were_forecast_and_none_decides_nothing_is_pooled() -> None:
    world = World(scaling)
    read = world.read

    def two(path: str, split: str) -> pl.DataFrame:
        frame = read(path, split)
        return pl.concat([frame, frame.with_columns(symbol=pl.lit("QQQ"))])

    world.read = two  # type: ignore[method-assign]
    summary = world.summary({"phase1": experiment()}, primary="SPY")
    assert the_curve(summary)["gate"] == "absent"
    assert any("of 2 symbols, none of them SPY" in text for text in summary["warnings"])


def test_a_null_control_of_three_classes_is_measured_one_against_the_rest() -> None:
    null = NULL.model_copy(update={"tasks": ["triple_barrier"]})
    world = World(scaling)
    (passed,) = world.summary({"null": null})["controls"]
    assert passed["passed"], passed["reason"]
    assert passed["low"] < 0.5 < passed["high"]
    world.shifted = world.target
    (failed,) = world.summary({"null": null})["controls"]
    assert "by more than chance although nothing can be learned" in failed["reason"]


def test_predictions_seen_before_count_as_looks_and_the_same_ones_count_once() -> None:
    world, seen = World(scaling), {"0" * 64}
    runs = pl.DataFrame(list(world.add("phase1", experiment())), schema=RUNS_SCHEMA)
    for _ in range(2):
        found = scaling_summary(
            {"phase1": experiment()}, runs, lambda path, split: world.frames[path], CFG, seen=seen
        )
        assert found["test_access"] == found["ledger"]["test_access"] == len(seen) == 1 + 9 + 3

"""The preview of a study: an upper bound of its compute, what is there already, and what waits."""

import io
import json
from datetime import date
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from lib.jobs.paths import PATHS
from lib.models.transformer.parameters import flops_per_sample
from lib.study.cost import effort_of, forecast
from lib.study.jobs import (
    Pending,
    everything,
    jobs_by_phase,
    key_of,
    pending_of,
    search_of,
)
from lib.study.plan import Plan
from lib.study.preview import cost_table, dearest, phase_table, sparse_problems
from tests.unit.shipped import planned, shipped

EXPERIMENT = {
    "question": "Does it?", "datasets": ["Aa20"], "timescales": ["daily"], "tasks": ["direction"],
    "horizons": [5], "models": ["patchtst-mixed"], "budgets": ["2M"], "seeds": [1, 2], "tuning": "default",
    "searches": 1, "n_trials": 10,
}  # fmt: skip


def plan(study: dict | None = None, **experiments: dict) -> Plan:
    own = {name: EXPERIMENT | content for name, content in experiments.items()}
    return planned(own, training={"max_steps": 30, "effective_batch": 64}, **study or {})


def shown(table) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_runs_and_trials_are_taken_to_the_last_step_that_the_search_allows():
    made = plan(own={})
    [cost] = forecast(made, everything(made, made.runs), {})
    assert (cost.model, cost.budget, cost.runs, cost.trials) == ("patchtst-mixed", "2M", 2, 10)
    assert cost.samples == (2 + 10) * 1000 * 64, "the space goes to 1000 steps, the recipe to 30"
    found = made.specification(made.runs[0])
    flops = flops_per_sample(found.settings, found.architecture, 20, 80)
    assert cost.flops == cost.samples * flops
    assert cost.hours is None
    assert cost.result_bytes == pytest.approx(2 * 4 * 2e6, rel=0.05)


def test_without_a_search_the_recipe_decides():
    """Also from a quarter of the dates: it takes the same steps as from all of them."""
    made = plan(own={"tuning": "none", "train_fractions": [0.25], "training": {"effective_batch": 32}})
    [cost] = forecast(made, everything(made, made.runs), {})
    assert cost.trials == 0
    assert cost.samples == 2 * 30 * 32


def test_a_finished_search_costs_nothing_and_says_how_long_its_runs_take():
    made = plan(own={})
    search = search_of(made, made.runs[0])
    left = Pending(tuple(made.runs), ())
    [cost] = forecast(made, left, {}, {search: {"max_steps": 17, "learning_rate": 1e-3}})
    assert cost.trials == 0
    assert cost.samples == 2 * 17 * 64


def test_the_costliest_architecture_and_window_of_a_search_count(tmp_path):
    made = plan(own={"tuning": "architectural"})
    effort = effort_of(made, made.runs[0])
    space = json.loads(made.searches.declaration(key_of(search_of(made, made.runs[0]))))["space"]
    longest, largest = (max(space["parameters"][n]["values"]) for n in ("max_steps", "effective_batch"))
    assert effort.windows == longest * largest
    declared = made.specification(made.runs[0])
    usual = flops_per_sample(declared.settings, declared.architecture, 20, 80)
    assert 1.0 < effort.flops / usual < 3.0


def test_hours_follow_from_measured_speed_also_for_shapes_that_were_not_measured():
    made = plan(own={"tuning": "none", "datasets": ["Aa20", "Aa500"], "seeds": [1]})
    [cost] = forecast(made, everything(made, made.runs), {("Aa20", "daily", "patchtst-mixed", "2M"): 10.0})
    small, large = (effort_of(made, run).flops for run in made.runs)
    assert cost.hours == pytest.approx(30 * 64 / 10 * (1 + large / small) / 3600)


def test_only_the_jobs_of_a_target_are_pending_also_those_in_groups():
    made = plan(own={"models": ["patchtst-mixed", "logistic"]})
    run = "results/runs/base/Aa20/daily/direction/h5/logistic/none/seed1"
    search = "results/hpo/base/Aa20/daily/direction/h5/patchtst-mixed/2M/search1"
    jobs = [
        ("search_hyperparameters", [f"{search}/best.json", "results/hpo/other"]),
        ("train", [f"{run}/model", f"{run}/predictions/test.parquet"]),
        ("import_prices", ["data/raw/embedded-2018/prices/^GSPC.parquet"]),
    ]
    pending = pending_of(made, jobs, PATHS)
    assert [(run.model, run.seed) for run in pending.runs] == [("logistic", 1)]
    assert len(pending.searches) == 1


def phased(**changes) -> Plan:
    study = {
        "phases": {"phase1": ["small"], "phase2": ["more"], "phase3": ["expansion"]},
        "selection": {"phases": ["phase1", "phase2"], "file": "no/such/file.yaml"},
        "experiments": ["control_null"],
    } | changes
    waiting = {"from_selection": True, "datasets": [], "models": [], "budgets": [], "variant": "expansion",
               "tasks": ["direction", "threshold_1pct"]}  # fmt: skip
    return plan(study, small={}, more={"datasets": ["Aa50"], "budgets": ["2M", "20M"]}, expansion=waiting)


def test_jobs_are_counted_with_the_first_phase_that_needs_them():
    made = phased()
    outputs = [
        "data/raw/embedded-2018/prices/^GSPC.parquet",
        "data/processed/embedded-2018/Aa20/daily.samples.json",
        "data/processed/embedded-2018/Aa50/daily.parquet",
        "data/raw/embedded-2018/quality/Aa50.json",
        "results/hpo/base/Aa50/daily/direction/h5/patchtst-mixed/20M/search1/best.json",
        "results/batch_sizes/Aa20/daily/patchtst-mixed/2M.json",
        "results/runs/base/Aa20/daily/direction/h5/patchtst-mixed/2M/seed1/model",
        "results/runs/null/Aa20/daily/direction/h5/patchtst-mixed/2M/seed42/model",
        "results/phase2/report.html",
        "results/report.html",
    ]
    found = jobs_by_phase(made, [("any", [path]) for path in outputs], PATHS)
    assert found == {"phase1": 4, "phase2": 4, "phase3": 0, None: 2}


def test_phases_say_what_they_take_and_what_a_waiting_one_may(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = phased()
    chosen = dearest(made)
    assert list(chosen) == ["2M on Aa50", "20M on Aa50"]
    file = Path("chosen.yaml")
    expanded = {}
    for name, words in chosen.items():
        file.write_text(yaml.safe_dump({"chosen": words}))
        expanded[name] = phased(selection={"phases": ["phase1", "phase2"], "file": str(file)})
    pending = everything(made, [run for run in made.runs if run.seed != 1])
    text = shown(phase_table(made, pending, ({}, {}), {"phase1": 7, None: 3}, expanded))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
    first, second, third = rows[:3]
    assert first[:6] == ["phase1", "small", "7", "2", "1", "10"]
    assert second[:6] == ["phase2", "more", "0", "4", "2", "20"]
    assert third[1].startswith("waits: no/such/file.yaml is not there yet")
    estimates = [row for row in rows if "an estimate, if it is" in row[1]]
    assert [row[3:6] for row in estimates] == [["4", "4", "20"]] * 2, "two tasks, two seeds, ten trials each"
    assert estimates[0][6] != estimates[1][6]
    assert rows[-1][:5] == ["others", "controls, ablations, folds", "3", "1", "1"]


def test_costs_are_shown_with_what_is_not_known_said():
    made = plan(own={"tuning": "none"})
    text = shown(cost_table(forecast(made, everything(made, made.runs), {})))
    assert "3,840" in text, "two runs of 30 steps of 64 windows"
    assert "not measured yet" in text


def test_sparse_problems_are_named_and_a_long_list_is_cut():
    part = {"flagged": False}
    weak = {"task": "direction", "horizon": 5, "splits": {"train": {"flagged": True}, "test": part}}
    fine = weak | {"splits": {"train": part, "test": part}}
    assert sparse_problems({("v", "Ad100", "monthly"): [weak, fine]}) == ["Ad100 monthly direction h5: train"]
    lines = sparse_problems({("v", "Ad100", "monthly"): [weak] * 25})
    assert len(lines) == 21
    assert lines[-1] == "and 5 more"


def test_the_quickstart_stays_within_its_compute():
    """Ten minutes on two cores. At 200M forward passes count as much as training, so they are in the sum."""
    made = shipped("config", Path())
    training = sum(cost.flops for cost in forecast(made, everything(made, made.runs), {}))
    forward = 0.0
    for run in made.runs:
        declared = made.specification(run)
        if not made.has_weights(run.model, run.budget):
            continue
        part, recipe = declared.splits, declared.recipe
        bars = {
            name: 252 / 365.25 * (end - start).days
            for name, start, end in (
                ("validation", part.validation_start, part.validation_end),
                ("test", part.test_start, part.test_end or date(2025, 12, 31)),
            )
        }
        validations = recipe.max_steps / recipe.validate_every_steps
        looked_at = validations * part.selection_share * bars["validation"] / recipe.validation_stride
        forward += (looked_at + sum(bars.values())) * effort_of(made, run, {}).flops / 3
    assert 0.5 < forward / training < 2
    assert training + forward < 0.018e15

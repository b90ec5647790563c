"""What the questions of a plan can show, as the preview tells it."""

from __future__ import annotations

import io
import shutil
from datetime import date
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from lib.scaling.design import Noise
from lib.study.cost import BARS_PER_YEAR
from lib.study.past_noise import past_noise
from lib.study.plan import Plan, plan_study
from lib.study.preregistration import confirmatory_contrasts
from lib.study.preview import reach_table, remedies
from lib.study.reach import Reach, reaches
from tests.unit.shipped import CONFIG

TODAY = date(2026, 1, 1)
FOLDS = {"first_test": "2000-01-01", "test_months": 24, "validation_months": 12, "train_years": 4}
TOUCH = {
    "question": "Does it?", "datasets": ["Aa20"], "timescales": ["daily"], "tasks": ["threshold_1pct"],
    "horizons": [1], "models": ["patchtst-mixed"], "budgets": ["2M", "20M"], "seeds": [1, 2, 3, 4, 5],
    "tuning": "none", "walk_forward": True, "margin": 0.01, "analysis": "confirmatory",
}  # fmt: skip
DIRECTION = TOUCH | {"tasks": ["direction"], "horizons": [5], "margin": 0.005}


@pytest.fixture
def plan(tmp_path: Path):
    shutil.copytree(CONFIG, tmp_path / "config")

    def made(study: dict | None = None, **experiments: dict) -> Plan:
        for name, content in experiments.items():
            (tmp_path / f"config/experiments/{name}.yaml").write_text(yaml.safe_dump(content))
        content = yaml.safe_load((CONFIG / "config.yaml").read_text())
        phases = (study or {}).get("phases", {})
        inside = {name for names in phases.values() for name in names}
        content |= {"experiments": [name for name in experiments if name not in inside]}
        content["data"]["walk_forward"] = FOLDS
        return plan_study(content | (study or {}), tmp_path / "config", {})

    return made


def shown(found: list[Reach]) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(reach_table(found, 0.8))
    return console.export_text()


def test_questions_have_the_dates_of_all_their_folds_and_the_family_of_all_that_is_confirmatory(plan):
    some = TOUCH | {"folds": [7, 8], "analysis": "exploratory"}
    made = plan(touch=TOUCH, direction=DIRECTION | {"datasets": ["Aa20", "Aa100"]}, some=some)
    found = {(r.experiment, r.along): r for r in reaches(made, {}, TODAY)}
    folds = len({made.facts(run)["fold"] for run in made.grids["touch-wf01"]} | {
        made.facts(run)["fold"] for run in made.runs if run.task == "direction"
    })  # fmt: skip
    touch = found["touch", "parameters 2M to 20M"]
    assert touch.weakest.design.folds == folds >= 8
    assert touch.weakest.design.dates == pytest.approx(folds * 2 * 252, rel=0.02)
    assert touch.family == 1 + (2 + 2) + 1, "curves of both axes of the other question, and their interaction"
    assert confirmatory_contrasts(made) == touch.family
    few = found["some", "parameters 2M to 20M"]
    assert (few.family, few.weakest.design.folds) == (1, 2)
    assert len(found["direction", "parameters 2M to 20M"].comparisons) == 2
    both = found["direction", "parameters × input channels"]
    assert both.weakest.design.corners == 4
    assert both.weakest.shows > 1.3 * found["direction", "parameters 2M to 20M"].weakest.shows


def test_a_design_that_can_show_its_margin_can_answer_and_no_other_is_said_to(plan):
    made = plan(touch=TOUCH, direction=DIRECTION)
    able, weak = reaches(made, {}, TODAY)
    assert able.weakest.shows == pytest.approx(0.0073, abs=0.0005)
    assert (able.answer, able.enough, able.dates_needed) == ("can answer", True, None)
    assert (weak.answer, weak.enough) == ("cannot show its margin", False)
    assert weak.weakest.shows > weak.margin
    assert weak.dates_needed == pytest.approx(
        weak.weakest.design.dates * (weak.weakest.shows / 0.005) ** 2, abs=1
    )
    [line] = remedies([able, weak], BARS_PER_YEAR)
    assert line.startswith("direction (parameters 2M to 20M): ")
    for part in ("more test dates", "more folds like its", "a horizon of 1 bar: 0.0", "alone in its family"):
        assert part in line
    text = shown([able, weak])
    assert "can answer" in text
    assert "cannot show its margin" in text
    assert "assumed" in text


def test_a_design_with_fewer_seeds_than_a_verdict_needs_cannot_answer(plan):
    [reach] = reaches(plan(touch=TOUCH | {"seeds": [1]}), {}, TODAY)
    assert reach.weakest.shows < reach.margin
    assert (reach.answer, reach.enough, reach.dates_needed) == ("too few seeds (1 of 3)", False, None)
    assert remedies([reach], BARS_PER_YEAR) == [
        "touch (parameters 2M to 20M): 3 seeds, without which nothing is decided."
    ]


def test_too_few_test_dates_are_refused_in_words(plan):
    short = {"walk_forward": False, "timescales": ["monthly"], "horizons": [24]}
    made = plan(own=DIRECTION | short)
    [reach] = reaches(made, {}, TODAY)
    assert (reach.answer, reach.weakest.shows, reach.weakest.flat) == ("too few test dates", None, None)
    [line] = remedies([reach], BARS_PER_YEAR)
    assert "cannot be resampled; walk-forward folds" in line


def test_counted_samples_replace_the_calendar_and_the_assumed_base_rate(plan):
    made = plan(own=DIRECTION | {"walk_forward": False})
    part = {"n": 749, "base_rate": 0.1}
    problem = {"task": "direction", "horizon": 5, "splits": {"train": part, "test": part}}
    [guess] = reaches(made, {}, TODAY)
    assert "about 499 / 5" in shown([guess])
    [reach] = reaches(made, {("embedded-2018", "Aa20", "daily"): [problem]}, TODAY)
    assert reach.weakest.design.dates == 749
    assert reach.weakest.noise.label == pytest.approx(0.3 * 0.3)
    assert "about" not in shown([reach]).split("gain: at Holm")[0].split("Of a question")[0]


def test_noise_of_past_runs_replaces_the_assumed_one(plan):
    made = plan(touch=TOUCH, other=TOUCH | {"datasets": ["Aa100"]}, direction=DIRECTION)
    point = {"effective_n": 400.0, "seeds": 5, "base_rate_log_loss": 0.5}
    curve = {
        "axis": "parameters", "condition": "base", "train_fraction": 1.0, "context_length": 80,
        "dataset": "Aa20", "timescale": "daily", "task": "threshold_1pct", "horizon": 1,
        "model": "patchtst-mixed", "budget": None, "folds": [1, 2], "points": [point, point],
        "gain": {"se_dates": 0.01, "se_seeds": 0.001, "estimate": 0.3},
    }  # fmt: skip
    past = past_noise([{"questions": [{"curves": [curve]}]}])
    touch, other, direction = reaches(made, {}, TODAY, past)
    assert touch.weakest.noise == Noise(pytest.approx(0.2), pytest.approx(0.001 * 5**0.5), "measured")
    assert other.weakest.noise.source == "measured alike"
    assert other.weakest.noise.label == pytest.approx(0.2)
    assert direction.weakest.noise.source == "assumed"
    assumed, _, _ = reaches(made, {}, TODAY)
    assert touch.weakest.shows > 1.25 * assumed.weakest.shows
    unmeasured = curve | {"gain": dict.fromkeys(("se_dates", "se_seeds", "estimate"))}
    assert past_noise([{"questions": [{"curves": [unmeasured]}]}]) == {}


def test_the_phase_asked_for_comes_first(plan):
    study = {"phases": {"phase1": ["touch"], "phase2": ["direction"]}}
    made = plan(study, touch=TOUCH, direction=DIRECTION, own=TOUCH | {"datasets": ["Aa50"]})
    assert [r.phase for r in reaches(made, {}, TODAY)] == ["phase1", "phase2", None]
    [reach] = reaches(made, {}, TODAY, only="phase2")
    assert reach.phase == "phase2", "a preview of one phase shows that phase"
    assert reach.family == confirmatory_contrasts(made), "its level is that of the whole study"

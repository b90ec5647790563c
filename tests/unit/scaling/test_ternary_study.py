"""A whole made study of three classes: with budgets, baselines and controls; evaluated and reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lib.config.workflow import EvaluationConfig
from lib.report.render import ReportInputs, build_page, render_html, render_markdown
from tests.unit.made_study import Study, World, make_study, small_study, summarise

TASK = {"tasks": ["triple_barrier"]}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, pl.DataFrame, dict[str, Any]]:
    of_three = ("phase1", "baselines", "control_null")
    declared = {name: one.model_copy(update=TASK) for name, one in small_study().items() if name in of_three}
    made = make_study(tmp_path_factory.mktemp("made"), declared, World(parameters=0.35, seed_noise=0.02))
    runs, scaling = summarise(made, EvaluationConfig(bootstrap_draws=100))
    return made, runs, json.loads(json.dumps(scaling, allow_nan=False))


@pytest.fixture(scope="module")
def page(study):
    _, runs, scaling = study
    done = [Path(path) for path in runs.filter(pl.col("status") == "done")["path"]]
    inputs = ReportInputs(
        "Which barrier first",
        runs=runs,
        scaling=scaling,
        metrics={path.as_posix(): json.loads((path / "metrics.json").read_text()) for path in done},
        daily={path.as_posix(): pl.read_parquet(path / "daily.parquet") for path in done},
        histories={path.as_posix(): pl.read_parquet(path / "history.parquet") for path in done},
    )
    return build_page(inputs)


def test_every_run_is_evaluated(study):
    _, runs, scaling = study
    assert set(runs["status"]) == {"done"}
    assert not [p for p in scaling["problems"] if "cannot be read" in str(p)]


def test_size_is_judged_by_the_log_loss_of_three_classes(study):
    (question,) = study[2]["questions"]
    (curve,) = question["curves"]
    assert curve["metric"] == "log_loss"
    assert question["verdict"] == "scales", question["reason"]
    losses = [point["value"] for point in curve["points"]]
    assert losses == sorted(losses, reverse=True)
    for point in curve["points"]:
        assert point["value"] < point["base_rate_log_loss"], "shares of all three classes, not of one"
        assert 0.5 < point["auc_low"] < point["auc"] < point["auc_high"], "of one class against the rest"


def test_the_null_control_and_the_baselines_are_measured(study):
    _, _, scaling = study
    null = next(c for c in scaling["controls"] if c["role"] == "null_control")
    assert null["passed"], null["reason"]
    table = next(
        t for t in scaling["baselines"] if t["task"] == "triple_barrier" and t["condition"] == "base"
    )
    rows = {row["model"]: row for row in table["rows"]}
    assert set(rows) == {"patchtst-mixed", "base_rate", "logistic", "xgboost"}
    assert rows["base_rate"]["auc"] == pytest.approx(0.5)
    compared = [row for row in table["rows"] if row["difference"] is not None]
    assert compared
    assert all(row["difference_p_holm"] is not None for row in compared)


def test_the_report_is_whole_and_says_what_three_classes_do_not_have(page):
    html, text = render_html(page), render_markdown(page)
    assert html.rstrip().endswith("</html>")
    for word in ("nan", "None", "Traceback"):
        assert word not in text.split()
    assert "First barrier touched" in text or "triple barrier" in text
    sections = {section.id: section for section in (*page.sections, *page.closing)}
    assert sections["scaling"].panels
    assert "of +1, class 1, against the two others" in sections["reliability"].panels[0].reading
    assert "forecasts of three classes have none" in text
    assert "No position: a forecast of barriers is left at a barrier" in text

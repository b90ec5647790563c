"""The report of a study in which something went wrong: it is still made, lists what is wrong, claims less."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from lib.config.workflow import EvaluationConfig
from lib.report.render import ReportInputs, build_page, render_html, render_markdown
from tests.unit.made_study import Study, make_study, small_study, summarise

CFG = EvaluationConfig(bootstrap_draws=100)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    """A made study of one question with four seeds, one baseline and both controls, evaluated once."""
    declared = small_study()
    seeds = [42, 43, 44, 45]
    declared["phase1"] = declared["phase1"].model_copy(update={"seeds": seeds})
    declared["baselines"] = declared["baselines"].model_copy(update={"models": ["base_rate"]})
    made = make_study(tmp_path_factory.mktemp("made"), declared)
    summarise(made, CFG)
    return made


@pytest.fixture
def copy(study, tmp_path) -> Study:
    """The same study in a folder of its own, to be spoilt."""
    shutil.copytree(study.folder, tmp_path, dirs_exist_ok=True)
    old, new = study.folder.as_posix(), tmp_path.as_posix()
    rows = [row | {"path": str(row["path"]).replace(old, new)} for row in study.rows]
    return Study(dict(study.experiments), rows, tmp_path)


def report(study: Study):
    """Page, its text and the summary of a study, with what the workflow would hand over."""
    runs, scaling = summarise(study, CFG)
    done = [Path(path) for path in runs.filter(pl.col("status") == "done")["path"]]
    inputs = ReportInputs(
        "A spoilt study",
        runs=runs,
        scaling=json.loads(json.dumps(scaling)),
        metrics={path.as_posix(): json.loads((path / "metrics.json").read_text()) for path in done},
        daily={path.as_posix(): pl.read_parquet(path / "daily.parquet") for path in done},
    )
    page = build_page(inputs)
    assert render_html(page).rstrip().endswith("</html>")
    return page, render_markdown(page)


def of_size(study: Study, budget: str) -> list[Path]:
    return [Path(r["path"]) for r in study.rows if r["budget"] == budget and r["experiment"] == "phase1"]


def change(path: Path, *expressions: pl.Expr) -> None:
    file = path / "predictions" / "test.parquet"
    pl.read_parquet(file).with_columns(*expressions).write_parquet(file)


def constant(value: float) -> list[pl.Expr]:
    return [pl.lit(1 - value).alias("probability_0"), pl.lit(value).alias("probability_1")]


def warnings(page) -> str:
    return " ".join(page.warnings)


def test_the_sound_study_is_answered_without_a_warning(study):
    page, text = report(study)
    [verdict] = page.verdicts
    assert verdict.verdict == "scales"
    assert page.missing == []
    assert "Weakened" not in verdict.reason
    assert "log loss falls from 2M to 200M" in text


def test_a_missing_run_is_listed_and_named_in_the_answer(copy):
    lost = of_size(copy, "20M")[0]
    shutil.rmtree(lost)
    page, text = report(copy)
    [verdict] = page.verdicts
    assert [said for said in page.missing if "20M" in said and "(missing)" in said]
    assert f"Finish 1 missing run: {lost.as_posix()}." in verdict.change
    assert "Weakened: some seeds are missing at 20M" in verdict.reason
    assert "are missing" in text


def test_a_size_without_any_run_leaves_the_question_open(copy):
    for path in of_size(copy, "200M"):
        shutil.rmtree(path)
    page, _ = report(copy)
    [verdict] = page.verdicts
    assert verdict.verdict == "undecidable"
    assert "Runs at 200M." in verdict.change
    assert any(said.startswith("Finish 4 missing runs: ") for said in verdict.change)


def test_a_damaged_run_is_listed_as_failed(copy):
    (of_size(copy, "20M")[0] / "predictions" / "test.parquet").write_bytes(b"not a table")
    page, text = report(copy)
    assert [said for said in page.missing if "(failed)" in said]
    assert "its files" in warnings(page)
    assert "✗ failed" in text


def test_runs_that_say_the_same_every_day_are_flagged_and_decide_nothing(copy):
    for path in of_size(copy, "200M"):
        change(path, *constant(0.4))
    page, text = report(copy)
    [verdict] = page.verdicts
    assert verdict.verdict == "undecidable"
    assert "nothing was learned there" in verdict.reason
    assert any("learn something" in said for said in verdict.change)
    assert "collapsed" in text


def test_forecasts_that_are_no_numbers_are_flagged_and_left_out(copy):
    change(of_size(copy, "20M")[0], *constant(float("nan")))
    page, _ = report(copy)
    [verdict] = page.verdicts
    assert "not finite" in warnings(page)
    assert "Weakened" in verdict.reason
    alarms = [row for row in page.runs.rows if any("not finite" in curve.text for curve in row)]
    assert len(alarms) == 1


def test_a_run_declared_twice_is_named_and_counts_once(copy):
    twice = next(row for row in copy.rows if row["budget"] == "2M")
    page, _ = report(Study(copy.experiments, [*copy.rows, dict(twice)], copy.folder))
    assert "declared twice" in warnings(page)
    points = page.sections[0].panels[0].table
    seeds = [column.label for column in points.columns].index("Seeds")
    assert [row[seeds].text for row in points.rows] == ["4", "4", "4"]


def test_a_test_set_of_one_class_has_no_auc_and_is_flagged(copy):
    for row in copy.rows:
        if row["experiment"] in ("phase1", "baselines"):
            change(Path(row["path"]), pl.lit(1.0).alias("target"))
    page, text = report(copy)
    assert "one class only" in warnings(page)
    assert "one class only" in text
    table = page.sections[0].panels[0].table
    assert [row[3].text for row in table.rows] == ["–", "–", "–"]


def test_one_seed_at_a_size_leaves_the_question_open(copy):
    rows = [r for r in copy.rows if not (r["budget"] == "200M" and r["seed"] != 42)]
    declared = copy.experiments
    page, text = report(Study(declared, rows, copy.folder))
    [verdict] = page.verdicts
    assert verdict.verdict == "undecidable"
    assert "At least two more seeds at 200M." in verdict.change
    seeds = next(check for check in page.checks if check.label == "Seeds per size")
    assert (seeds.value, seeds.tone) == ("1 to 4", "fail")
    assert "Fewer than two finished seeds at 1 of 3 sizes" in text


def test_a_study_of_one_size_has_no_verdict_and_lists_the_question(copy):
    declared = copy.experiments | {
        "phase1": copy.experiments["phase1"].model_copy(update={"budgets": ["2M"]})
    }
    rows = [row for row in copy.rows if row["experiment"] != "phase1" or row["budget"] == "2M"]
    page, text = report(Study(declared, rows, copy.folder))
    assert page.verdicts == []
    [about_size, about_baselines] = page.unanswered
    assert about_size.startswith(declared["phase1"].question)
    assert "(only 2M)" in about_size
    assert "have no size to grow" in about_baselines
    assert about_size.split(":")[0] in text.replace("\\", "")


def test_forecasts_of_other_dates_are_compared_on_those_that_all_hold(copy):
    path = of_size(copy, "200M")[0] / "predictions" / "test.parquet"
    pl.read_parquet(path)[100:].write_parquet(path)
    page, _ = report(copy)
    [verdict] = page.verdicts
    assert "100 test samples that not all runs hold are left out" in verdict.reason
    assert "sample" in warnings(page)


def test_a_failed_null_control_silences_every_title_and_sentence(copy):
    leaked = pl.col("target") * 0.6 + 0.2
    for path in [Path(row["path"]) for row in copy.rows if row["role"] == "null_control"]:
        change(path, leaked.alias("probability_1"), (1 - leaked).alias("probability_0"))
    page, text = report(copy)
    [verdict] = page.verdicts
    assert verdict.verdict == "undecidable"
    assert "The controls must pass before anything here can be read." in verdict.change
    assert "log loss falls from" not in text.split("## Verdict")[1].split("What would change")[0]
    assert all("nothing is concluded" in panel.title for panel in page.sections[0].panels)
    assert page.baselines
    assert all("no difference on test is read as a finding" in said for said in page.baselines)
    assert "a null or law control among them: no verdict of this study counts" in text


def test_a_failed_positive_control_silences_its_own_model_only(copy):
    planted = next(Path(row["path"]) for row in copy.rows if row["role"] == "positive_control")
    change(planted, *constant(0.5))
    page, text = report(copy)
    assert page.verdicts[0].verdict == "undecidable"
    assert "no verdict of this study counts" not in text
    assert "nothing is concluded about patchtst-mixed" in text
    assert all("controls failed" in said or "a control of it failed" in said for said in page.baselines)

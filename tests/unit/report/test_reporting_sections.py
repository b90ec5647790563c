"""The sections that a whole study fills: every axis, interactions, coverage, trading, power, confounds."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml

from lib.config.workflow import EvaluationConfig
from lib.data.io import read_json
from lib.report.figures import figure_files, standalone
from lib.report.render import ReportInputs, build_page, render_html, render_markdown
from tests.unit.made_study import big_study, make_study, summarise

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> ReportInputs:
    """A made study of 60 runs: two points at least on every axis, two seeds on one of them, every control."""
    declared = big_study(("2M", "20M", "200M"), (42,))
    tasks, one = ["direction", "threshold_1pct", "regression"], ["threshold_1pct"]
    changes = {
        "phase1": {"tasks": tasks, "seeds": [42, 43]}, "baselines": {"tasks": tasks},
        "phase4": {"datasets": ["Aa20", "Ad20"]}, "phase5": {"datasets": ["Aa20", "Aa50", "Ba20", "Ba50"]},
        "data_frac25": {"tasks": one}, "data_frac50": {"tasks": one},
    }  # fmt: skip
    del declared["data_frac12"]
    declared |= {name: declared[name].model_copy(update=own) for name, own in changes.items()}
    study = make_study(tmp_path_factory.mktemp("made"), declared)
    runs, scaling = summarise(study, EvaluationConfig(bootstrap_draws=100))
    done = [Path(path) for path in runs.filter(pl.col("status") == "done")["path"]]

    def named(name, read):
        return {path.as_posix(): read(path / name) for path in done if (path / name).exists()}

    return ReportInputs(
        title="A made study",
        runs=runs,
        scaling=json.loads(json.dumps(scaling)),
        metrics=named("metrics.json", read_json),
        daily=named("daily.parquet", pl.read_parquet),
        params=named("params.yaml", lambda path: yaml.load(Path(path).read_text(), yaml.CSafeLoader)),
        histories=named("history.parquet", pl.read_parquet),
    )


@pytest.fixture(scope="module")
def page(inputs):
    return build_page(inputs)


def section(page, identity):
    return next(s for s in (*page.sections, *page.closing) if s.id == identity)


def test_every_axis_has_its_section_with_curves(page):
    for identity in ("scaling", "features", "amount", "quality", "assets"):
        assert section(page, identity).panels, identity
    assert "input channels" in str(section(page, "features").panels[0].figure)
    assert len({verdict.axis for verdict in page.verdicts}) == 5


def test_a_page_with_several_questions_begins_with_all_answers(page):
    html = render_html(page)
    listed = re.search(r'<ol class="answers">.*?</ol>', html, re.S)
    assert listed is not None
    assert listed[0].count("<li") == len(page.verdicts) > 1
    assert html.index('<ol class="answers">') < html.index('<article class="verdict')


def test_interactions_and_the_diagnosis_are_drawn_and_told(page, inputs):
    assert len(section(page, "interactions").tables[0].rows) == len(inputs.scaling["interactions"])
    assert section(page, "diagnosis").tables[0].rows


def test_coverage_and_trading_show_what_was_measured_beside_what_was_promised(page):
    coverage, trading = section(page, "coverage"), section(page, "trading")
    assert any("promised 90.0 %" in panel.title for panel in coverage.panels)
    assert any("buy and hold" in panel.title for panel in trading.panels)
    assert "hypothetical" in trading.lead


def test_a_setting_that_differs_besides_the_axis_is_named(inputs):
    assert "nothing differed but the axis" in section(build_page(inputs), "confounds").lead
    params = deepcopy(inputs.params)
    for path, content in params.items():
        if "/200M/" in path:
            content["recipe"]["learning_rate"] = 9e-4
    changed = section(build_page(replace(inputs, params=params)), "confounds")
    assert "recipe.learning_rate" in [row[1].text for row in changed.tables[0].rows]


def test_the_power_and_the_ledger_are_told(page, inputs):
    questions, sets = section(page, "power").tables
    assert len(sets.rows) == len(inputs.scaling["power"])
    assert len(questions.rows) == len(inputs.scaling["questions"])
    for row, question in zip(questions.rows, inputs.scaling["questions"], strict=True):
        told = "can answer" if question["power"]["enough"] else "cannot show its margin"
        assert told == row[3].text
        assert told in question["power"]["text"]
        assert bool(row[4].text) is (told != "can answer")
    accesses = section(page, "ledger").tables[0].rows[0][1].text
    assert accesses == str(inputs.scaling["ledger"]["test_access"])


def test_the_text_holds_every_section(page):
    text = render_markdown(page)
    assert all(f"## {s.heading}" in text for s in (*page.sections, *page.closing))


def test_charts_stand_alone_as_files(page):
    first = [replace(s, panels=s.panels[:1]) for s in (*page.sections, *page.closing)]  # one of every kind
    files = figure_files(replace(page, sections=first, closing=()))
    assert len(files) == 2 * sum(len(s.panels) for s in first) + 1 > 12
    for name, content in files.items():
        if name.endswith(".svg"):
            assert content.startswith(b'<svg xmlns="http://www.w3.org/2000/svg"')
            assert b"var(--" not in content
            assert b"{%" not in content
        elif name.endswith(".png"):
            assert content.startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="not a chart"):
        standalone("<svg/>")


def test_strings_from_the_study_are_escaped_in_every_section(inputs):
    scaling = deepcopy(inputs.scaling)
    for part in ("questions", "interactions", "diagnosis", "joint_law", "power", "problems", "controls"):
        for row in scaling.get(part) or []:
            for key in ("question", "label", "reason", "text", "where", "note"):
                row[key] = EVIL
    scaling["ledger"]["text"] = EVIL
    evil = build_page(replace(inputs, scaling=scaling, title=EVIL))
    assert EVIL not in render_html(evil)
    panels = [panel for s in (*evil.sections, *evil.closing) for panel in s.panels]
    assert all(EVIL not in standalone(str(panel.figure)) for panel in panels)

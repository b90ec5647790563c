"""The report as a whole: what it must contain, and what it must never do."""

import base64
import gzip
import re
import subprocess
import sys
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lib.report import render as report
from lib.report.notices import grouped
from lib.report.render import ReportInputs, build_page, render_html, render_markdown
from tests.unit.reporting_study import (
    BUDGETS,
    QUESTION,
    all_rows,
    curve,
    full_study,
    missing,
    run_row,
    runs_frame,
    scaling,
    with_missing,
)

SCRIPT = "<script>alert(1)</script>"
VOID = {"meta", "link", "input", "br", "img", "hr"}


def html_of(inputs):
    return render_html(build_page(inputs))


def markdown_of(inputs):
    return render_markdown(build_page(inputs))


@pytest.fixture(scope="module")
def study():
    return full_study()


@pytest.fixture(scope="module")
def html(study):
    return html_of(study)


class Tree(HTMLParser):
    """Tags with their attributes, ids, headings in order, and tags that were not closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.wrong = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def text_of(html):
    return unescape(re.sub(r"<[^>]+>", " ", html))


def test_a_full_study_gives_well_formed_html_with_every_section(html):
    tree = Tree(html)
    assert not tree.wrong
    assert not tree.open
    ids = [attributes["id"] for _, attributes in tree.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    sections = [a["id"] for tag, a in tree.tags if tag == "section"]
    assert sections == [
        "verdict", "scaling", "laws", "baselines", "controls", "reliability", "coverage", "trading", "curves",
        "search", "data", "runs", "power", "confounds", "declared", "ledger", "cost", "provenance", "limits",
    ]  # fmt: skip
    links = [a["href"] for tag, a in tree.tags if tag == "a" and a["href"].startswith("#")]
    assert {link[1:] for link in links} <= set(ids)


def test_the_verdict_comes_first_with_its_number_and_what_would_change_it(html):
    first = text_of(html[html.index('id="verdict"') : html.index('id="scaling"')])
    assert QUESTION in first
    assert "Undecided." in first
    assert "0.0060 [−0.0032, 0.0152]" in first
    assert "a gain of 0.005 would matter" in first
    assert "At least two more seeds at 2M, 20M, 200M." in first


def test_what_stands_between_backticks_is_code(study):
    step = "Three searches at 2M (`searches: 3`), `a<b>`."
    result = scaling(change_mind=[step], warnings=["a word (`searches: 3`)"])
    result["questions"][0]["change_mind"] = [step]
    page = html_of(replace(study, scaling=result))
    assert "(<code>searches: 3</code>), <code>a&lt;b&gt;</code>." in page
    assert "a word (<code>searches: 3</code>)" in page
    visible = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    assert "`" not in text_of(visible)


@pytest.mark.parametrize(
    ("verdict", "answer"),
    [
        ("scales", "Yes, larger is better."),
        ("flat", "No, size does not matter."),
        ("worsens", "No, larger is worse."),
        ("undecidable", "Undecided."),
    ],
)
def test_the_answer_is_the_evaluations_verdict_in_plain_words(study, verdict, answer):
    result = scaling()
    result["questions"][0]["verdict"] = verdict
    [shown] = build_page(replace(study, scaling=result)).verdicts
    assert shown.answer == answer
    assert shown.kind == ""
    assert answer in html_of(replace(study, scaling=result))
    assert answer in markdown_of(replace(study, scaling=result))


def test_a_question_without_skill_is_called_moot(study):
    result = scaling()
    for entry in (result["questions"][0], *result["questions"][0]["curves"]):
        entry |= {"gate": "skill", "moot": True}
    page = build_page(replace(study, scaling=result))
    assert page.verdicts[0].answer == "Moot: no skill."
    assert "Nothing here beats the base rate" in page.verdicts[0].sentence
    assert {row[1].text for row in page.verdicts[0].table.rows} == {"moot: no skill"}
    [scaling_section] = [section for section in page.sections if section.id == "scaling"]
    assert all("no scale point beats the base rate" in panel.title for panel in scaling_section.panels)


def test_an_exploratory_answer_is_labelled_in_page_and_markdown(study):
    result = scaling()
    result["questions"][0]["analysis"] = "exploratory"
    for text in (html_of(replace(study, scaling=result)), markdown_of(replace(study, scaling=result))):
        assert "Exploratory: corrected for its own curves only." in text


def test_the_table_of_curves_holds_what_every_gate_saw(study):
    [shown] = build_page(study).verdicts
    heads = [column.label for column in shown.table.columns]
    row = dict(zip(heads, [curve.text.replace("−", "-") for curve in shown.table.rows[0]], strict=True))
    assert row["Verdict"] == "undecidable: too few seeds"
    own = scaling()["questions"][0]["curves"][0]
    assert row["Recalibrated"].startswith(f"{own['recalibrated']['estimate']:.4f} [")
    best = max(one["estimate"] for one in own["skill"])
    assert row["Best over the base rate"].startswith(f"{best:.4f} [")


def test_a_flat_curve_shows_the_interval_that_equivalence_goes_by(study):
    result = scaling()
    for entry in (result["questions"][0], *result["questions"][0]["curves"]):
        entry |= {"verdict": "flat", "gate": "equivalence"}
    [shown] = build_page(replace(study, scaling=result)).verdicts
    gains = [curve["gain"]["estimate"] for curve in result["questions"][0]["curves"]]
    assert shown.number in {f"{g:.4f} [{g - 0.007:.4f}, {g + 0.007:.4f}]".replace("-", "−") for g in gains}


def test_a_failed_control_is_said_in_the_verdict_and_in_its_section(study):
    result = scaling()
    result["controls"][0] |= {"passed": False, "reason": "AUC 0.62 lies above 0.5."}
    html = html_of(replace(study, scaling=result))
    assert "✗ failed" in html
    assert (
        "1 of 2 controls failed, a null or law control among them: no verdict of this study counts." in html
    )


def test_nothing_is_asked_of_a_server(html):
    assert "http://" not in html
    assert "https://" not in html
    sources = [
        a.get(name) for _, a in Tree(html).tags for name in ("src", "href", "srcset", "action", "data")
    ]
    assert all(source.startswith(("#", "data:")) for source in sources if source is not None)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", html)
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html


def test_every_declared_run_is_in_the_table_also_the_missing_ones(study):
    inputs = with_missing(study, 2)
    html = html_of(inputs)
    table = html[html.index('id="runs-table"') :].split("</table>")[0]
    assert table.count("<tr>") == 1 + inputs.runs.height
    for path in inputs.runs["path"]:
        assert f"<code>{path}</code>" in table
    assert "✗ missing" in table
    assert "14 declared runs: 13 done, 1 missing or failed." in html
    assert "Aa20 · daily · direction h5 · patchtst-mixed 200M · seed 42 (missing)" in html
    assert "Finish 1 missing run: base/Aa20/daily/direction/h5/patchtst-mixed/200M/seed42." in html


def test_the_csv_in_the_page_is_the_table_of_runs(study, html):
    content = re.search(r'href="data:application/gzip;base64,([^"]+)"', html).group(1)
    read = pl.read_csv(gzip.decompress(base64.b64decode(content)), infer_schema_length=None)
    assert read["path"].to_list() == study.runs["path"].to_list()
    assert read["test_auc"].to_list() == study.runs["test_auc"].to_list()


def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless():
    rows = [run_row("direction", "base_rate", "none", question="=cmd|' /C calc'!A0")]
    csv = build_page(ReportInputs("t", runs=runs_frame(rows))).csv
    assert "'=cmd" in csv


def test_text_from_data_and_configuration_is_escaped(study):
    result = scaling(warnings=[SCRIPT])
    result["questions"][0] |= {"question": SCRIPT, "reason": SCRIPT}
    result["questions"][0]["curves"] = [curve("direction", model=SCRIPT, reason=SCRIPT)]
    result["controls"][0]["reason"] = SCRIPT
    finding = {
        "severity": "error",
        "symbol": SCRIPT,
        "date": None,
        "rule": SCRIPT,
        "value": None,
        "message": SCRIPT,
    }
    inputs = replace(
        study,
        title=SCRIPT,
        note=SCRIPT,
        scaling=result,
        runs=runs_frame([row | {"model": SCRIPT, "path": SCRIPT} for row in all_rows()]),
        findings=pl.DataFrame([finding]),
        prices={SCRIPT: {"source": SCRIPT, "vintage": SCRIPT}},
        splits={SCRIPT: SCRIPT},
        cost=pl.DataFrame([{"rule": SCRIPT, "jobs": 1, "seconds": 1.0, "peak_memory_mb": 1.0}]),
        provenance={SCRIPT: SCRIPT, "packages": {SCRIPT: SCRIPT}},
    )
    html = html_of(inputs)
    assert SCRIPT not in html
    assert "alert(1)" in html
    assert html.count("<script>") == 1
    assert SCRIPT not in markdown_of(inputs)


def test_a_quote_cannot_leave_an_attribute(study):
    html = html_of(replace(study, runs=runs_frame([run_row("direction", '"onload="x', "2M")])))
    assert not any("onload" in name for _, attributes in Tree(html).tags for name in attributes)


def test_every_chart_says_what_it_shows_to_those_who_cannot_see_it(html):
    charts = [a for tag, a in Tree(html).tags if tag == "svg" and a.get("class") == "chart"]
    assert len(charts) > 6
    assert all(chart["role"] == "img" and len(chart["aria-label"]) > 40 for chart in charts)
    others = [a for tag, a in Tree(html).tags if tag == "svg" and a.get("class") != "chart"]
    assert all(a.get("aria-hidden") == "true" or "overflow" in a for a in others)


def test_headings_descend_by_one_level(html):
    levels = [int(tag[1]) for tag, _ in Tree(html).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_chart_titles_state_the_finding(html):
    assert "no clear change from 2M to 200M" in html
    assert "still improving at the end for 2M" in html
    assert "best of 8 trials is 0.6887" in html


def test_a_small_study_weighs_little(html):
    assert len(html.encode()) < 400_000


def test_a_study_of_2880_runs_stays_below_eight_megabytes(study):
    base = all_rows()[:6]
    rows = [
        row
        | {
            "seed": seed,
            "path": f"base/Aa20/daily/{row['task']}/h5/{row['model']}/{row['budget']}/seed{seed}",
        }
        for seed in range(480)
        for row in base
    ]
    curves = [curve("direction") | {"horizon": horizon} for horizon in range(1, 200)]
    result = scaling()
    result["questions"][0]["curves"] = curves
    html = html_of(replace(study, runs=runs_frame(rows), scaling=result))
    assert len(html.encode()) < 8_000_000
    assert html.count("/seed479<") == len(base)
    assert "187 more charts of this kind not drawn" in html


def test_an_empty_study_says_so_in_plain_sentences():
    html = html_of(ReportInputs(title="Nothing yet"))
    text = text_of(html)
    for sentence in (
        "No verdict.", "No question about size in this study", "No models to compare in this study",
        "No controls in this study", "No reliability diagrams in this study", "No loss curves in this study",
        "No hyperparameter search in this study", "No data-quality findings in this study",
        "No runs in this study", "No record of time and memory in this study", "No provenance was recorded",
    ):  # fmt: skip
        assert sentence in text
    assert not Tree(html).wrong
    assert markdown_of(ReportInputs(title="Nothing yet")).startswith("# Nothing yet\n")


def test_a_study_of_missing_runs_only_is_reported(study):
    runs = runs_frame([missing(row) for row in all_rows()])
    empty = {"value": None, "low": None, "high": None, "param_count": None, "seeds": 0, "budget": "2M"}
    none = {"estimate": None, "low": None, "high": None, "low_holm": None, "high_holm": None}
    result = scaling(controls=[], baselines=[])
    result["questions"][0]["curves"] = [
        curve(
            "direction", points=[empty], slope=none, gain=none, detectable_gain=None, reason="No usable run."
        )
    ]
    html = html_of(ReportInputs("Missing", runs=runs, scaling=result))
    assert "0 of 14" in html
    assert "No gain could be measured." in html
    assert html.count("✗ missing") == 14


def test_one_class_in_a_split_is_shown_and_flagged():
    row = run_row("direction", "patchtst-mixed", "2M", test_auc=None, test_auc_low=None, test_auc_high=None)
    row["test_base_rate"] = 1.0
    metrics = {row["path"]: {"warnings": ["test: one class only; AUC is undefined."]}}
    html = html_of(ReportInputs("One class", runs=runs_frame([row]), metrics=metrics))
    assert "one class only" in html
    assert "only 0 samples of the rarer class in test" in html
    assert "nan" not in text_of(html[html.index('id="runs"') :]).lower().split()


def test_regression_is_reported_by_squared_error():
    row = run_row("direction", "patchtst-mixed", "2M", test_auc=None, test_log_loss=None)
    row |= {
        "task": "regression",
        "test_mse": 0.000412,
        "test_mse_low": 0.0003,
        "test_mse_high": 0.0005,
        "test_r2": -0.012,
    }
    result = scaling(controls=[], baselines=[])
    result["questions"][0]["curves"] = [
        curve("direction") | {"task": "regression", "metric": "mse", "margin": 4e-6}
    ]
    html = html_of(ReportInputs("Returns", runs=runs_frame([row]), scaling=result))
    assert "0.000412 [0.000300, 0.000500]" in html
    assert "−0.0120" in html
    assert "squared return" in html


def test_only_one_seed_is_named_as_a_limit_and_several_are_not(study, html):
    assert "One seed per size" in html
    rows = [run_row("direction", "patchtst-mixed", b, seed) for b in BUDGETS for seed in (1, 2)]
    assert "One seed per size" not in html_of(replace(study, runs=runs_frame(rows)))


def test_an_index_that_stands_in_for_a_fund_is_a_limit(study, html):
    assert "^GSPC: an index stands in for a fund" in html
    assert "stands in for a fund" not in html_of(replace(study, prices={"SPY": {}}))


def test_markdown_tells_the_same_without_drawings(study, html):
    markdown = markdown_of(study)
    assert "**Undecided.**" in markdown
    assert "0.0060 [−0.0032, 0.0152]" in markdown
    assert "<svg" not in markdown
    assert all(path in markdown for path in study.runs["path"])
    tables = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(tables) > 60


def test_the_same_inputs_give_the_same_bytes(study, html):
    assert html_of(study) == html


def test_building_a_report_imports_neither_torch_nor_a_charting_library():
    code = "import sys, lib.report.render; print(' '.join({n.split('.')[0] for n in sys.modules}))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    loaded = set(out.stdout.split())
    assert "jinja2" in loaded
    assert not {"torch", "matplotlib", "pandas", "sklearn"} & loaded


def test_a_correlation_map_of_two_thousand_channels_stays_small_and_names_its_families():
    from lib.report.heatmap import correlation_map

    random = np.random.default_rng(0)
    matrix = np.corrcoef(random.standard_normal((2000, 50)))
    families = ["returns"] * 1200 + ["a <b>"] * 800
    drawn = str(correlation_map(matrix, families, "what it means"))
    assert len(drawn) < 900_000
    assert "returns (1200)" in drawn
    assert "a &lt;b&gt; (800)" in drawn
    assert 'aria-label="what it means"' in drawn


def test_a_correlation_map_shows_the_sign_by_hue_and_the_size_by_opacity():
    import base64
    from io import BytesIO

    from PIL import Image

    from lib.report.heatmap import correlation_map

    drawn = str(correlation_map(np.array([[1.0, -0.5], [np.nan, 0.5]]), ["a", "b"], ""))
    image = Image.open(BytesIO(base64.b64decode(drawn.partition("base64,")[2].partition('"')[0])))
    blue, orange, nothing, pale = (
        image.convert("RGBA").getpixel(at) for at in ((0, 0), (1, 0), (0, 1), (1, 1))
    )
    assert blue == (31, 119, 180, 255)
    assert orange[:3] == (214, 92, 20)
    assert abs(orange[3] - 128) <= 1
    assert abs(pale[3] - 128) <= 1
    assert nothing[3] <= 1


@pytest.mark.parametrize(
    ("count", "shown"), [(6, "S0, S1, S2, S3, S4, S5"), (8, "S0, S1, S2, S3, S4, S5 and 2 more")]
)
def test_symbols_below_the_title_are_counted_where_they_are_too_many(study, count, shown):
    prices = {f"S{number}": {"vintage": "v"} for number in range(count)}
    assert build_page(replace(study, prices=prices)).subtitle.split(" · ")[0] == shown


def test_warnings_that_say_the_same_stand_in_one_line():
    curves = ("base/Aa20/direction/*", "base/Aa20/threshold_1pct/*")
    said = [f"only one seed at {size}." for size in ("2M", "20M", "200M")] + ["no null control is declared."]
    alone = "1 run forecasts nearly the same for every sample: results/runs/null."
    lines = grouped([alone, *(f"{curve}: {text}" for curve in curves for text in said)])
    assert lines == [
        alone,
        "Only one seed at 2M, 20M and 200M; no null control is declared. In 2 places: "
        "base/Aa20/direction/*; base/Aa20/threshold_1pct/*.",
    ]


def test_every_place_and_every_word_of_a_warning_is_kept():
    texts = ["a/b: first thing.", "c/d: second thing.", "a/b: third matter"]
    lines = " ".join(grouped(texts))
    assert all(word in lines for text in texts for word in re.findall(r"[\w/]+", text))


def test_a_term_is_explained_once_where_it_first_stands(study):
    page = build_page(study)
    explained = [term for terms in page.words.values() for term, _ in terms]
    assert len(explained) == len(set(explained))
    assert {"Holm", "Ledger", "Log loss", "Seed"} <= set(explained)
    html = render_html(page)
    [first] = [identity for identity, terms in page.words.items() if "Holm" in dict(terms)]
    before = html[: html.index(f'id="{first}"')]
    assert "Holm" not in text_of(before[before.index("</nav>") :])
    assert "Ledger" in [term for term, _ in page.words["ledger"]]
    assert all(f"*{term}*:" in markdown_of(study) for term in ("Holm", "Ledger"))


def test_every_chart_has_its_numbers_in_a_table_behind_it(html, study):
    page = build_page(study)
    panels = [panel for section in (*page.sections, *page.closing) for panel in section.panels]
    assert len(panels) > 6
    assert all(panel.table is not None and panel.table.rows for panel in panels)
    assert html.count("<figure") == html.count('<details class="fold data">') == len(panels)


def test_the_script_is_small_and_writes_no_markup():
    folder = Path(report.__file__).parent / "templates"
    scripts = [path.read_text(encoding="utf-8") for path in folder.glob("*.js")]
    assert 0 < sum(len(text.encode()) for text in scripts) <= 30_000
    assert not any(
        word in text for text in scripts for word in ("innerHTML", "outerHTML", "insertAdjacent", "eval(")
    )

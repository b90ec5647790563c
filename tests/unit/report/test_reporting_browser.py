"""The page under a hand: clicks, touches and keys in a real Chromium; skipped where none is installed."""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ET

import polars as pl
import pytest

from lib.report.render import build_page, render_html
from tests.browser import browser, chromium
from tests.unit.reporting_study import full_study

pytestmark = pytest.mark.skipif(
    chromium() is None, reason="no Chromium or Chrome on this machine (CHROMIUM=… names one)"
)
FIRST = "#scaling-01"
CHART = f"{FIRST} svg.chart"
TIP = ".tip"


@pytest.fixture(scope="module")
def study():
    return full_study()


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def file(study, downloads):
    path = downloads / "report.html"
    path.write_text(render_html(build_page(study)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tab(downloads):
    with browser(chromium(), downloads) as one:
        yield one


@pytest.fixture
def page(tab, file):
    tab.scripts(True)
    tab.media()
    tab.window(1400)
    tab.open(f"file://{file}")
    yield tab
    assert not tab.errors


def all_texts(selector):
    """An expression: the texts of all elements that fit."""
    return f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.textContent.trim())"


def saved(folder, name):
    """A file that the page gives away."""
    path, end = folder / name, time.monotonic() + 60
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    text = path.read_text(encoding="utf-8")
    path.unlink()
    return text


def test_a_mouse_on_a_mark_a_line_and_a_band_gives_their_values(page):
    page.hover(f"{CHART} .mark.b20")
    assert page.text(TIP) == "20M: 0.6934 [0.6844, 0.7029]"
    page.hover(f"{CHART} line.ref")
    assert page.text(TIP) == "no model: 0.6885"
    page.js("document.querySelector('#curves > details').open = true")
    page.hover("#curves-01 .mark.b200")
    assert page.text(TIP).startswith("patchtst-mixed 200M: lowest ")
    page.hover("#curves-01 h3")
    assert page.shown(TIP) == 0


def test_a_line_says_what_the_table_behind_the_chart_says(page):
    page.js("document.querySelector('#curves > details').open = true")
    page.js("document.querySelector('#curves-01 .data').open = true")
    head, first = (page.text(f"#curves-01 .data {cell}") for cell in ("thead th", "tbody th"))
    page.js("document.querySelector('#curves-01 .link').focus()")
    page.press("Tab")
    seen = set()
    for _ in range(8):
        page.press("ArrowDown", "Home")
        seen.add(page.text(TIP))
    for name in page.js(all_texts("#curves-01 .data thead th:nth-child(n+2)")):
        column = page.js(all_texts("#curves-01 .data thead th")).index(name) + 1
        value = page.text(f"#curves-01 .data tbody tr:first-child td:nth-child({column})")
        assert f"{name}: {value} ({head} {first})" in seen


def test_a_finger_gives_the_same_value_and_another_touch_takes_it_away(page):
    page.window(390, 844, phone=True)
    page.tap(f"{CHART} .mark.b200")
    assert page.text(TIP).startswith("200M: 0.6952")
    page.tap("#scaling .lead")
    assert page.shown(TIP) == 0


def test_keys_go_through_every_mark_line_and_band(page):
    page.js(f"document.querySelector('{FIRST} .link').focus()")
    page.press("Tab")
    assert page.js("document.activeElement === document.querySelector('" + CHART + "')")
    seen = {page.text(TIP)}
    for _ in range(8):
        page.press("ArrowDown")
        seen.add(page.text(TIP))
    assert any(text.startswith("2M: 0.6921") for text in seen)
    assert any(text.startswith("200M: 0.6952") for text in seen)
    assert "no model: 0.6885" in seen
    assert page.text('p[role="status"]') in seen, "a key's value is said aloud"
    page.press("Escape")
    assert page.shown(TIP) == 0


def test_the_legend_switches_a_size_in_all_charts_of_its_section(page):
    before = page.shown("#scaling .chart .b20")
    page.click('#scaling .legend [data-for=".b20"] button')
    assert before > 0
    assert page.shown("#scaling .chart .b20") == 0
    assert page.shown("#scaling .chart .b200") > 0
    assert page.js("document.querySelector('#scaling [data-for=\".b20\"] button').ariaPressed") == "false"
    page.click('#scaling .legend [data-for=".b20"] button')
    assert page.shown("#scaling .chart .b20") == before


def test_an_axis_changes_its_scale_and_back_and_values_stay(page):
    place = f"Number(document.querySelector('{CHART} .mark.b20').getBoundingClientRect().x)"
    ticks = f"[...document.querySelectorAll('{CHART} text.tx')].map((t) => t.textContent).join()"
    first, drawn = page.js(place), page.js(ticks)
    page.click(f"{FIRST} .acts button")
    assert page.text(f"{FIRST} .acts button") == "x axis: linear"
    assert page.js(place) < first - 100  # 20M lies near the left of 2M to 200M, no longer in the middle
    assert page.js(ticks) != drawn
    page.hover(f"{CHART} .mark.b20")
    assert page.text(TIP).startswith("20M: 0.6934")
    page.click(f"{FIRST} .acts button")
    assert page.js(place) == pytest.approx(first, abs=0.5)
    assert page.js(ticks) == drawn


def test_a_chart_opens_as_a_table_and_is_saved_as_csv_and_svg(page, downloads):
    assert page.shown(f"{FIRST} .data table") == 0
    page.click(f"{FIRST} .data summary")
    assert page.shown(f"{FIRST} .data table") == 1
    page.click(f"{FIRST} .acts button:nth-last-child(2)")
    table = pl.read_csv(saved(downloads, "scaling-01.csv").encode())
    assert table["Budget"].to_list() == ["2M", "20M", "200M"]
    page.click(f"{FIRST} .acts button:last-child")
    drawing = saved(downloads, "scaling-01.svg")
    assert ET.fromstring(drawing).tag.endswith("svg")
    assert "var(--" not in drawing


def test_a_link_leads_to_a_chart_also_where_it_is_folded(page, file):
    assert page.shown("#curves-01") == 0
    page.open(f"file://{file}#curves-01")
    assert page.shown("#curves-01") == 1
    assert 0 <= page.js("document.getElementById('curves-01').getBoundingClientRect().top") < 400


def test_runs_are_filtered_by_column_and_a_link_keeps_the_view(page, file, study):
    page.click("#runs-fold > summary")
    assert page.text("#runs output") == f"{study.runs.height} runs"
    page.click('[aria-label="Filter Test AUC"]')
    page.type("> 0.7")
    wanted = study.runs.filter(pl.col("test_auc") > 0.7)["path"].to_list()
    shown = all_texts("#runs-table tbody tr:not([hidden]) td:last-child")
    assert 0 < len(wanted) < study.runs.height
    assert sorted(page.js(shown)) == sorted(wanted)
    page.click("#runs-table thead th:nth-child(4) button")
    page.click("#runs .columns summary")
    page.click("#column-1")
    assert page.shown("#runs-table th:nth-child(2)") == 0
    ordered = page.js(shown)
    state = page.js("location.hash")
    page.open(f"file://{file}{state}")
    assert (
        page.js(shown)
        == ordered
        == sorted(wanted, key=lambda path: study.runs.filter(pl.col("path") == path)["test_auc"][0])
    )
    assert page.shown("#runs-table th:nth-child(2)") == 0


def test_the_whole_table_of_runs_is_saved(page, downloads, study):
    page.click("#runs-fold > summary")
    page.click("#runs-csv")
    table = pl.read_csv(saved(downloads, "runs.csv").encode(), infer_schema_length=None)
    assert table["path"].to_list() == study.runs["path"].to_list()


def test_a_phone_shows_the_verdict_without_scrolling_sideways(page):
    page.window(390, 844, phone=True)
    assert page.js("document.documentElement.scrollWidth") == 390
    right = "[...document.querySelectorAll('#verdict .cards td')].map((c) => c.getBoundingClientRect().right)"
    assert 0 < max(page.js(right)) <= 390
    assert page.shown("nav summary") == 1


@pytest.mark.parametrize("width", [1400, 390])
def test_no_verdict_is_cut_off(page, width):
    page.window(width)
    cut = "[...document.querySelectorAll('#verdict .cards')].map((s) => s.scrollWidth - s.clientWidth)"
    page.js("document.querySelectorAll('#verdict details').forEach((d) => { d.open = true; })")
    assert max(page.js(cut)) <= 1


def test_paper_shows_what_is_folded_and_no_controls(page):
    page.media(medium="print")
    assert page.shown(".acts") == 0
    assert page.shown("nav") == 0
    assert page.shown("#curves-01") == 1
    assert page.shown("#runs-table") == 1


def test_without_a_script_everything_is_there_to_be_opened(tab, file):
    tab.scripts(False)
    tab.open(f"file://{file}")
    document = tab.call("DOM.getDocument")["root"]["nodeId"]

    def count(selector):
        return len(tab.call("DOM.querySelectorAll", nodeId=document, selector=selector)["nodeIds"])

    assert count("figure .data table") == count("figure")
    assert count("main button, main input, main select") == 0
    assert count('a[download="runs.csv.gz"]') == 1
    tab.scripts(True)


def test_dark_and_light_differ_in_paper_and_ink_alone(page):
    style = "getComputedStyle(document.body)"
    colours = f"JSON.stringify([{style}.backgroundColor, {style}.color])"
    light = json.loads(page.js(colours))
    page.media("dark")
    assert json.loads(page.js(colours))[0] != light[0]
    page.hover(f"{CHART} .mark.b20")
    assert page.text(TIP).startswith("20M")

"""The report on a search: how it went on, what mattered, and its losses against each parameter."""

import math
import re
from dataclasses import replace

import polars as pl
import pytest

from lib.config.hpo import Choice, FloatRange, IntRange, SearchSpace
from lib.report.figures import standalone
from lib.report.sections.hyperparameters import search_section
from lib.report.sections.search_slices import _axis, slices_panel
from lib.report.svg import WIDTH
from lib.tuning.search import run_search
from tests.unit.reporting_study import SEARCH, SHARES, full_study, search


def slices(trials: pl.DataFrame | None = None, shares=SHARES, **changes):
    best, frame = search()
    return slices_panel("2M", "b2", best | changes, frame if trials is None else trials, shares)


def marks(figure: str) -> list[tuple[float, float]]:
    """Centres of the marks of the best trial, one per small chart."""
    return [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', figure)]


def dots(figure: str) -> list[list[tuple[int, int]]]:
    """Centres of the other trials of each small chart."""
    paths = re.findall(r'<path class="dots b2" d="([^"]*)"', figure)
    return [[(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h", path)] for path in paths]


def test_the_section_shows_the_course_the_importances_and_the_losses_by_parameter():
    panels = search_section(full_study()).panels
    assert len(panels) == 3
    assert "best of 8 trials is 0.6887" in panels[0].title
    assert panels[1].title.endswith("learning_rate explains 61 % of the differences between trials")
    assert "architecture 27 %, effective_batch 12 %" in panels[1].reading
    assert panels[2].title.endswith("the best trial lies at an end of effective_batch")
    for panel in panels:
        assert f'aria-label="{panel.title[:20]}' in panel.figure


def test_bars_are_as_long_as_the_importances():
    figure = str(search_section(full_study()).panels[1].figure)
    spans = re.findall(r'class="whisker bar" x1="([\d.]+)" x2="([\d.]+)"', figure)
    lengths = [float(right) - float(left) for left, right in spans]
    assert [length / lengths[0] for length in lengths] == pytest.approx(
        [share / 0.61 for share in SHARES.values()], abs=0.01
    )
    assert all(float(right) < WIDTH - 40 for _, right in spans)  # the number after it has room


def test_there_is_a_chart_for_each_parameter_with_every_complete_trial_the_most_important_first():
    panel = slices()
    figure = str(panel.figure)
    assert "6 complete trials" in panel.reading
    assert [len(chart) for chart in dots(figure)] == [5, 5, 5]
    assert len(marks(figure)) == 3
    order = [
        figure.index(name) for name in ("learning_rate (log)<", "d_model / n_layers", "effective_batch<")
    ]
    assert order == sorted(order)


def share_of_range(figure: str) -> float:
    """Where the best trial stands between the ends of the first small chart."""
    left, right = map(int, re.findall(r'<line class="axis" x1="(\d+)" x2="(\d+)"', figure)[0])
    return (marks(figure)[0][0] - left - 6) / (right - left - 12)


def test_a_range_that_is_log_has_a_log_axis():
    declared = search()[0]["space"]
    straight = declared | {"learning_rate": declared["learning_rate"] | {"log": False}}
    assert share_of_range(str(slices().figure)) == pytest.approx(math.log10(6) / 2, abs=0.01)
    assert share_of_range(str(slices(space=straight).figure)) == pytest.approx(5 / 99, abs=0.01)


def test_architectures_stand_by_width_over_depth():
    axis = _axis("architecture", search()[0]["space"]["architecture"])
    assert axis.place("d480_l1_h8_f960") == 480 == axis.high
    assert axis.place("d96_l16_h8_f384") == 6 == axis.low
    assert axis.log


def test_a_best_trial_at_no_end_is_said_to_lie_inside():
    _, frame = search()
    inside = frame.with_columns(effective_batch=pl.lit(64))
    assert slices(inside).title == "2M: the best trial lies inside all ranges"
    unordered = {"activation": {"type": "choice", "values": ["relu", "gelu"], "ordered": False}}
    words = frame.with_columns(activation=pl.lit("gelu"))
    panel = slices(words, space=unordered)  # a choice without order has no ends
    assert "inside all ranges" in panel.title
    assert ">relu<" in panel.figure


def test_a_few_wild_losses_do_not_flatten_the_rest():
    _, frame = search()
    many = pl.concat([frame.drop_nulls("value")] * 5).with_row_index("n")
    wild = many.with_columns(value=pl.when(pl.col("n") == 0).then(90.0).otherwise(pl.col("value")))
    panel = slices(wild)
    assert "1 loss above 0.6958 at the upper edge" in panel.reading
    assert [y for _, y in marks(str(panel.figure))][:1] == pytest.approx(
        [y for _, y in marks(str(slices(many).figure))][:1], abs=3
    )
    heights = [y for chart in dots(str(panel.figure))[:1] for _, y in chart]
    assert max(heights) - min(heights) > 30


def test_too_few_trials_or_no_known_space_are_not_drawn():
    best, frame = search()
    assert slices(frame.head(5)) is None  # four complete ones
    assert slices(space={}) is None
    study = full_study()
    small = replace(
        study, hpo={SEARCH: (best, frame.head(3))}, importances={SEARCH: {"reason": "too little"}}
    )
    [panel] = search_section(small).panels
    assert "Importances: too little." in panel.reading


def test_a_real_search_is_drawn_in_a_few_kilobytes(tmp_path):
    space = SearchSpace(
        parameters={
            "learning_rate": FloatRange(low=1e-5, high=1e-2, log=True),
            "weight_decay": FloatRange(low=1e-6, high=1e-2, log=True),
            "max_steps": IntRange(type="int", low=10, high=200),
            "effective_batch": Choice(type="choice", values=[32, 64, 128, 256], ordered=True),
            "pooling": Choice(type="choice", values=["last", "mean", "attention"]),
        }
    )

    def objective(parameters, report):
        return abs(math.log10(parameters["learning_rate"]) + 3.5) + (parameters["pooling"] == "mean")

    found = run_search(space, objective, tmp_path, "test", 25, seed=1)
    panel = slices_panel("2M", "b2", found.best, found.trials, found.importances["shares"])
    assert len(panel.figure) < 10_000
    assert sum(map(len, dots(str(panel.figure)))) == 5 * (found.best["n_complete"] - 1)
    assert "stroke-linecap: round" in standalone(str(panel.figure))

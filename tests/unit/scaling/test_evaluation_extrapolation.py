"""What smaller scale points predict for a larger one: right as often as it says, wrong where the law bends,
and kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from lib.config.workflow import EvaluationConfig
from lib.inference.comparisons import DateLosses
from lib.report.compared import Compared
from lib.report.render import ReportInputs, build_page, render_html, render_markdown
from lib.report.sections.worth import beside_linear, worth_words
from lib.scaling.axes import AXES, CURVE_KEY
from lib.scaling.extrapolation import extrapolate
from lib.scaling.predicted import predictions, with_entry
from lib.scaling.run_index import RunIndex, StudyRuns
from lib.scaling.samples import PredictionFiles, read_predictions
from lib.scaling.scale_points import ScalePoint
from lib.scaling.summary import scaling_summary
from tests.unit.made_study import SYMBOL, make_study, small_study, summarise

CFG = EvaluationConfig(confidence=0.9)
SIZES = (2e6, 2e7, 2e8)
WORLDS = 100
Law = Callable[[float], float]


def log_linear(size: float) -> float:
    return 0.7 - 0.02 * float(np.log10(size / 2e6))


def made(law: Law, sizes: tuple[float, ...], rng: np.random.Generator, own: float = 0.05) -> list[ScalePoint]:
    """Scale points whose expected losses obey a law: hard days for all, days of each point's own over a week,
    seeds."""
    dates, seeds = 300, 3
    common = rng.normal(0, 0.3, dates)
    found = []
    for size in sizes:
        days = np.convolve(rng.normal(0, own, dates + 4), np.ones(5) / np.sqrt(5), "valid")
        sums = [law(size) + common + days + rng.normal(0, 0.1 * own) for _ in range(seeds)]
        found.append(ScalePoint(f"{size:g}", size, DateLosses(np.array(sums), np.ones(dates))))
    return found


def share_inside(law: Law, which: str, sizes: tuple[float, ...] = SIZES) -> float:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(WORLDS):
        *smaller, largest = made(law, sizes, rng)
        said = getattr(extrapolate(smaller, sizes[-1], largest.seeds, 5, CFG), which)
        inside += said.low <= largest.mean <= said.high
    return inside / WORLDS


def test_a_line_in_log_size_is_inside_as_often_as_the_interval_says() -> None:
    assert 0.85 <= share_inside(log_linear, "law") <= 0.95
    assert share_inside(log_linear, "flat") < 0.1


def test_where_size_is_worth_nothing_the_rival_without_a_law_is_inside() -> None:
    assert 0.85 <= share_inside(lambda size: 0.7, "flat") <= 0.95


def test_a_law_that_bends_is_outside() -> None:
    assert share_inside(lambda size: 0.7 if size < 1e7 else 0.6, "law") < 0.1


def test_two_sizes_say_that_they_leave_no_freedom_and_three_may_identify_a_floor() -> None:
    rng = np.random.default_rng(3)
    *two, _ = made(log_linear, SIZES, rng)
    said = extrapolate(two, SIZES[-1], 3, 5, CFG)
    assert said.form == "log-linear"
    assert "no degree of freedom" in said.note
    assert said.law.estimate == pytest.approx(2 * two[1].mean - two[0].mean)
    assert said.flat.estimate == pytest.approx((two[0].mean + two[1].mean) / 2)

    shares = (12.5, 25.0, 50.0, 100.0)
    *three, largest = made(lambda size: 0.6 + 2.0 / size, shares, rng, own=0.002)
    said = extrapolate(three, shares[-1], 3, 5, CFG)
    assert said.form == "saturating"
    assert said.law.estimate == pytest.approx(largest.mean, abs=0.01)
    *noisy, _ = made(lambda size: 0.7, shares, rng)
    assert extrapolate(noisy, shares[-1], 3, 5, CFG).form == "log-linear"


def test_a_short_test_set_gives_a_number_without_an_interval() -> None:
    points = [
        ScalePoint(str(size), size, DateLosses(np.full((2, 6), loss), np.ones(6)))
        for size, loss in ((1.0, 0.7), (10.0, 0.6))
    ]
    said = extrapolate(points, 100.0, 2, 5, CFG)
    assert (said.law.low, said.law.high) == (None, None)
    assert said.law.estimate == pytest.approx(0.5)
    assert "no interval" in said.note


def forecasts(path: str) -> pl.DataFrame:
    """Two hundred days of forecasts, the better the larger the model."""
    days = pl.date_range(datetime(2020, 1, 1), datetime(2020, 1, 1) + timedelta(days=199), eager=True)
    error = {"2M": 1.0, "20M": 0.5, "200M": 0.2}[path.split("/", maxsplit=1)[0]]
    rng = np.random.default_rng([len(path), int(path[-1])])
    target = (np.arange(200) % 3 == 0).astype(float)
    score = 1 / (1 + np.exp(-(2 * target - 1 + error * rng.normal(size=200))))
    return pl.DataFrame(
        {"date": days, "symbol": "SPY", "target": target, "probability_0": 1 - score, "probability_1": score}
    )


def declared() -> list[dict[str, Any]]:
    def point(label: str, size: float) -> dict[str, Any]:
        rows = [{"path": f"{label}/{s}", "fold": None, "seed": s, "status": "done"} for s in (1, 2)]
        return {"level": label, "size": size, "rows": rows}

    return [
        {
            "cell": {"task": "direction", "horizon": 1, "budget": "*"},
            "largest": {"level": "200M", "size": 2e8, "seeds": 2},
            "smaller": [point("2M", 2e6), point("20M", 2e7)],
        }
    ]


def test_a_record_is_made_from_the_smaller_points_alone() -> None:
    read = []

    def reader(path: str, split: str) -> pl.DataFrame:
        read.append((path, split))
        return forecasts(path)

    seen: set[str] = set()
    material = StudyRuns(RunIndex(pl.DataFrame()), PredictionFiles(reader, "SPY", seen), CFG)
    [curve] = predictions("parameters", declared(), material)
    assert sorted(read) == [("20M/1", "test"), ("20M/2", "test"), ("2M/1", "test"), ("2M/2", "test")]
    assert len(seen) == 4, "each is a look at the test set"
    assert [own["loss"] for own in curve["from"]] == sorted(
        (own["loss"] for own in curve["from"]), reverse=True
    )
    assert curve["law"]["low"] < curve["law"]["estimate"] < curve["law"]["high"]
    assert curve["law"]["estimate"] < curve["from"][-1]["loss"]


def test_a_record_only_grows_and_says_nothing_twice() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    first = with_entry([], [{"law": 1}], now)
    assert first == [{"date": "2026-01-02T03:04:05+00:00", "cells": [{"law": 1}]}]
    assert with_entry(first, [{"law": 1}], now + timedelta(days=1)) == first
    second = with_entry(first, [{"law": 2}], now + timedelta(days=1))
    assert second[0] == first[0]
    assert [entry["cells"][0]["law"] for entry in second] == [1, 2]


def test_records_need_two_points_to_say_anything() -> None:
    def reader(path: str, split: str) -> pl.DataFrame:
        if path.startswith("2M"):
            raise OSError("gone")
        return forecasts(path)

    material = StudyRuns(RunIndex(pl.DataFrame()), PredictionFiles(reader, "SPY", set()), CFG)
    [curve] = predictions("parameters", declared(), material)
    assert curve["problem"] == "fewer than two smaller sizes can be used"
    assert "law" not in curve


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[pl.DataFrame, Any]]:
    """A made-up study of three sizes and linear baselines, judged with a prediction written at some time."""
    wanted = {name: e for name, e in small_study().items() if name in ("phase1", "baselines")}
    made_up = make_study(tmp_path_factory.mktemp("judged"), wanted)
    runs, _ = summarise(made_up, EvaluationConfig(bootstrap_draws=100))
    rows = runs.filter(pl.col("budget") != "none").to_dicts()

    def smaller(budget: str, size: float) -> dict[str, Any]:
        own = [
            {name: row[name] for name in ("path", "fold", "seed", "status")}
            for row in rows
            if row["budget"] == budget
        ]
        return {"level": budget, "size": size, "rows": own}

    key = dict(zip(CURVE_KEY, AXES["parameters"].rest(rows[0]), strict=True))
    curve = {
        "cell": key,
        "largest": {"level": "200M", "size": 2e8, "seeds": 3},
        "smaller": [smaller("2M", 2e6), smaller("20M", 2e7)],
    }
    material = StudyRuns(RunIndex(runs), PredictionFiles(read_predictions, SYMBOL, set()), CFG)
    curves = predictions("parameters", [curve], material)

    def judge(written: str | None, **changes: Any) -> tuple[pl.DataFrame, Any]:
        said = [curve | changes for curve in curves]
        record = [with_entry([], said, datetime.fromisoformat(written))] if written else []
        summary = scaling_summary(
            made_up.experiments, runs, read_predictions, CFG, primary=SYMBOL, predicted=record
        )
        return runs, summary

    return judge


def test_only_what_was_written_before_the_largest_began_is_held_against_it(
    judged: Callable[..., tuple[pl.DataFrame, Any]],
) -> None:
    runs, summary = judged("2026-01-10T00:00:00+00:00")
    [curve] = summary["questions"][0]["curves"]
    said = curve["prediction"]
    assert said["on_record"] is True
    assert said["realised"] == pytest.approx(curve["points"][-1]["value"])
    assert said["inside"] == (said["law"]["low"] <= said["realised"] <= said["law"]["high"])

    # Beside the verdict and before any fit through all points, in both renderings.
    page = build_page(ReportInputs("made up", runs=runs, scaling=summary))
    [verdict] = page.verdicts
    assert verdict.predicted == [said["text"]]
    for text in (render_markdown(page), render_html(page).replace("&#39;", "'")):
        assert verdict.sentence in text
        assert text.index("Before 200M was trained") < text.rindex("Is there a law?"), "the contents apart"
    reading = next(s for s in page.sections if s.id == "scaling").panels[0].reading
    assert reading.startswith("Before 200M was trained")
    assert reading.index("Before 200M") < reading.index("Slope")

    # A scale point without some of the dates has another loss on the rest, whatever its size.
    for lacking in ({"dates": said["dates"] + 1}, {"folds": [1, 2]}):
        _, summary = judged("2026-01-10T00:00:00+00:00", **lacking)
        other = summary["questions"][0]["curves"][0]["prediction"]
        assert "inside" not in other
        assert other["text"].endswith(
            f"measured on {said['dates']} test dates, so the two cannot be compared."
        )

    for late in ("2026-01-30T12:00:01+00:00", None):
        _, summary = judged(late)
        said = summary["questions"][0]["curves"][0]["prediction"]
        assert said["on_record"] is False
        assert said["text"] == "Not on record: nothing was predicted before 200M was trained."


def test_a_report_says_what_more_compute_is_worth_beside_a_linear_model_and_how_it_was_fitted(
    judged: Callable[..., tuple[pl.DataFrame, Any]],
) -> None:
    runs, summary = judged(None)
    inputs = ReportInputs("made up", runs=runs, scaling=summary)
    page = build_page(inputs)
    [verdict] = page.verdicts
    assert verdict.worth.startswith("Worth more compute?")
    assert "the next tenfold would take" in verdict.worth
    lines = {line["budget"]: line for line in summary["baselines"][0]["rows"] if line["budget"] != "none"}
    assert summary["baselines"][0]["linear"] == "logistic"
    best = max(-line["over_linear"] for line in lines.values())
    assert f"{best:.4f}".replace("-", "−") in verdict.worth
    # The same difference by hand, from the losses of both.
    logistic = next(line for line in summary["baselines"][0]["rows"] if line["model"] == "logistic")
    assert lines["2M"]["over_linear"] == pytest.approx(lines["2M"]["log_loss"] - logistic["log_loss"])

    fitted = next(section for section in page.sections if section.id == "fitting")
    answers = {row[1].text: row[2].text for row in fitted.tables[0].rows}
    assert answers["Sizes"] == "2.02M to 202M"
    assert answers["Points of a fit"] == "3 scale points of 3 seeds"
    assert answers["Learning rate"] == "0.0003"
    assert answers["Training windows"] == "2,000"
    assert "| Loss minimised |" in render_markdown(page).replace("Fit | ", "| ")


@pytest.mark.parametrize(
    ("verdict", "gate", "answer"),
    [
        ("scales", "gain", "Yes: "),
        ("undecidable", "reversal", "These runs cannot tell: "),
        ("undecidable", "recalibration", "These runs cannot tell: "),
        ("undecidable", "skill", "These runs cannot tell: "),
        ("undecidable", "seeds", "These runs cannot tell: "),
        ("undecidable", "controls", "Unknown while a control fails: "),
    ],
)
def test_more_compute_is_worth_it_only_where_the_verdict_says_that_size_helps(
    verdict: str, gate: str, answer: str
) -> None:
    class Alone(Compared):
        def __init__(self) -> None: ...

        def points(self, curve: Any) -> Any:
            return {}

        def against_others(self, curve: Any, point: str) -> Any:
            return None

    steep = {"estimate": -0.02, "low": -0.03, "high": -0.01}
    curve = {"axis": "parameters", "verdict": verdict, "gate": gate, "slope": steep, "points": []}
    said = worth_words(curve, 0.005, Alone())[0]
    assert said.startswith(f"Worth more compute? {answer}")
    small = curve | {"slope": {"estimate": 0.0, "low": -0.001, "high": 0.001}}
    assert ("? No: " in worth_words(small, 0.005, Alone())[0]) == (gate not in ("seeds", "controls"))


def test_a_law_below_the_linear_model_is_called_of_no_use() -> None:
    curve = {"axis": "parameters", "points": [{"point": "2M", "budget": "2M"}]}

    class Against(Compared):
        def __init__(self, difference: float) -> None:
            self.line = {
                "over_linear": difference,
                "over_linear_low_holm": difference - 0.01,
                "over_linear_high_holm": difference + 0.01,
            }

        def against_others(self, curve: Any, point: str) -> Any:
            return self.line

    assert "of no use" in beside_linear(curve, Against(0.002))
    assert beside_linear(curve, Against(-0.002)).startswith("No scale point clearly beats the linear model")
    assert beside_linear(curve, Against(-0.02)) == "2M beats the linear model by 0.0200 [0.0100, 0.0300]."

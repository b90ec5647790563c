"""What the evaluation has computed and the report must show: laws, tests, folds, confounds, corrections."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lib.jobs.gather import ablations
from lib.report.render import build_page, render_html, render_markdown
from lib.scaling.entries import ESTIMATE_KEYS
from tests.unit.reporting_study import (
    FACTS,
    all_rows,
    baseline_table,
    curve,
    full_study,
    missing,
    run_row,
    runs_frame,
    scaling,
)
from tests.unit.scaling import test_evaluation_ablation as folds_of_readouts


@pytest.fixture(scope="module")
def study():
    return full_study()


def section(inputs, identity):
    page = build_page(inputs)
    return next(s for s in (*page.sections, *page.closing) if s.id == identity)


def column(table, label):
    place = [head.label for head in table.columns].index(label)
    return [row[place].text for row in table.rows]


def with_question(**changes):
    result = scaling()
    result["questions"][0] |= changes
    return result


LAW = {
    "identified": True,
    "note": "The exponent is identified.",
    "E": {"estimate": 0.61, "low": 0.6, "high": 0.62},
    "A": {"estimate": 2.0, "low": 1.0, "high": 3.0},
    "alpha": {"estimate": 0.31, "low": 0.21, "high": 0.44},
    "curve": [[2e6, 0.69, 0.68, 0.7], [2e8, 0.68, 0.67, 0.69]],
}


def test_every_curve_shows_its_log_log_slope_with_its_interval(study):
    laws = section(study, "laws")
    assert column(laws.tables[0], "Log–log slope [interval]") == [
        "0.0010 [−0.0015, 0.0035]", "−0.0019 [−0.0044, 0.0006]",
    ]  # fmt: skip
    assert "clearly below 0 in neither curve" in laws.lead


def test_three_sizes_are_said_to_leave_no_freedom_for_a_floor(study):
    assert "3 sizes leave no degree of freedom" in section(study, "laws").notes[0]


def test_an_identified_law_is_given_with_its_intervals_and_drawn(study):
    curves = [curve("direction", law=LAW), curve("threshold_1pct", law=LAW | {"identified": False})]
    inputs = replace(study, scaling=with_question(curves=curves))
    laws = section(inputs, "laws")
    assert column(laws.tables[0], "E + A·N^−α") == [
        "E = 0.610 [0.600, 0.620]; α = 0.310 [0.210, 0.440]", "not identified",
    ]  # fmt: skip
    assert "identified in 1 of 2 curves" in laws.notes[0]
    drawn = [str(panel.figure).count("series dashed ink") for panel in section(inputs, "scaling").panels]
    assert drawn == [1, 0]


def test_rival_forms_and_the_pooled_result_are_shown(study):
    forms = [
        {"form": "flat", "aicc": -18.2, "delta_aicc": 0.0, "weight": 0.8, "loso_rmse": 0.0021, "note": "n"},
        {"form": "power", "aicc": -15.1, "delta_aicc": 3.1, "weight": 0.2, "parameters": {"alpha": 0.02}},
    ]
    pooled = {
        "timescale": "daily",
        "curves": 2,
        "gain": {"estimate": 0.004, "low": 0.001, "high": 0.007},
        "slope": {"estimate": -0.002, "low": -0.003, "high": -0.001},
        "between_curves_sd": 0.0012,
        "heterogeneity_p": 0.03,
    }
    result = with_question(curves=[curve("direction", forms=forms)], pooled=[pooled], axis_label="parameters")
    tables = section(replace(study, scaling=result), "laws").tables
    assert column(tables[0], "Gain [interval]") == ["0.0040 [0.0010, 0.0070]"]
    assert column(tables[0], "p") == ["0.030"]
    assert column(tables[2], "Left-out error") == ["0.00210", "–"]
    assert column(tables[2], "Parameters") == ["–", "α 0.02"]
    assert "best by AICc flat 1" in tables[2].folded


def test_seed_and_sampling_errors_stand_apart(study):
    slope = {"estimate": -0.01, "low": -0.02, "high": 0.0, "se_dates": 0.003, "se_seeds": 0.0045}
    result = with_question(curves=[curve("direction", slope=slope)])
    table = section(replace(study, scaling=result), "laws").tables[0]
    assert column(table, "Its error, of dates") == ["0.00300"]
    assert column(table, "Its error, of seeds") == ["0.00450"]


def with_tests(**changes):
    table = baseline_table("threshold_1pct")
    for row in table["rows"]:
        row.update(
            {"dm_statistic": 2.1, "dm_p": 0.036, "difference_p_holm": 0.18, "in_confidence_set": True}
            | changes
        )
    return table | {"text": "No model can be shown to beat the base rate (SPA, p = 0.400)."}


def test_tests_of_models_are_shown_and_a_difference_is_clear_only_after_holm(study):
    gap = {"difference": 0.015, "difference_low": 0.01, "difference_high": 0.02}
    for low, word in ((-0.001, "cannot be distinguished"), (0.004, "all 5 others are clearly worse")):
        holm = {"difference_low_holm": low, "difference_high_holm": 0.03, "difference_p_holm": 0.004}
        table = with_tests(**gap, **holm)
        best = next(row for row in table["rows"] if row["model"] == table["reference"])
        best.update(dict.fromkeys(gap | holm))
        inputs = replace(study, scaling=scaling(baselines=[table]))
        assert word in build_page(inputs).baselines[0]
    shown = section(inputs, "baselines")
    assert sorted(set(column(shown.tables[0], "p (Holm)"))) == ["0.004", "–"]
    assert set(column(shown.tables[0], "Difference [Holm]")) == {"reference", "0.0150 [0.0040, 0.0300]"}
    assert set(column(shown.tables[0], "Could be best")) == {"yes"}
    assert "SPA, p = 0.400" in shown.tables[0].caption
    assert set(column(shown.tables[1], "DM p")) == {"0.036"}
    assert "DeLong p" not in [head.label for head in shown.tables[1].columns]


def test_a_scale_point_is_below_the_base_rate_only_by_the_paired_difference(study):
    table = baseline_table("direction")
    spans = {"2M": (-0.02, -0.03, -0.01), "20M": (-0.01, -0.03, 0.01), "200M": (0.02, 0.01, 0.03)}
    for row in table["rows"]:
        value, low, high = spans.get(row["budget"], (None, None, None))
        row.update(over_base_rate=value, over_base_rate_low_holm=low, over_base_rate_high_holm=high)
    panel = section(replace(study, scaling=scaling(baselines=[table])), "scaling").panels[0]
    assert "Clearly below the base rate (0.6885), date by date: 2M." in panel.reading
    assert "Clearly above the base rate (0.6885), date by date: 200M." in panel.reading
    bare = section(replace(study, scaling=scaling(baselines=[])), "scaling").panels[0]
    assert "was not measured" in bare.reading


def test_axes_of_size_are_logarithmic_both_ways(study):
    shown = section(study, "scaling")
    assert "log scale" in str(shown.panels[0].figure)
    assert "Both axes are logarithmic" in shown.lead


def share_of(row, variant):
    own = {"variant": variant, "train_fraction": int(variant.removeprefix("frac")) / 100}
    return row | own | {"experiment": f"data_{variant}", "path": f"{variant}/{row['path']}"}


def test_missing_runs_of_a_question_about_shares_are_named(study):
    base = run_row("direction", "patchtst-mixed", "2M")
    rows = [base, share_of(base, "frac25"), missing(share_of(base, "frac50"))]
    shares = curve("direction", axis="data", budget="2M", train_fraction="*")
    result = with_question(
        axis="data", experiment="data_frac25, data_frac50", curves=[shares], change_mind=["More."]
    )
    [verdict] = build_page(replace(study, runs=runs_frame(rows), scaling=result)).verdicts
    assert verdict.change == [
        "More.",
        "At least two more seeds at 2M, 20M, 200M.",
        f"Finish 1 missing run: frac50/{base['path']}.",
    ]


def test_what_would_change_the_answer_is_the_evaluations_own_sentence(study):
    said = ["About 3.1 times as many seeds, whose noise hides a gain of 0.0050.", "Runs at 200M."]
    curves = [curve("direction", change_mind=said), curve("threshold_1pct", change_mind=said)]
    [verdict] = build_page(replace(study, scaling=with_question(curves=curves, change_mind=said))).verdicts
    assert verdict.change == said


def test_curves_that_lack_the_same_are_told_together_with_what_each_lacks(study):
    seeds = "At least two more seeds at 2M, 20M, 200M."
    dates = [
        f"About {n} times as many test dates, so that a gain of 0.005 could be shown." for n in ("7.4", "21")
    ]
    curves = [
        curve(task, change_mind=[seeds, own])
        for task, own in zip(("direction", "threshold_1pct"), dates, strict=True)
    ]
    [verdict] = build_page(
        replace(study, scaling=with_question(curves=curves, change_mind=curves[0]["change_mind"]))
    ).verdicts
    assert verdict.change == [
        seeds,
        "About 7.4 to 21 times as many test dates, so that a gain of 0.005 could be shown.",
    ]


def test_a_slope_that_is_clear_is_not_called_no_change(study):
    slope = {"estimate": -0.004, "low": -0.007, "high": -0.001}
    for low, word in ((-0.001, "clear of 0"), (0.001, "clear once all comparisons are counted")):
        gain = {"estimate": 0.008, "low": low, "high": 0.02, "low_holm": -0.002, "high_holm": 0.02}
        shown = with_question(curves=[curve("direction", slope=slope, gain=gain)])
        title = section(replace(study, scaling=shown), "scaling").panels[0].title
        assert "log loss slopes down from 2M to 200M" in title
        assert title.endswith(f"the gain is not {word}")


def estimate(value: float, low: float, high: float) -> dict:
    return dict.fromkeys(ESTIMATE_KEYS) | {
        "estimate": value, "low": low, "high": high, "low_holm": low, "high_holm": high
    }  # fmt: skip


def test_folds_are_shown_one_by_one_with_how_often_a_model_is_better(study):
    pair = {
        "model": "patchtst-mixed",
        "budget": "200M",
        "against_model": "logistic",
        "against_budget": "none",
    }
    folds = [
        {"fold": n, "first": f"201{n}-01-03", "last": f"201{n}-12-30", "dates": 252,
         "models": [{"model": "logistic", "budget": "none", "seeds": 3, "loss": estimate(0.6, 0.5, 0.7)}],
         "differences": [pair | {"difference": estimate(-0.02, -0.05, 0.01)}]}
        for n in (1, 2)
    ]  # fmt: skip
    curve = {**FACTS, "dataset": "Aa50", "timescale": "daily", "task": "direction", "horizon": 5}
    entry = {"question": "Do other years agree?", "problem": curve, "metric": "log_loss", "declared_folds": 3,
             "folds": folds, "better": [pair | {"folds": 2, "better_folds": 1}]}  # fmt: skip
    inputs = replace(study, scaling=scaling(questions=[], walk_forward=[entry]))
    found = section(inputs, "folds")
    assert "no fold decides anything by itself" in found.lead
    better, single = found.tables
    assert column(better, "Comparison") == ["patchtst-mixed 200M against logistic"]
    assert column(better, "Lower loss in folds") == ["1 of 2"]
    assert single.folded.endswith("2 of 3 folds one by one")
    assert column(single, "Tested on")[0] == "2011-01-03 to 2011-12-30"
    assert column(single, "Loss, or difference in it")[:2] == [
        "−0.0200 [−0.0500, 0.0100]", "0.6000 [0.5000, 0.7000]",
    ]  # fmt: skip
    assert "patchtst-mixed 200M against logistic" in render_html(build_page(inputs))
    alone = replace(study, scaling=scaling(questions=[], walk_forward=[entry | {"better": []}]))
    assert len(section(alone, "folds").tables) == 1


def test_the_studys_own_test_stands_beside_the_verdict_of_the_folds(study):
    opened = {"state": "open", "gain": estimate(0.004, -0.01, 0.02), "agreement": "cannot tell"}
    for confirmation, said in (
        (opened, "0.0040 [−0.0100, 0.0200]: cannot tell"),
        ({"state": "closed"}, "closed"),
        ({"state": "closed again"}, "closed again"),
    ):
        curves = [curve("direction", folds=[1, 2], confirmation=confirmation)]
        [verdict] = build_page(replace(study, scaling=with_question(curves=curves))).verdicts
        assert column(verdict.table, "The study's own test") == [said]
        assert "stands beside them and decides nothing" in verdict.table.caption
    [verdict] = build_page(replace(study, scaling=with_question(curves=[curve("direction")]))).verdicts
    assert "The study's own test" not in [head.label for head in verdict.table.columns]


def test_questions_without_an_axis_and_those_that_wait_are_listed(study):
    rows = [
        run_row("direction", "patchtst-mixed", "2M", variant=f"wf{fold:02d}", fold=fold)
        | {"experiment": "walk_forward", "question": "Do other years agree?"}
        for fold in (1, 2)
    ]
    waiting = {"p6_expansion": "results/selection.yaml"}
    page = build_page(replace(study, runs=runs_frame(rows), scaling=scaling(questions=[], waiting=waiting)))
    said, waits = page.unanswered
    assert said.startswith("Do other years agree? (walk_forward): ")
    assert "fold by fold" in said
    assert waits == "p6_expansion: not in these results, it waits for results/selection.yaml."
    assert said in render_html(page)


def test_runs_of_different_folds_are_no_confound_and_those_of_one_are(study):
    rows = [
        run_row("direction", "patchtst-mixed", budget, variant=f"wf{fold:02d}", fold=fold)
        for fold in (1, 2)
        for budget in ("2M", "200M")
    ]
    params = {
        row["path"]: {"fold": row["fold"], "splits": {"train_end": f"201{row['fold']}-12-31"}} for row in rows
    }
    inputs = replace(
        study, runs=runs_frame(rows), params=params, scaling=with_question(curves=[curve("direction")])
    )
    assert "nothing differed but the axis" in section(inputs, "confounds").lead
    params[rows[-1]["path"]] |= {"splits": {"train_end": "2011-06-30"}}
    found = section(inputs, "confounds")
    assert column(found.tables[0], "Setting") == ["splits.train_end"]


def test_what_differs_in_precision_hardware_packages_commit_or_data_is_a_confound(study):
    paths = [r["path"] for r in all_rows() if r["experiment"] == "quickstart"]
    same = {"git_commit": "a", "packages": {"torch": "2.1"}, "hardware": {"device": "cpu"},
            "data": {"dataset_sha256": "0"}, "finished": "now"}  # fmt: skip
    params = {path: {"precision": "bf16", "recipe": {"learning_rate": 1e-3}} for path in paths}
    inputs = replace(study, params=params, run_provenance=dict.fromkeys(paths, same))
    assert "nothing differed but the axis" in section(inputs, "confounds").lead
    odd = {"git_commit": "b", "packages": {"torch": "2.2"}, "hardware": {"device": "cuda"},
           "data": {"dataset_sha256": "1"}, "finished": "later"}  # fmt: skip
    last = next(path for path in paths if "/200M/" in path)
    changed = replace(
        inputs,
        params=params | {last: {"precision": "fp32", "recipe": {"learning_rate": 1e-3}}},
        run_provenance=inputs.run_provenance | {last: odd},
    )
    found = section(changed, "confounds")
    assert sorted(column(found.tables[0], "Setting")) == [
        "data.dataset_sha256", "git_commit", "hardware.device", "packages.torch", "precision",
    ]  # fmt: skip
    assert column(found.tables[0], "Values")[-1] == "bf16 and fp32"
    found = section(replace(inputs, params=params | {last: params[last] | {"micro_batch": 8}}), "confounds")
    assert "nothing differed but the axis" in found.lead, "rounding alone is no other explanation"
    assert column(found.tables[0], "Setting") == ["micro_batch"]
    assert "only rounding differs" in found.notes[0]
    assert section(study, "confounds").notes


def test_the_highest_temperature_is_told(study):
    path = study.runs["path"][0]
    hot = replace(study, run_provenance={path: {"temperature_max": 87.4}})
    cost = section(hot, "cost")
    assert "hottest reading while training was 87 °C" in cost.lead
    assert "87 °C" in column(cost.tables[1], "Hottest")
    assert "°C" not in section(study, "cost").lead


def test_the_energy_that_was_measured_is_told(study):
    one, two = study.runs["path"][:2]
    measured = {one: {"energy_kwh": 0.25}, two: {"energy_kwh": 0.001}}
    lead = section(replace(study, run_provenance=measured), "cost").lead
    assert "took 0.25 kWh in 2 of 8 runs" in lead
    assert "not measured" not in lead
    unread = {one: {"energy_kwh": None}}
    assert "Energy was not measured." in section(replace(study, run_provenance=unread), "cost").lead


def test_an_ablation_is_shown_where_it_was_run(study):
    skills = {("revin", "mean"): 0.1, ("zscore", "last"): 0.3}
    ablation, _ = ablations(folds_of_readouts.table(skills), read=folds_of_readouts.read(skills))
    best = ablation.row(0, named=True)
    shown = section(replace(study, ablation=ablation), "ablations")
    assert "Chosen: zscore, last." in shown.lead
    table = shown.tables[0]
    assert "350 dates of 2 folds" in table.caption
    assert column(table, "Difference from the best [90 %]")[0] == "best"
    for head, name, digits in (("Log loss", "log_loss", 4), ("AUC", "auc", 3), ("wf02", "wf02", 3)):
        assert column(table, head)[0] == f"{best[name]:.{digits}f}"
    assert all(curve.text not in ("", "–") for row in table.rows for curve in row[4:])
    failed = section(replace(study, ablation_problems=["ablation: no."]), "ablations")
    assert failed.notes == ["ablation: no."]
    assert all(s.id != "ablations" for s in build_page(study).sections)


def test_a_chart_of_reliability_draws_four_models_at_most(study):
    bins = [
        {"mean_probability": p, "observed": p + 0.05, "count": 50, "observed_low": p,
         "observed_high": p + 0.1, "bin_low": p - 0.1, "bin_high": p + 0.1}
        for p in (0.3, 0.6)
    ]  # fmt: skip
    baseline = run_row("direction", "logistic", "none")
    rows = [
        baseline | {"model": f"baseline_{n}", "path": f"baselines/{n}", "best_validation_loss": 0.6 + n / 100}
        for n in range(6)
    ]
    rows.append(run_row("direction", "patchtst-mixed", "2M", best_validation_loss=0.9))
    metrics = {str(row["path"]): {"reliability": {"test": bins}} for row in rows}
    shown = section(replace(study, runs=runs_frame(rows), metrics=metrics), "reliability")
    (panel,) = shown.panels
    for name, drawn in {"patchtst-mixed 2M": True, "baseline_2": True, "baseline_3": False}.items():
        assert (f"{name}: 0.350 of 50" in panel.figure) == drawn
    assert "those with sizes, then the best on validation; the numbers hold all" in panel.reading
    assert {row[0].text for row in panel.table.rows} > {"baseline_5, seed 42"}


def in_parts(metrics, **parts):
    return {path: found | parts for path, found in metrics.items()}


def test_losses_by_year_regime_and_symbol_are_means_over_seeds(study):
    years = [{"year": y, "n": 250, "log_loss": 0.6 + y / 1e5, "auc": 0.55, "base_rate_log_loss": 0.69}
             for y in (2016, 2017)]  # fmt: skip
    regimes = [{"regime": r, "n": 80, "log_loss": 0.65, "auc": None} for r in ("low", "high")]
    symbols = {s: {"test": {"n": 9, "log_loss": 0.66, "auc": 0.5}} for s in ("SPY", "QQQ")}
    metrics = in_parts(study.metrics, by_year=years, by_regime=regimes, by_symbol=symbols)
    tables = section(replace(study, metrics=metrics), "parts").tables
    assert [t.folded.rsplit(" ", 1)[-1] for t in tables[:3]] == ["year", "volatility", "symbol"]
    assert column(tables[0], "2016 (n 250)")[0] == "0.6202 (0.550)"
    assert tables[0].rows[-1][1].text == "0.6900"
    assert column(tables[1], "stormy (n 80)")[0] == "0.6500"
    assert column(tables[2], "QQQ (n 9)")[0] == "0.6600 (0.500)"


def test_corrections_are_compared_and_the_chosen_one_is_drawn_before_and_after(study):
    row = run_row("direction", "patchtst-mixed", "2M")
    bins = study.metrics[row["path"]]["reliability"]["test"]
    methods = [
        {"method": m, "crossfit_log_loss": loss, "test_log_loss": loss, "test_ece": ece, "test_brier": 0.2}
        for m, loss, ece in (("none", 0.7, 0.08), ("platt", 0.68, 0.03))
    ]
    calibration = {"chosen": "platt", "fitted_on": 222, "methods": methods, "reliability": bins}
    metrics = {row["path"]: study.metrics[row["path"]] | {"calibration": calibration}}
    inputs = replace(study, runs=runs_frame([row]), metrics=metrics)
    shown = section(inputs, "coverage")
    assert (
        "Platt moves the calibration error of patchtst-mixed 2M from 0.080 to 0.030" in shown.panels[0].title
    )
    assert column(shown.tables[1], "Correction") == ["as it is", "Platt"]
    assert column(shown.tables[1], "Held-out log loss") == ["0.7000", "0.6800"]
    assert column(shown.tables[1], "Chosen by seeds") == ["0 of 1", "1 of 1"]


def test_the_planned_power_of_a_regression_is_shown(study):
    power = {"problem": {"task": "regression"}, "n": 700, "planned_relative_mse": 0.142, "enough": None}
    assert "14.2 %" in render_markdown(build_page(replace(study, scaling=scaling(power=[power]))))


def test_seeds_are_counted_at_each_size(study):
    rows = [run_row("direction", "patchtst-mixed", "2M", seed) for seed in (1, 2, 3)]
    rows += [run_row("direction", "patchtst-mixed", "20M", seed) for seed in (4, 5)]
    checks = {c.label: c for c in build_page(replace(study, runs=runs_frame(rows))).checks}
    assert (checks["Seeds per size"].value, checks["Seeds per size"].tone) == ("2 to 3", "")

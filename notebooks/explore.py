"""Explore a study: its runs, forecasts and main picture, in the browser.

    marimo edit notebooks/explore.py -- --study .            # in the browser
    python notebooks/explore.py --study . --picture law.svg  # or as a script, which writes the picture

Reads what the study has made and changes nothing.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Explore a study")


@app.cell
def _():
    import sys
    from pathlib import Path

    import marimo as mo
    import matplotlib.pyplot as plt
    import polars as pl

    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from lib.results import predictions, runs, scaling

    study = Path(mo.cli_args().get("study") or ".").expanduser()
    picture = mo.cli_args().get("picture")
    return mo, picture, pl, plt, predictions, runs, scaling, study


@app.cell
def _(mo, pl, runs, study):
    table = runs(study)
    done = table.filter(status="done").unique("path", maintain_order=True)
    print(f"{study}: {done.height} of {table['path'].n_unique()} runs are done")
    mo.vstack(
        [
            mo.md(f"# Runs of `{study}`\nEvery column is explained in docs/results.md."),
            mo.ui.table(
                done.select("path", pl.col("^(model|budget|task|seed|param_count|test_log_loss.*|test_auc)$"))
            ),
        ]
    )
    return (done,)


@app.cell
def _(pl, scaling, study):
    points = pl.DataFrame(
        [
            {
                "curve": " ".join(str(curve[word]) for word in ("dataset", "timescale", "task", "model"))
                + f", horizon {curve['horizon']}",
                "metric": curve["metric"],
                **{word: point.get(word) for word in ("param_count", "value", "low", "high", "seeds")},
            }
            for question in scaling(study)["questions"]
            for curve in question["curves"]
            for point in curve["points"]
        ],
        infer_schema_length=None,
    )
    if not points.is_empty():
        points = points.drop_nulls(["param_count", "value"]).unique(maintain_order=True)
        print(points)
    return (points,)


@app.cell
def _(mo, picture, plt, points):
    mo.stop(points.is_empty(), mo.md("No question of this study compares sizes."))
    measures = points["metric"].unique(maintain_order=True)
    figure, grid = plt.subplots(
        len(measures), figsize=(8, 4.5 * len(measures)), layout="constrained", squeeze=False
    )
    for axes, measure in zip(grid[:, 0], measures, strict=True):
        for (name,), found in points.filter(metric=measure).group_by("curve", maintain_order=True):
            sizes, losses = found["param_count"], found["value"]
            ends = [(losses - found["low"]).to_list(), (found["high"] - losses).to_list()]
            axes.errorbar(sizes, losses, yerr=ends, marker="o", capsize=3, label=name)
        axes.set(xscale="log", xlabel="parameters", ylabel=f"test {measure.replace('_', ' ')}")
        axes.legend(fontsize="small", loc="lower left", bbox_to_anchor=(0, 1))
    if picture:
        figure.savefig(picture)
        print(f"Written: {picture}")
    mo.vstack([mo.md("# Loss against parameters\nThe means over seeds, with their intervals."), figure])


@app.cell
def _(done, mo):
    chosen = mo.ui.dropdown(done["path"].to_list(), value=done["path"].to_list()[0] if done.height else None)
    mo.vstack([mo.md("# Forecasts of a run"), chosen])
    return (chosen,)


@app.cell
def _(chosen, done, mo, pl, predictions):
    mo.stop(chosen.value is None, mo.md("No run is done."))
    forecasts = predictions(done.filter(pl.col("path") == chosen.value))
    print(f"{forecasts.height} forecasts of {chosen.value}")
    mo.ui.table(forecasts)


if __name__ == "__main__":
    app.run()

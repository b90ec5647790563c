"""Confusion matrix and feature importance of one run, as pictures in its folder."""

from pathlib import Path

from lib.data.io import read_parquet
from lib.data.manifest import read_params
from lib.jobs.shell import job
from lib.report.run_plots import confusion_figure, importance_figure, save_svg

with job(snakemake):
    run = read_params(Path(snakemake.input.params).parent)["run"]
    title = f"{run['model']}, {run['dataset']} {run['timescale']}, {run['task']} h{run['horizon']}"
    test = read_parquet(snakemake.input.test)
    save_svg(confusion_figure(test, run["task"], title), Path(snakemake.output.confusion))
    importance = read_parquet(snakemake.input.importance)
    save_svg(importance_figure(importance, title), Path(snakemake.output.importance))

"""results/runs.parquet and .csv: one row per declared run."""

import json
from pathlib import Path

from lib.data.io import write_parquet_atomic, write_text_atomic
from lib.evaluation.collect import collect_runs, read_run
from workflow_scripts.shell import job

with job(snakemake):
    declared = json.loads(snakemake.params.runs)
    paths = [{"path": folder} for folder in snakemake.params.folders]
    rows = [run | path for run, path in zip(declared, paths, strict=True)]
    runs = collect_runs(rows, lambda path: read_run(Path(path)))
    write_text_atomic(Path(snakemake.output.csv), runs.write_csv())
    write_parquet_atomic(runs, Path(snakemake.output.parquet))

"""results/runs.parquet and .csv: every run evaluated, one row per declared run."""

import json
import os
from pathlib import Path

from lib.config.validation import validate
from lib.config.workflow import EvaluationConfig
from lib.data.io import write_csv_atomic, write_parquet_atomic
from lib.jobs.paths import state_of
from lib.jobs.publish import publish_measures
from lib.jobs.shell import job
from lib.scaling.run_table import collect_runs, read_run
from lib.scoring.folders import RunFolder, evaluate_folders
from lib.training.state import retire

with job(snakemake):
    declared = json.loads(snakemake.params.runs)
    where = zip(snakemake.params.folders, snakemake.params.datasets, snakemake.params.primaries, strict=True)
    folders = [RunFolder(Path(folder), Path(dataset), primary) for folder, dataset, primary in where]
    settings = validate(EvaluationConfig, json.loads(snakemake.params.evaluation), "evaluation")
    processes = int(snakemake.threads) if int(snakemake.threads) > 1 else os.cpu_count() or 1
    problems = evaluate_folders(folders, settings, snakemake.params.version, processes)
    rows = [run | {"path": folder.path.as_posix()} for run, folder in zip(declared, folders, strict=True)]
    runs = collect_runs(
        rows, lambda path: read_run(Path(path)), {p.as_posix(): text for p, text in problems.items()}
    )
    write_csv_atomic(runs, Path(snakemake.output.csv))
    write_parquet_atomic(runs, Path(snakemake.output.parquet))
    publish_measures(snakemake, [folder.path for folder in folders])
    for folder in folders:
        retire(state_of(folder.path))  # its training is on Snakemake's record

"""The table of runs, one row per declared run, every run evaluated; and tables of their measures and days."""

import json
import os
from pathlib import Path

from lib.config.validation import validate
from lib.config.workflow import EvaluationConfig
from lib.data.io import read_parquet, write_csv_atomic, write_parquet_atomic
from lib.jobs.paths import state_of
from lib.jobs.publish import publish_measures
from lib.jobs.shell import job
from lib.scaling.run_table import collect_runs, read_run
from lib.scoring.evaluation_tables import dailies_table, evaluations_table, metrics_table
from lib.scoring.folders import DAILY, RunFolder, evaluate_folders
from lib.training.state import retire

with job(snakemake):
    output = snakemake.output
    declared = json.loads(snakemake.params.runs)
    where = zip(snakemake.params.folders, snakemake.params.datasets, snakemake.params.primaries, strict=True)
    folders = [RunFolder(Path(folder), Path(dataset), primary) for folder, dataset, primary in where]
    settings = validate(EvaluationConfig, json.loads(snakemake.params.evaluation), "evaluation")
    processes = int(snakemake.threads) if int(snakemake.threads) > 1 else os.cpu_count() or 1
    problems = evaluate_folders(folders, settings, snakemake.params.version, processes)
    rows = [run | {"path": folder.path.as_posix()} for run, folder in zip(declared, folders, strict=True)]
    files = {row["path"]: read_run(Path(row["path"])) for row in rows if Path(row["path"]) not in problems}
    runs = collect_runs(rows, files.get, {p.as_posix(): text for p, text in problems.items()})
    measured = {path: found["metrics"] for path, found in files.items() if found}
    days = {path: read_parquet(Path(path) / DAILY) for path in measured}
    write_parquet_atomic(metrics_table(measured), Path(output.metrics))
    write_parquet_atomic(evaluations_table(measured), Path(output.evaluations))
    write_parquet_atomic(dailies_table(days), Path(output.daily))
    write_csv_atomic(runs, Path(output.csv))
    write_parquet_atomic(runs, Path(output.parquet))
    publish_measures(snakemake, [folder.path for folder in folders])
    for folder in folders:
        retire(state_of(folder.path))  # its training is on Snakemake's record

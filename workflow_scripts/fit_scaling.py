"""results/scaling.json: scaling fits, comparisons with the baselines, controls and verdicts."""

import json
from pathlib import Path

from lib.config.experiment import PlannedExperiment
from lib.config.validation import validate
from lib.config.workflow import EvaluationConfig
from lib.data.io import read_json, read_parquet, write_json_atomic
from lib.data.sources.synthetic import best_auc
from lib.jobs.shell import job
from lib.scaling.ledger import add_test_access, read_test_access
from lib.scaling.samples import read_predictions
from lib.scaling.summary import scaling_summary

with job(snakemake):
    declared = json.loads(snakemake.params.experiments)
    experiments = {name: validate(PlannedExperiment, content, name) for name, content in declared.items()}
    planted = {
        (name, task, horizon): best_auc(experiment.data.synthetic, task, horizon)
        for name, experiment in experiments.items()
        if experiment.data
        for task in experiment.tasks
        for horizon in experiment.horizons
    }
    record, opening = Path(snakemake.params.test_access), Path(snakemake.params.opening)
    before = read_test_access(record)
    seen = set(before)
    settings = validate(EvaluationConfig, json.loads(snakemake.params.evaluation), "evaluation")
    summary = scaling_summary(
        experiments,
        read_parquet(snakemake.input.runs),
        read_predictions,
        settings,
        planted_auc=lambda name, _timescale, task, horizon: planted.get((name, task, horizon)),
        primary=snakemake.params.primary,
        waiting=snakemake.params.waiting,
        minimum_train_windows=snakemake.params.minimum_train_windows,
        search_trials=sum(read_json(path)["n_trials"] for path in snakemake.input.searches),
        seen=seen,
        confirmatory=snakemake.params.confirmatory,
        opened=read_json(opening, dict)["opened"] if opening.is_file() else None,
        predicted=[read_json(path, list) for path in map(Path, snakemake.params.predicted) if path.is_file()],
    )
    add_test_access(record, seen - before)
    write_json_atomic(Path(snakemake.output[0]), summary)

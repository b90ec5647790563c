"""metrics.json of one run, from its predictions alone."""

import json
from pathlib import Path

import polars as pl
import yaml

from lib.config.load import validate
from lib.config.workflow import EvaluationConfig
from lib.data.io import write_json_atomic
from lib.evaluation.evaluate import evaluate_run
from workflow_scripts.shell import job

with job(snakemake):
    params = yaml.safe_load(Path(snakemake.input.params).read_text(encoding="utf-8"))
    provenance = json.loads(Path(snakemake.input.provenance).read_text(encoding="utf-8"))
    settings = validate(EvaluationConfig, json.loads(snakemake.params.evaluation), "evaluation")
    metrics = evaluate_run(
        pl.read_parquet(snakemake.input.validation),
        pl.read_parquet(snakemake.input.test),
        params["run"],
        params,
        provenance,
        settings,
        primary=snakemake.params.primary,
    )
    write_json_atomic(Path(snakemake.output[0]), metrics)

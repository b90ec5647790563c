"""The MLflow store, created once before any run writes to it."""

from pathlib import Path

from lib.config.validation import validate
from lib.config.workflow import WorkflowConfig
from lib.data.io import write_json_atomic
from lib.jobs.shell import job
from lib.training.tracking import prepare_store

with job(snakemake):
    config = validate(WorkflowConfig, snakemake.config, "configuration").tracking
    if config.mlflow:
        prepare_store(config)
    write_json_atomic(Path(snakemake.output[0]), config.model_dump(mode="json"))

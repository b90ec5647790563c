"""One run: fit, predict, and write the declared outputs at the very end."""

import json
from pathlib import Path

import polars as pl

from lib.config.load import validate
from lib.config.resolve import RunSpecification, resolve
from lib.config.workflow import WorkflowConfig
from lib.data.io import sha256_of
from lib.models.job import keep_machine_choice, train_run
from lib.training.state import open_state
from workflow_scripts.context import context_for
from workflow_scripts.outputs import read_found, track_run, write_run
from workflow_scripts.shell import job

with job(snakemake):
    config = validate(WorkflowConfig, snakemake.config, "configuration")
    declared = validate(RunSpecification, json.loads(snakemake.params.specification), "run")
    found = read_found(snakemake.input.get("batch_size")), read_found(snakemake.input.get("best"))
    resolved = resolve(declared, *found)
    dataset = sha256_of(Path(snakemake.input.dataset))
    fingerprint = resolved.fingerprint(dataset, str(snakemake.params.version))
    state_dir = Path(snakemake.params.state)
    with open_state(state_dir, fingerprint, config.training.lock_timeout_seconds) as state:
        resolved = keep_machine_choice(resolved, state_dir)
        context = context_for(snakemake, config, resolved, state_dir, fingerprint)
        with context.tracker as tracker:
            finished = train_run(resolved, pl.read_parquet(snakemake.input.dataset), context)
            write_run(snakemake, resolved, finished, context, dataset)
            track_run(snakemake, finished, tracker)
        state.prune()

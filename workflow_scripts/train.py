"""One run: fit, predict, and write the declared outputs at the very end."""

import json
from pathlib import Path

from lib.config.resolve import RunSpecification, resolve
from lib.config.validation import validate
from lib.config.workflow import WorkflowConfig
from lib.data.io import read_parquet, sha256_of
from lib.jobs.outputs import read_found, track_run, write_run
from lib.jobs.paths import STATES, predictions_of, state_of
from lib.jobs.shell import job
from lib.jobs.training_context import context_for, job_threads
from lib.models.job import MACHINE_CHOICE, keep_machine_choice, train_run
from lib.training.retention import KEPT_STATES
from lib.training.state import open_state, retire, retire_older
from lib.training.threads import first_threads
from lib.tuning.hardware import require_hardware

with job(snakemake):
    config = validate(WorkflowConfig, snakemake.config, "configuration")
    declared = validate(RunSpecification, json.loads(snakemake.params.specification), "run")
    found = read_found(snakemake.input.get("batch_size")), read_found(snakemake.input.get("best"))
    resolved = resolve(declared, *found, precision=config.training.precision)
    dataset = sha256_of(Path(snakemake.input.dataset))
    fingerprint = resolved.fingerprint(dataset, str(snakemake.params.version))
    state_dir = state_of(Path(snakemake.output.model).parent)
    with open_state(state_dir, fingerprint, config.training.lock_timeout_seconds) as state:
        if found[0] and not (state_dir / MACHINE_CHOICE).exists():  # a run continues as it started
            require_hardware(found[0], Path(snakemake.input.batch_size))
        threads = first_threads(config.training.runtime(), job_threads(snakemake, config))
        resolved, threads = keep_machine_choice(resolved, state_dir, threads)
        context = context_for(snakemake, config, resolved, state_dir, fingerprint, threads=threads)
        with context.tracker as tracker:
            finished = train_run(resolved, read_parquet(snakemake.input.dataset), context)
            write_run(snakemake, resolved, finished, context, dataset, state.begun)
            track_run(snakemake, finished, tracker)
        if not state.holds_training():  # there was no long work to keep
            retire(state.folder)
    retire_older(STATES, predictions_of, KEPT_STATES)

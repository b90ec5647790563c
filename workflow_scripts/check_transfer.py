"""Whether the recipe of a search holds at a size: selection losses of its rate and of multiples of it."""

import json
import shutil
from pathlib import Path

from lib.config.resolve import RunSpecification, resolve
from lib.config.validation import validate
from lib.config.workflow import WorkflowConfig
from lib.data.io import digest_of, read_parquet, write_parquet_atomic
from lib.jobs.outputs import read_found
from lib.jobs.shell import job
from lib.jobs.training_context import context_for
from lib.models.job import before_test, model_for, samples_for_search
from lib.tuning.hardware import require_hardware
from lib.tuning.transfer_losses import losses_by_rate

with job(snakemake):
    config = validate(WorkflowConfig, snakemake.config, "configuration")
    check = json.loads(snakemake.params.check)
    declared = validate(RunSpecification, check["specification"], "run")
    batch_size = read_found(snakemake.input.get("batch_size"))
    if batch_size:
        require_hardware(batch_size, Path(snakemake.input.batch_size))
    frame = before_test(declared, read_parquet(snakemake.input.dataset))
    identity = [digest_of(frame), str(snakemake.params.version)]
    resolved = resolve(declared, batch_size, read_found(snakemake.input.best), config.training.precision)
    samples = samples_for_search(resolved, frame)
    state = Path(snakemake.params.state)

    def fit(run, factor):
        """Train with a multiple of the found rate."""
        fingerprint = run.fingerprint(*identity)
        label = f"{factor:g} x the found rate at {snakemake.wildcards.budget}"
        context = context_for(snakemake, config, run, state / f"rate{factor:g}", fingerprint, label=label)
        model = model_for(run, samples)
        with context.tracker:
            model.fit(samples.train, samples.selection, context)
        return model

    write_parquet_atomic(
        losses_by_rate(resolved, samples, check["rates"], fit), Path(snakemake.output.losses)
    )
    shutil.rmtree(state, ignore_errors=True)  # three networks of 200M would keep 2.4 GB

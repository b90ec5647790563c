"""One hyperparameter search: best.json and the table of all trials."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

from lib.config.hpo import SearchSpace, database_address
from lib.config.resolve import RunSpecification, apply_parameters, resolve
from lib.config.run_key import Run
from lib.config.validation import validate
from lib.config.workflow import WorkflowConfig
from lib.data.io import digest_of, read_parquet, write_json_atomic, write_parquet_atomic
from lib.jobs.outputs import read_found
from lib.jobs.shell import job
from lib.jobs.training_context import context_for
from lib.models.job import before_test, model_for, samples_for_search
from lib.training.tracking import Group
from lib.tuning.hardware import require_hardware
from lib.tuning.memory_model import fit_within_memory, spare_memory
from lib.tuning.search import run_search

with job(snakemake):
    config = validate(WorkflowConfig, snakemake.config, "configuration")
    search = json.loads(snakemake.params.search)
    declared = validate(RunSpecification, search["specification"], "run")
    batch_size = read_found(snakemake.input.get("batch_size"))
    if batch_size:
        require_hardware(batch_size, Path(snakemake.input.batch_size))
    frame = before_test(declared, read_parquet(snakemake.input.dataset))
    identity = [digest_of(frame), str(snakemake.params.version)]
    search_id = resolve(declared).fingerprint(*identity)
    folder = Path(snakemake.params.state) / search_id[:16]

    group = Group(search_id, f"search {Run(**declared.run).label()}")

    def objective(parameters, report):
        """Best validation loss of one trial."""
        trial = validate(RunSpecification, apply_parameters(declared, parameters), "trial")
        precision = config.training.precision
        found = resolve(trial, batch_size, precision=precision)
        resolved = spare_memory(found, resolve(declared, batch_size, precision=precision), batch_size)
        fingerprint = resolved.fingerprint(*identity)
        state_dir = folder / "trials" / report.key
        label = f"trial {report.number + 1} of {search['n_trials']}, {group.name}"
        context = context_for(snakemake, config, resolved, state_dir, fingerprint, group, label)
        samples = samples_for_search(resolved, frame)
        counts = model_for(resolved, samples).parameter_counts() or {}
        architecture = resolved.architecture.model_dump() if resolved.architecture else None
        report.describe(architecture, counts.get("total"))
        context = replace(context, report=report)
        with context.tracker:
            result = fit_within_memory(
                lambda: model_for(resolved, samples), samples, context, resolved.recipe.effective_batch
            )
        smaller = found.micro_batch is not None and 0 < result.micro_batch < found.micro_batch
        report.describe(steps=result.steps, micro_batch=result.micro_batch if smaller else None)
        return result.best_loss

    space = validate(SearchSpace, search["space"], "search space")
    found = run_search(
        space,
        objective,
        folder,
        f"search-{search_id[:16]}",
        search["n_trials"],
        seed=int(declared.run["seed"]),
        address=database_address(config.search),
        initial=declared.settings | declared.recipe.model_dump(),
        # Weights of finished trials have no use: 50 trials of 200M would keep 40 GB of them.
        discard=lambda key: shutil.rmtree(folder / "trials" / key, ignore_errors=True),
    )
    if worker := snakemake.output.get("worker"):
        write_json_atomic(Path(worker), {"n_trials": found.best["n_trials"]})
    else:
        write_parquet_atomic(found.trials, Path(snakemake.output.trials))
        write_json_atomic(Path(snakemake.output.importances), found.importances)
        write_json_atomic(Path(snakemake.output.best), found.best)

"""The largest safe and the fastest micro-batch of one shape on this machine."""

import json
from pathlib import Path

import numpy as np

from lib.config.model import Architecture
from lib.config.training import Recipe
from lib.config.validation import validate
from lib.config.workflow import WorkflowConfig
from lib.data.io import write_json_atomic
from lib.jobs.shell import job
from lib.jobs.training_context import job_threads
from lib.models.contract import Problem
from lib.models.registry import get
from lib.tuning.batch_size import discover, precision_begun

with job(snakemake):
    config = validate(WorkflowConfig, snakemake.config, "configuration")
    shape = json.loads(snakemake.params.shape)
    channels, context_length = shape["channels"], shape["context_length"]
    names = tuple(f"channel_{number}" for number in range(channels))
    problem = Problem("direction", 1, channels, context_length, names, np.zeros(channels), np.ones(channels))
    model_class = get(shape["model"])
    settings = model_class.Settings.model_validate(shape["settings"])
    architecture = validate(Architecture, shape["architecture"], "architecture")
    recipe = Recipe(effective_batch=shape["effective_batch"])
    target, runtime = Path(snakemake.output[0]), config.training.runtime()
    if runtime.precision == "auto" and (begun := precision_begun(target.parents[3])):
        runtime = runtime.model_copy(update={"precision": begun})  # one for all runs of the study
    found = discover(
        model_class(settings, problem, architecture, recipe, seed=0).factory(),
        context_length=context_length,
        channels=channels,
        effective_batch=shape["effective_batch"],
        runtime=runtime,
        recipe=recipe,
        job_threads=job_threads(snakemake, config),
    )
    write_json_atomic(target, found)

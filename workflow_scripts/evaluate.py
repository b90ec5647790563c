"""metrics.json and daily.parquet of one run, from its predictions alone."""

import json
from pathlib import Path

from lib.config.validation import validate
from lib.config.workflow import EvaluationConfig
from lib.jobs.paths import state_of
from lib.jobs.publish import publish_measures
from lib.jobs.shell import job
from lib.scoring.folders import RunFolder, evaluate_folder
from lib.training.state import retire

with job(snakemake):
    folder = RunFolder(
        Path(snakemake.output.metrics).parent, Path(snakemake.input.dataset), snakemake.params.primary
    )
    settings = validate(EvaluationConfig, json.loads(snakemake.params.evaluation), "evaluation")
    evaluate_folder(folder, settings, snakemake.params.version)
    publish_measures(snakemake, [folder.path])
    retire(state_of(folder.path))  # its training is on Snakemake's record

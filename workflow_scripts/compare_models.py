"""One row per problem and model: selection and test measures, difference from the best, training time."""

import json
from pathlib import Path

from lib.config.load import validate
from lib.config.workflow import EvaluationConfig
from lib.data.io import read_json, read_parquet, write_csv_atomic
from lib.evaluation.comparison_table import comparison_table
from lib.evaluation.samples import read_predictions
from workflow_scripts.shell import job

with job(snakemake):
    table = comparison_table(
        read_json(snakemake.input.scaling)["baselines"],
        read_parquet(snakemake.input.runs),
        read_predictions,
        validate(EvaluationConfig, json.loads(snakemake.params.evaluation), "evaluation"),
        primary=snakemake.params.primary,
    )
    write_csv_atomic(table, Path(snakemake.output[0]))

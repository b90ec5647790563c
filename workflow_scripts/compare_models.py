"""One row per problem and model: selection and test measures, difference from the best, training time."""

import json
from pathlib import Path

from lib.config.validation import validate
from lib.config.workflow import EvaluationConfig
from lib.data.io import read_json, read_parquet, write_csv_atomic
from lib.jobs.shell import job
from lib.scaling.comparison_table import comparison_table
from lib.scaling.samples import read_predictions

with job(snakemake):
    table = comparison_table(
        read_json(snakemake.input.scaling)["baselines"],
        read_parquet(snakemake.input.runs),
        read_predictions,
        validate(EvaluationConfig, json.loads(snakemake.params.evaluation), "evaluation"),
        primary=snakemake.params.primary,
    )
    write_csv_atomic(table, Path(snakemake.output[0]))

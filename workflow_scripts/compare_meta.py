"""Gain of a meta-module over its best base model and over their average, and its calibrated signal."""

import json
from pathlib import Path

import polars as pl

from lib.config.meta import MetaModule
from lib.config.validation import validate
from lib.config.workflow import EvaluationConfig
from lib.data.io import read_parquet, write_csv_atomic, write_json_atomic, write_parquet_atomic
from lib.extras.meta.gain import best, candidates, compare, signal
from lib.extras.meta.stacked import Base
from lib.jobs.shell import job

with job(snakemake):
    module = validate(MetaModule, json.loads(snakemake.params.declaration), "meta-module")
    settings = validate(EvaluationConfig, json.loads(snakemake.params.evaluation), "evaluation")
    bases = dict.fromkeys(Base.of_run(json.loads(words)) for words in snakemake.params.bases)
    same = [base.channel for base in bases if base.forecasts(module)]
    files = zip(snakemake.params.learners, snakemake.input.validation, snakemake.input.test, strict=True)
    learners = {name: pl.concat([read_parquet(v), read_parquet(t)]) for name, v, t in files}
    stacked = read_parquet(snakemake.input.dataset)
    found = candidates(learners, stacked, same, module.task, module.horizon)
    result = compare(found, module.task, module.horizon, settings)
    write_parquet_atomic(signal(best(found, "learner")), Path(snakemake.output.signal))
    write_csv_atomic(pl.DataFrame(result["rows"]), Path(snakemake.output.csv))
    write_json_atomic(Path(snakemake.output.json), result)

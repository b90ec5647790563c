"""Samples and base rates of every declared task on a dataset; refuses what cannot be trained."""

import json
from dataclasses import asdict
from pathlib import Path

import polars as pl

from lib.config.data import SplitConfig
from lib.config.experiment import BarrierConfig
from lib.config.validation import validate
from lib.data.io import read_parquet, read_schema, write_json_atomic
from lib.datasets.windows import base_rates, load_samples
from lib.features.schema import channel_names
from lib.jobs.shell import job

with job(snakemake):
    # One channel is enough to count: a table of 2,000 need not be in memory for that.
    table = Path(snakemake.input.dataset)
    schema = read_schema(table)
    extra = set(channel_names(pl.DataFrame(schema=schema))[1:])
    frame = read_parquet(table, columns=[name for name in schema if name not in extra])
    splits = validate(SplitConfig, json.loads(snakemake.params.splits), "data.splits")
    counts = []
    for problem in map(json.loads, snakemake.params.problems):
        barriers = validate(BarrierConfig, problem["barriers"], "barriers") if problem["barriers"] else None
        samples = load_samples(
            frame, problem["task"], problem["horizon"], problem["context_length"], splits, barriers=barriers
        )
        rates = base_rates(samples, splits.minimum_class_count, splits.minimum_train_windows)
        counts.append(problem | {"splits": {part: asdict(rate) for part, rate in rates.items()}})
    write_json_atomic(Path(snakemake.output[0]), counts)

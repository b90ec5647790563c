"""Out-of-fold forecasts of a meta-module's base models as one dataset table."""

import json
from pathlib import Path

from lib.config.meta import MetaModule
from lib.config.validation import validate
from lib.data.io import read_parquet, write_parquet_atomic
from lib.extras.meta.stacked import Base, stack
from lib.jobs.shell import job

with job(snakemake):
    module = validate(MetaModule, json.loads(snakemake.params.declaration), "meta-module")
    forecasts = {}
    for words, path in zip(snakemake.params.bases, snakemake.input.forecasts, strict=True):
        forecasts.setdefault(Base.of_run(json.loads(words)), []).append(read_parquet(path))
    dataset = read_parquet(snakemake.input.dataset)
    table = stack(dataset, module.timescale, forecasts, module.features)
    write_parquet_atomic(table, Path(snakemake.output[0]))

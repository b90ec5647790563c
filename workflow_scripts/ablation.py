"""One row per variant of every ablation, the best on selection first; the choice by the rule is `chosen`."""

from pathlib import Path

from lib.data.io import read_parquet, write_csv_atomic
from lib.errors import ConfigError, DataError
from lib.jobs.gather import ablations
from lib.jobs.shell import job

with job(snakemake):
    table, problems = ablations(read_parquet(snakemake.input.runs), snakemake.params.primary)
    if problems:
        raise DataError(" ".join(problems))
    if table.is_empty():
        raise ConfigError("this configuration declares no experiment of `role: ablation`.")
    write_csv_atomic(table, Path(snakemake.output[0]))

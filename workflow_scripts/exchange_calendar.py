"""Sessions of an exchange as a file, so that no other job has to build its calendar."""

from pathlib import Path

import polars as pl

from lib.data.calendar import sessions_of
from lib.data.io import write_parquet_atomic
from lib.jobs.shell import job

with job(snakemake):
    sessions = sessions_of(snakemake.wildcards.calendar)
    write_parquet_atomic(pl.DataFrame({"session": sessions}), Path(snakemake.output[0]))

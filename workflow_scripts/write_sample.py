"""The last rows of a raw file as a small readable CSV."""

from pathlib import Path

import polars as pl

from lib.data.io import write_text_atomic
from workflow_scripts.shell import job

ROWS = 20

with job(snakemake):
    text = pl.read_parquet(snakemake.input[0]).tail(ROWS).write_csv(float_precision=4)
    write_text_atomic(Path(snakemake.output[0]), text)

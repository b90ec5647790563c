"""Small readable samples of a vintage: the last rows of every raw file as CSV."""

from pathlib import Path

import polars as pl

from lib.data.io import write_text_atomic
from workflow_scripts.shell import job

with job(snakemake):
    for path in map(Path, [*snakemake.input.prices, *snakemake.input.series]):
        sample = pl.read_parquet(path).tail(50)
        write_text_atomic(Path(snakemake.output[0]) / f"{path.stem}.csv", sample.write_csv())

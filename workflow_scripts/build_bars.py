"""Daily prices of one symbol as bars of a timescale."""

from pathlib import Path

import polars as pl

from lib.data.calendar import read_sessions
from lib.data.io import write_parquet_atomic
from lib.features.bars import resample
from workflow_scripts.shell import job

with job(snakemake):
    prices = pl.read_parquet(snakemake.input.prices)
    bars = resample(prices, snakemake.wildcards.timescale, read_sessions(Path(snakemake.input.calendar)))
    write_parquet_atomic(bars, Path(snakemake.output[0]))

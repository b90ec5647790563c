"""Daily prices of one symbol as bars of a timescale."""

from pathlib import Path

from lib.data.calendar import read_sessions
from lib.data.io import read_parquet, write_parquet_atomic
from lib.features.bars import resample
from lib.jobs.shell import job

with job(snakemake):
    prices = read_parquet(snakemake.input.prices)
    bars = resample(prices, snakemake.wildcards.timescale, read_sessions(Path(snakemake.input.calendar)))
    write_parquet_atomic(bars, Path(snakemake.output[0]))

"""Bars of a row's symbols as one table of channels."""

from pathlib import Path

import polars as pl

from lib.config.base import split_dataset
from lib.data.io import write_parquet_atomic
from lib.features.assembly import assemble
from workflow_scripts.shell import job

with job(snakemake):
    _, _, tier = split_dataset(snakemake.wildcards.dataset)
    bars = {Path(path).stem: pl.read_parquet(path) for path in snakemake.input}
    frame = assemble(bars, tier, snakemake.wildcards.timescale)
    write_parquet_atomic(frame, Path(snakemake.output[0]))

"""Small readable samples of a vintage: the last rows of every raw file as CSV."""

from pathlib import Path

from lib.data.io import read_parquet, write_csv_atomic
from lib.jobs.shell import job

with job(snakemake):
    for path in map(Path, [*snakemake.input.prices, *snakemake.input.series]):
        sample = read_parquet(path).tail(50)
        write_csv_atomic(sample, Path(snakemake.output[0]) / f"{path.stem}.csv")

"""One row per normalisation and readout, the best on validation first; the choice by the rule is `chosen`."""

from pathlib import Path

from lib.data.io import read_parquet, write_csv_atomic
from lib.evaluation.ablation import rank_readouts
from lib.evaluation.samples import read_predictions
from workflow_scripts.shell import job

with job(snakemake):
    table = rank_readouts(read_parquet(snakemake.input.runs), read_predictions)
    write_csv_atomic(table, Path(snakemake.output[0]))

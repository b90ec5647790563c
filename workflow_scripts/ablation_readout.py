"""One row per normalisation and readout, the best on validation first: that one is `chosen`."""

from pathlib import Path

import polars as pl

from lib.data.io import read_parquet, write_csv_atomic
from workflow_scripts.shell import job

WORDS = ["variant", "dataset", "timescale", "task", "horizon", "budget"]
MEASURES = {"validation_log_loss": "selection_log_loss", "validation_auc": "selection_auc"}
TEST = {"test_log_loss": "test_log_loss", "test_auc": "test_auc"}

with job(snakemake):
    runs = read_parquet(snakemake.input.runs).filter(pl.col("status") == "done")
    table = (
        runs.group_by(*WORDS, "normalisation", "pooling")
        .agg(
            pl.len().alias("seeds"),
            *(pl.col(column).mean().alias(name) for name, column in (MEASURES | TEST).items()),
            # Half the range, not a deviation: there are three seeds.
            ((pl.col("selection_log_loss").max() - pl.col("selection_log_loss").min()) / 2).alias(
                "validation_log_loss_half_range"
            ),
            pl.col("train_seconds").mean().alias("training_seconds"),
        )
        .with_columns(
            (pl.col("validation_log_loss") == pl.col("validation_log_loss").min().over(WORDS)).alias("chosen")
        )
        .sort(*WORDS, "validation_log_loss")
    )
    write_csv_atomic(table, Path(snakemake.output[0]))

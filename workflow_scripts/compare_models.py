"""One row per problem and model: validation and test measures, difference from the best, training time."""

from pathlib import Path

import polars as pl

from lib.data.io import read_json, read_parquet, write_csv_atomic
from workflow_scripts.shell import job

WORDS = ["variant", "dataset", "timescale", "task", "horizon"]
TEST = ["auc", "auc_low", "auc_high", "log_loss", "log_loss_low", "log_loss_high", "brier",
        "difference", "difference_low", "difference_high", "in_confidence_set"]  # fmt: skip

with job(snakemake):
    summary = read_json(snakemake.input.scaling)
    rows = [
        {word: table[word] for word in WORDS}
        | {"model": row["model"], "budget": row["budget"], "seeds": row["seeds"]}
        | {f"test_{name}": row.get(name) for name in TEST}
        for table in summary["baselines"]
        for row in table["rows"]
    ]
    keys = [*WORDS, "model", "budget"]
    validation = (
        read_parquet(snakemake.input.runs)
        .group_by(keys)
        .agg(
            validation_auc=pl.col("selection_auc").mean(),
            validation_log_loss=pl.col("selection_log_loss").mean(),
            training_seconds=pl.col("train_seconds").mean(),
        )
    )
    table = pl.DataFrame(rows).join(validation, on=keys, how="left").sort(*WORDS, "validation_log_loss")
    write_csv_atomic(table, Path(snakemake.output[0]))

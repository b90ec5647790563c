"""The data matrix as a table: what every dataset of the study consists of, and how many samples it gives."""

from pathlib import Path

import polars as pl

from lib.data.io import read_json, read_parquet, read_schema, write_csv_atomic, write_text_atomic
from lib.data.validation.findings import findings_frame, read_findings
from lib.datasets.splits import PARTS
from lib.features.schema import channel_names
from lib.jobs.shell import job


def rows(path, samples_path):
    """One row for each declared task of a dataset."""
    facts = read_parquet(path, columns=["date", "symbol"]).select(
        symbols=pl.col("symbol").n_unique(), first=pl.col("date").min(), last=pl.col("date").max()
    )
    described = {
        "cell": path.parent.name,
        "timescale": path.stem,
        "symbols": facts["symbols"][0],
        "channels": len(channel_names(pl.DataFrame(schema=read_schema(path)))),
        "first": facts["first"][0],
        "last": facts["last"][0],
    }
    for problem in read_json(samples_path):
        counts = {part: problem["splits"][part]["n"] for part in PARTS}
        yield described | {"task": f"{problem['task']} h{problem['horizon']}"} | counts


with job(snakemake):
    pairs = zip(map(Path, snakemake.input.datasets), map(Path, snakemake.input.samples), strict=True)
    table = pl.DataFrame([row for pair in pairs for row in rows(*pair)])
    found = findings_frame(read_findings(map(Path, snakemake.input.quality)))
    counted = found.group_by("severity", "symbol", "rule").agg(pl.len().alias("times"))
    with pl.Config(
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        fmt_str_lengths=60,
        tbl_width_chars=160,
    ):
        shown = f"{table}\n\nFindings\n{counted.sort('severity', 'symbol', 'rule')}\n"
    write_text_atomic(Path(snakemake.output.text), shown)
    write_csv_atomic(table, Path(snakemake.output.csv))

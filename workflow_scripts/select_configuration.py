"""The best configuration of some phases by validation, with the reasons: read by experiments to come."""

import json
from pathlib import Path

import polars as pl
import yaml

from lib.config.validation import validate
from lib.config.workflow import Selection
from lib.data.io import read_parquet, write_text_atomic
from lib.jobs.shell import job
from lib.scaling.selection import select_configuration

with job(snakemake):
    wanted = validate(Selection, json.loads(snakemake.params.selection), "section selection")
    runs = pl.concat([read_parquet(path) for path in snakemake.input]).unique("path", keep="first")
    found = select_configuration(
        runs, wanted.task, wanted.timescale, wanted.horizon, int(snakemake.params.context_length)
    )
    text = "# Chosen by validation alone, for experiments with `from_selection`. Delete it to choose again.\n"
    write_text_atomic(Path(snakemake.output[0]), text + yaml.safe_dump(found, sort_keys=False, width=110))

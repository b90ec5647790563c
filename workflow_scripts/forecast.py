"""Forecasts of a production model for the newest bars, or as of a past day."""

import json
import sys
from datetime import date
from pathlib import Path

from lib.config.validation import validate
from lib.config.workflow import EvaluationConfig
from lib.data.calendar import read_sessions
from lib.data.io import read_parquet, write_parquet_atomic
from lib.extras.production.forecast import describe, forecast
from lib.jobs.shell import job

with job(snakemake):
    settings = validate(EvaluationConfig, json.loads(snakemake.params.evaluation), "evaluation")
    day = snakemake.wildcards.get("day")
    table = forecast(
        Path(snakemake.input.current).parent,
        read_parquet(snakemake.input.dataset),
        read_sessions(Path(snakemake.input.calendar)),
        settings,
        json.loads(snakemake.params.offered),
        date.fromisoformat(day) if day else None,
    )
    write_parquet_atomic(table, Path(snakemake.output[0]))
    print(describe(table), file=sys.stderr)

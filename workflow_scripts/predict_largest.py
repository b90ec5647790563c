"""results/predicted/…: predictions of a question's smaller scale points for its largest, added to the
record."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from lib.config.validation import validate
from lib.config.workflow import EvaluationConfig
from lib.data.io import read_json, write_json_atomic
from lib.jobs.shell import job
from lib.scaling.ledger import add_test_access, read_test_access
from lib.scaling.predicted import predictions, with_entry
from lib.scaling.run_index import RunIndex, StudyRuns
from lib.scaling.samples import PredictionFiles, read_predictions

with job(snakemake):
    record, access = Path(snakemake.output[0]), Path(snakemake.params.test_access)
    before = read_test_access(access)
    seen = set(before)
    settings = validate(EvaluationConfig, json.loads(snakemake.params.evaluation), "evaluation")
    test = PredictionFiles(read_predictions, snakemake.params.primary, seen)
    material = StudyRuns(RunIndex(pl.DataFrame()), test, settings)
    curves = predictions(snakemake.wildcards.axis, json.loads(snakemake.params.curves), material)
    add_test_access(access, seen - before)
    kept = read_json(record, list) if record.is_file() else []
    write_json_atomic(record, with_entry(kept, curves, datetime.now(UTC)))

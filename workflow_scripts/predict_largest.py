"""results/predicted/…: what the smaller levels of a question predict for its largest, added to the record."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from lib.config.load import validate
from lib.config.workflow import EvaluationConfig
from lib.data.io import read_json, write_json_atomic
from lib.evaluation.looks import add_looks, read_looks
from lib.evaluation.material import Material, RunIndex
from lib.evaluation.on_record import predictions, with_entry
from lib.evaluation.samples import Predictions, read_predictions
from workflow_scripts.shell import job

with job(snakemake):
    record, looks = Path(snakemake.output[0]), Path(snakemake.params.looks)
    before = read_looks(looks)
    seen = set(before)
    settings = validate(EvaluationConfig, json.loads(snakemake.params.evaluation), "evaluation")
    test = Predictions(read_predictions, snakemake.params.primary, seen)
    material = Material(RunIndex(pl.DataFrame()), test, settings)
    cells = predictions(snakemake.wildcards.axis, json.loads(snakemake.params.cells), material)
    add_looks(looks, seen - before)
    kept = read_json(record, list) if record.is_file() else []
    write_json_atomic(record, with_entry(kept, cells, datetime.now(UTC)))

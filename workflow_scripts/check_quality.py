"""Everything that is odd about a dataset's raw data, by the thresholds of now; errors end the job."""

import json
from datetime import date
from pathlib import Path

from lib.config.data import ValidationConfig
from lib.config.series_table import SeriesDefinition
from lib.config.validation import validate
from lib.data.calendar import read_sessions
from lib.data.compare import compare_origins
from lib.data.io import read_notes, read_parquet, write_json_atomic
from lib.data.validation.findings import (
    finding,
    findings_to_json,
    raise_on_errors,
    remarks,
    with_severities,
)
from lib.data.validation.price_checks import validate_prices
from lib.data.validation.series_checks import validate_series
from lib.data.vintage import data_section
from lib.features.groups import SeriesInput, left_out
from lib.jobs.shell import job


def left_out_of(series, declared):
    """Series that the dataset does without, and why."""
    inputs = [SeriesInput(**member, frame=series[member["name"]]) for member in declared["series"]]
    return left_out(inputs, date.fromisoformat(declared["until"]) if declared["until"] else None)


with job(snakemake):
    config = validate(ValidationConfig, json.loads(snakemake.params.validation), "data.validation")
    sessions = read_sessions(Path(snakemake.input.calendar))
    today, found = date.today(), []
    prices = {Path(path).stem: read_parquet(path) for path in snakemake.input.prices}
    for symbol, frame in prices.items():
        others = {name: other for name, other in prices.items() if name != symbol}
        found += validate_prices(frame, symbol, config, today, sessions, others)
    series = {Path(path).stem: read_parquet(path) for path in snakemake.input.series}
    for (name, frame), content in zip(series.items(), snakemake.params.series, strict=True):
        definition = SeriesDefinition.model_validate(json.loads(content)["definition"])
        found += validate_series(frame, name, definition, config, today)
    for path in map(Path, (*snakemake.input.prices, *snakemake.input.series)):
        found += with_severities(remarks(path.stem, read_notes(path) or []), config.severity)
    found += [
        finding("left out", name, None, None, reason)
        for name, reason in left_out_of(series, json.loads(snakemake.params.assembly)).items()
    ]
    data = data_section(snakemake.config, snakemake.params.source)
    raw = Path(snakemake.output[0]).parents[1]
    found += compare_origins(json.loads(snakemake.params.comparisons), data, raw, config)
    raise_on_errors(found)
    write_json_atomic(Path(snakemake.output[0]), findings_to_json(found))

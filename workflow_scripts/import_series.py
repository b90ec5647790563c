"""One series, from the first source that has it or made of its parts, into an immutable raw file."""

import json
from datetime import date
from pathlib import Path

from lib.config.series_table import SeriesDefinition
from lib.data.io import read_parquet, write_parquet_atomic
from lib.data.series import combine_files, fetch_series
from lib.data.validation.findings import raise_on_errors
from lib.data.validation.series_checks import validate_series
from lib.data.vintage import data_section, record_source
from lib.jobs.shell import job

with job(snakemake):
    target, name = Path(snakemake.output[0]), snakemake.wildcards.series
    data = data_section(snakemake.config, snakemake.params.source)
    content = json.loads(snakemake.params.series)
    definition = SeriesDefinition.model_validate(content["definition"])
    if definition.combine:
        parts = [read_parquet(path) for path in snakemake.input.parts]
        frame, remarks = combine_files(parts[0], parts[1], name, definition.combine), ()
    else:
        frame, remarks = fetch_series(name, definition, content["origins"], data, snakemake.params.optional)
    if not frame.is_empty():  # an optional series that no source has is an empty file; the findings name it
        raise_on_errors(validate_series(frame, name, definition, data.validation, date.today()))
    record_source(target.parents[1], snakemake.params.source)
    write_parquet_atomic(frame, target, remarks)

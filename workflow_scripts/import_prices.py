"""One symbol from its source into an immutable, validated raw file with its findings."""

import json
from datetime import date
from pathlib import Path

from lib.config.data import DataConfig
from lib.config.load import validate
from lib.data.io import write_json_atomic, write_parquet_atomic
from lib.data.sources import open_source
from lib.data.validation import findings_to_json, raise_on_errors, validate_prices
from workflow_scripts.shell import job

with job(snakemake):
    splits = snakemake.config["data"]["splits"]
    data = validate(DataConfig, json.loads(snakemake.params.source) | {"splits": splits}, "data")
    symbol = snakemake.wildcards.symbol
    raw = open_source(data).prices(symbol)
    prices, findings = validate_prices(raw, symbol, data.validation, today=date.today())
    raise_on_errors(findings)
    write_json_atomic(Path(snakemake.output.findings), findings_to_json(findings))
    write_parquet_atomic(prices, Path(snakemake.output.prices))

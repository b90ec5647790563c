"""One symbol from its source into an immutable, validated raw file."""

from datetime import date
from pathlib import Path

from lib.data.calendar import read_sessions
from lib.data.io import write_parquet_atomic
from lib.data.sources import open_source
from lib.data.validation.findings import raise_on_errors
from lib.data.validation.price_checks import validate_prices
from lib.data.vintage import data_section, record_source
from lib.jobs.shell import job

with job(snakemake):
    target = Path(snakemake.output[0])
    data = data_section(snakemake.config, snakemake.params.source)
    symbol = snakemake.wildcards.symbol
    source = open_source(data)
    prices = source.prices(symbol)
    sessions = read_sessions(Path(snakemake.input.calendar))
    raise_on_errors(validate_prices(prices, symbol, data.validation, date.today(), sessions))
    record_source(target.parents[1], snakemake.params.source)
    write_parquet_atomic(prices, target, source.remarks(symbol))

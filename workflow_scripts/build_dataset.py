"""Bars of a row's symbols, and its series, as one table of channels."""

import json
from datetime import date
from pathlib import Path

from lib.config.base import split_dataset
from lib.data.io import read_parquet, write_parquet_atomic
from lib.features.assembly import assemble
from lib.features.groups import SeriesInput
from lib.jobs.shell import job

with job(snakemake):
    _, _, tier = split_dataset(snakemake.wildcards.dataset)
    declared = json.loads(snakemake.params.assembly)
    bars = {Path(path).stem: read_parquet(path) for path in snakemake.input.bars}
    series = [
        SeriesInput(**member, frame=read_parquet(path))
        for member, path in zip(declared["series"], snakemake.input.series, strict=True)
    ]
    until, history_from = (
        date.fromisoformat(day) if day else None for day in (declared["until"], declared["history_from"])
    )
    slower = {symbol: {} for symbol in bars}
    for path in map(Path, snakemake.input.slower):
        slower[path.stem][path.parent.name] = read_parquet(path)
    frame = assemble(bars, tier, snakemake.wildcards.timescale, series, until, history_from, slower)
    write_parquet_atomic(frame, Path(snakemake.output[0]))

"""data/processed/manifest.json: every dataset file with its version and the raw files it was made from."""

from pathlib import Path

from lib.config.base import split_dataset
from lib.data.manifest import entry_for, read_manifest, write_manifest
from workflow_scripts.shell import job

with job(snakemake):
    raw = {entry.path: entry.md5 for entry in read_manifest(Path(snakemake.input.raw))}
    symbols = dict(item.split("=", 1) for item in snakemake.params.symbols)
    entries = []
    for path in map(Path, snakemake.input.datasets):
        vintage, dataset = path.parts[-3], path.parts[-2]
        sources = [
            f"data/raw/{vintage}/prices/{s}.parquet" for s in symbols[f"{vintage}/{dataset}"].split(",")
        ]
        entries.append(
            entry_for(
                path,
                dataset=dataset,
                version=snakemake.params.version,
                tier=split_dataset(dataset)[2],
                source_raw_md5s=[raw[source] for source in sources],
            )
        )
    write_manifest(Path(snakemake.output.manifest), entries)

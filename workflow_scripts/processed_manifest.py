"""data/processed/manifest.json: every dataset file with its version and the raw files it was made from."""

from pathlib import Path

from lib.config.base import split_dataset
from lib.data.manifest import entry_for, read_manifest, write_manifest
from lib.jobs.shell import job

with job(snakemake):
    md5 = {entry.path: entry.md5 for entry in read_manifest(Path(snakemake.input.raw))}
    write_manifest(
        Path(snakemake.output.manifest),
        [
            entry_for(
                path,
                dataset=path.parts[-2],
                version=snakemake.params.version,
                tier=split_dataset(path.parts[-2])[2],
                source_raw_md5s=[md5[source] for source in sources.split(",")],
            )
            for path, sources in zip(map(Path, snakemake.input.datasets), snakemake.params.raw, strict=True)
        ],
    )

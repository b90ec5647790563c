"""A manifest of raw files with hashes: of a vintage, or of what a phase is made of."""

from pathlib import Path

from lib.data.manifest import entry_for, write_manifest
from lib.jobs.shell import job

with job(snakemake):
    paths = map(Path, snakemake.input)  # data/raw/<vintage>/<prices or series>/<name>.parquet
    write_manifest(Path(snakemake.output[0]), [entry_for(path, dataset=path.parts[2]) for path in paths])

"""data/raw/manifest.json: the manifests of the study's vintages in one list."""

from pathlib import Path

from lib.data.manifest import read_manifest, write_manifest
from lib.jobs.shell import job

with job(snakemake):
    entries = [entry for path in snakemake.input for entry in read_manifest(Path(path))]
    write_manifest(Path(snakemake.output.manifest), entries)

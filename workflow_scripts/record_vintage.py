"""The manifest of one vintage: what it holds, with hashes."""

from pathlib import Path

from lib.data.manifest import entry_for, write_manifest
from workflow_scripts.shell import job

with job(snakemake):
    vintage = snakemake.wildcards.vintage
    entries = [
        entry_for(Path(path), dataset=vintage) for path in [*snakemake.input.prices, *snakemake.input.series]
    ]
    write_manifest(Path(snakemake.output[0]), entries)

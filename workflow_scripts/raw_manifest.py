"""data/raw/manifest.json: the manifests of all vintages in one list."""

from pathlib import Path

from lib.data.manifest import read_manifest, write_manifest
from lib.jobs.shell import job

with job(snakemake):
    target = Path(snakemake.output.manifest)
    entries = [e for path in sorted(target.parent.glob("*/manifest.json")) for e in read_manifest(path)]
    write_manifest(target, entries)

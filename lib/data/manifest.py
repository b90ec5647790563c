"""Files on disk and their recorded hashes: manifests of data, checksums of models.

Paths in a manifest are relative to the working directory. Deletes and repairs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from lib.data.io import md5_of, read_json, read_parquet, sha256_of, write_json_atomic
from lib.errors import IntegrityError

CHECKSUMS = "checksums.json"
PROVENANCE = "provenance.json"
PARAMS = "params.yaml"


@dataclass(frozen=True)
class ManifestEntry:
    """One file. The fields from `version` on belong to processed files only."""

    dataset: str
    path: str
    md5: str
    sha256: str
    timestamp: str
    rows: int
    first: str
    last: str
    version: int | None = None
    tier: int | None = None
    source_raw_md5s: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Mismatch:
    """A file that differs from its record."""

    path: str
    problem: str


def entry_for(
    path: Path,
    dataset: str,
    version: int | None = None,
    tier: int | None = None,
    source_raw_md5s: Iterable[str] = (),
) -> ManifestEntry:
    """The entry of a Parquet file with a `date` column."""
    days = read_parquet(path, columns=["date"])
    first, last, rows = days["date"].min(), days["date"].max(), days.height
    return ManifestEntry(
        dataset=dataset,
        path=path.as_posix(),
        md5=md5_of(path),
        sha256=sha256_of(path),
        timestamp=datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds"),
        rows=rows,
        first="" if first is None else str(first),
        last="" if last is None else str(last),
        version=version,
        tier=tier,
        source_raw_md5s=list(source_raw_md5s),
    )


def write_manifest(path: Path, entries: Iterable[ManifestEntry]) -> None:
    """Write entries as a JSON list, sorted by path. Empty fields are left out."""
    content = [
        {name: value for name, value in asdict(entry).items() if value not in (None, [])}
        for entry in sorted(entries, key=lambda entry: entry.path)
    ]
    write_json_atomic(path, content)


def read_manifest(path: Path) -> list[ManifestEntry]:
    """Entries of a manifest.

    Raises:
        IntegrityError: the file is not a manifest.
    """
    try:
        return [ManifestEntry(**item) for item in read_json(path, list)]
    except (OSError, TypeError) as error:
        raise IntegrityError(
            f"{path}: not a readable manifest ({error}). Delete it; it will be made again."
        ) from None


def write_checksums(folder: Path) -> None:
    """Record the SHA-256 of every file below `folder` in its `checksums.json`."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != CHECKSUMS)
    write_json_atomic(folder / CHECKSUMS, {p.relative_to(folder).as_posix(): sha256_of(p) for p in files})


def verify_checksums(folder: Path) -> list[Mismatch]:
    """Files below `folder` that differ from its `checksums.json`."""
    try:
        recorded: dict[str, Any] = read_json(folder / CHECKSUMS, dict)
    except (OSError, IntegrityError):
        return [Mismatch((folder / CHECKSUMS).as_posix(), "missing or damaged")]
    return [m for name, digest in recorded.items() if (m := _compare(folder / name, str(digest)))]


def recorded_mismatches(run: Path, provenance: Mapping[str, Any]) -> list[Mismatch]:
    """Files of a run that differ from the hashes in its provenance; those of the model have their own."""
    recorded = provenance.get("files") or {}
    return [m for name, digest in recorded.items() if (m := _compare(run / name, str(digest)))]


def read_params(run: Path) -> dict[str, Any]:
    """Parameters of a finished run (params.yaml), verified against the hash in its provenance.

    Raises:
        IntegrityError: one of the two files is missing, torn or altered.
    """
    path = run / PARAMS
    again = (
        f"Delete the run's folder and make the run again: `snakemake --cores 1 {run / 'metrics.json'}` (and "
        "your --configfile)."
    )
    try:
        recorded = read_json(run / PROVENANCE, dict).get("files") or {}
        altered = PARAMS in recorded and sha256_of(path) != recorded[PARAMS]
        content = None if altered else yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise IntegrityError(f"{error.filename}: missing. {again}") from None
    except (ValueError, yaml.YAMLError):
        content = None
    if not isinstance(content, dict):
        raise IntegrityError(f"{path}: damaged, its content differs from the record. {again}")
    return content


def verify(
    root: Path, records: Iterable[Path] | None = None, beside: Iterable[str] = ()
) -> tuple[int, list[Mismatch]]:
    """Re-hash every recorded file: by a manifest.json, a model's checksums.json, a run's provenance.json.

    Args:
        root: what the paths in manifests are relative to.
        records: the records to check; default all below `root`.
        beside: folders of `root` whose records count from elsewhere; they are left out.

    Returns:
        How many files were checked, and those that are missing or differ.
    """
    checked: set[Path] = set()
    mismatches: list[Mismatch] = []
    for record in sorted(_records(root, beside) if records is None else records):
        if record.name == CHECKSUMS:
            names = _names(record)
            checked |= {record.parent / name for name in names}
            mismatches += verify_checksums(record.parent)
            continue
        if record.name == PROVENANCE:
            promoted = (record.parent / CHECKSUMS).is_file()  # a copy whose own checksums hold
            tracked = not (record.parent / "predictions").is_dir()  # a copy among a tracker's artefacts
            if promoted or tracked:
                continue
            files, found = _verify_run(record)
            checked |= files
            mismatches += found
            continue
        try:
            entries = read_manifest(record)
        except IntegrityError as error:
            mismatches.append(Mismatch(record.as_posix(), str(error)))
            continue
        for entry in entries:
            path = root / entry.path
            if path not in checked:
                checked.add(path)
                if mismatch := _compare(path, entry.sha256):
                    mismatches.append(mismatch)
    return len(checked), mismatches


def _records(root: Path, beside: Iterable[str] = ()) -> list[Path]:
    """All records of hashes below `root`, except in hidden folders."""
    left_out = {root / name for name in beside}
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [n for n in folders if not n.startswith(".") and Path(folder, n) not in left_out]
        found += [Path(folder) / name for name in files if name in ("manifest.json", CHECKSUMS, PROVENANCE)]
    return found


def _verify_run(record: Path) -> tuple[set[Path], list[Mismatch]]:
    try:
        content = read_json(record, dict)
        files = {record.parent / name for name in content.get("files") or {}}
    except (OSError, IntegrityError):
        return set(), [Mismatch(record.as_posix(), "missing or damaged")]
    return files, recorded_mismatches(record.parent, content)


def _names(record: Path) -> list[str]:
    try:
        return list(read_json(record, dict))
    except (OSError, IntegrityError):
        return []


def _compare(path: Path, sha256: str) -> Mismatch | None:
    if not path.is_file():
        return Mismatch(path.as_posix(), "missing")
    if sha256_of(path) != sha256:
        return Mismatch(path.as_posix(), "its content differs from the record")
    return None

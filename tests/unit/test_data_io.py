"""Files are whole or absent, and a changed byte is found."""

import json
import os

import polars as pl
import pytest

from lib.data import manifest
from lib.data.io import write_json_atomic, write_parquet_atomic, write_text_atomic
from lib.errors import IntegrityError

FRAME = pl.DataFrame({"date": ["2024-01-02", "2024-01-03"], "close": [1.0, 2.0]}).with_columns(
    pl.col("date").str.to_date()
)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    write_parquet_atomic(FRAME, path)
    before = path.read_bytes()

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_parquet_atomic(FRAME.head(1), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["table.parquet"]


def test_json_is_strict_and_the_same_every_time(tmp_path):
    write_json_atomic(tmp_path / "a.json", {"b": 1, "a": [2]})
    write_json_atomic(tmp_path / "b.json", {"a": [2], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        write_json_atomic(tmp_path / "c.json", {"x": float("nan")})
    assert not (tmp_path / "c.json").exists()


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    path = Path("data/raw/v1/prices/SPY.parquet")
    write_parquet_atomic(FRAME, path)
    manifest.write_manifest(Path("data/raw/v1/manifest.json"), [manifest.entry_for(path, "v1")])
    return path


def test_an_entry_says_what_the_file_holds(recorded, tmp_path):
    entry = manifest.read_manifest(tmp_path / "data/raw/v1/manifest.json")[0]
    assert (entry.path, entry.rows, entry.first, entry.last) == (str(recorded), 2, "2024-01-02", "2024-01-03")
    assert manifest.verify(tmp_path) == (1, [])


def test_a_flipped_byte_is_found(recorded, tmp_path):
    content = bytearray(recorded.read_bytes())
    content[len(content) // 2] ^= 1
    recorded.write_bytes(content)
    _, mismatches = manifest.verify(tmp_path)
    assert [m.problem for m in mismatches] == ["its content differs from the record"]


def test_a_missing_file_is_found(recorded, tmp_path):
    recorded.unlink()
    assert [m.problem for m in manifest.verify(tmp_path)[1]] == ["missing"]


def test_a_model_folder_is_verified_too(tmp_path):
    folder = tmp_path / "results" / "model"
    write_text_atomic(folder / "weights.bin", "weights")
    manifest.write_checksums(folder)
    assert manifest.verify(tmp_path) == (1, [])
    (folder / "weights.bin").write_text("other")
    assert len(manifest.verify(tmp_path)[1]) == 1


def test_a_torn_manifest_is_named(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps([{"path": "x"}])[:-3])
    with pytest.raises(IntegrityError, match="not a readable manifest"):
        manifest.read_manifest(tmp_path / "manifest.json")
    assert len(manifest.verify(tmp_path)[1]) == 1

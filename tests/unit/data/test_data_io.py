"""Files are whole or absent, and a changed byte is found."""

import errno
import fcntl
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from lib.data import manifest
from lib.data.io import (
    JSON_SEAL,
    read_json,
    sync_folder,
    write_json_atomic,
    write_parquet_atomic,
    write_text_atomic,
)
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

    monkeypatch.delattr(fcntl, "F_FULLFSYNC", raising=False)
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


def test_the_checksum_of_json_comes_last_and_is_not_read(tmp_path):
    for name, content in {
        "object": {"z": [1, {"a": 1e-5}], "a": "é"},
        "list": [{"b": 2}],
        "empty": [],
    }.items():
        path = tmp_path / f"{name}.json"
        write_json_atomic(path, content)
        written = json.loads(path.read_text())
        assert list(written[-1] if isinstance(written, list) else written)[-1] == JSON_SEAL
        assert read_json(path) == content


def test_json_changed_by_hand_is_refused_until_its_checksum_is_taken_out(tmp_path):
    path = tmp_path / "best.json"
    write_json_atomic(path, {"learning_rate": 0.001})
    path.write_text(path.read_text().replace("0.001", "0.002"))
    with pytest.raises(IntegrityError, match=rf"best\.json: damaged.*take the entry `{JSON_SEAL}`"):
        read_json(path)
    content = json.loads(path.read_text())
    del content[JSON_SEAL]
    path.write_text(json.dumps(content))
    assert read_json(path) == {"learning_rate": 0.002}


def test_json_of_another_kind_is_refused_by_name(tmp_path):
    (tmp_path / "source.json").write_text("[1, 2]")
    with pytest.raises(IntegrityError, match=r"source\.json: damaged, not an object"):
        read_json(tmp_path / "source.json", dict)
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(IntegrityError, match=r"deep\.json"):
        read_json(tmp_path / "deep.json")


def a_process_that_is_gone() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_killed_write_left_is_gone_after_the_next_one(tmp_path):
    gone, here = a_process_that_is_gone(), platform.node()
    kept = [
        f".a.json.{here}.{os.getppid()}.tmp",  # its writer lives
        f".a.json.elsewhere.{gone}.tmp",  # perhaps, too
        f".b.json.{here}.{gone}.tmp",  # another file's
    ]
    left = [f".a.json.{here}.{gone}.tmp", ".a.json.elsewhere.old.1.tmp"]
    for name in (*kept, *left):
        (tmp_path / name).write_text("{")
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(tmp_path / left[1], (long_ago, long_ago))
    write_json_atomic(tmp_path / "a.json", {})
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a.json", *kept])


def test_a_write_that_is_killed_leaves_nothing_after_the_next_one(tmp_path):
    path = tmp_path / "best.json"
    code = f"""
import os, signal
from pathlib import Path
from lib.data.io import atomic_path
with atomic_path(Path({str(path)!r})) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == -signal.SIGKILL
    [left] = tmp_path.iterdir()
    assert left.name.endswith(".tmp")
    write_json_atomic(path, {"whole": True})
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("knows", [True, False])
def test_on_a_mac_the_cache_of_the_disk_is_emptied_too(tmp_path, monkeypatch, knows):
    asked, synced = [], []

    def answer(descriptor, command):
        asked.append(command)
        if not knows:
            raise OSError(errno.ENOTSUP, "a network disk")

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", answer)
    monkeypatch.setattr(os, "fsync", synced.append)
    write_json_atomic(tmp_path / "a.json", {"a": 1})
    assert asked == [51]
    assert len(synced) == (0 if knows else 1)


def test_a_write_that_fails_on_a_mac_is_not_taken_for_a_disk_that_cannot_flush(tmp_path, monkeypatch):
    def broken(descriptor, command):
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", broken)
    with pytest.raises(OSError, match=r"a\.json"):
        write_json_atomic(tmp_path / "a.json", {"a": 1})
    assert not (tmp_path / "a.json").exists()


def test_a_folder_is_flushed_with_every_file_in_it(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.delattr(fcntl, "F_FULLFSYNC", raising=False)
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle).st_ino))
    for name in ("weights.bin", "deep/model.json"):
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_text("x")
    sync_folder(tmp_path / "model")
    everything = [tmp_path / "model", *(tmp_path / "model").rglob("*")]
    assert sorted(flushed) == sorted(path.stat().st_ino for path in everything)
    assert flushed[-1] == (tmp_path / "model").stat().st_ino


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
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
    with pytest.raises(IntegrityError, match=r"manifest\.json: damaged"):
        manifest.read_manifest(tmp_path / "manifest.json")
    assert len(manifest.verify(tmp_path)[1]) == 1


def test_a_model_is_on_the_disk_before_its_folder_gets_its_name(tmp_path, monkeypatch):
    from lib.jobs.outputs import write_run

    class Renamed(Exception):
        pass

    def rename(path, _):
        raise Renamed(path)

    flushed = []
    monkeypatch.delattr(fcntl, "F_FULLFSYNC", raising=False)
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle).st_ino))
    monkeypatch.setattr(Path, "replace", rename)
    model = SimpleNamespace(save=lambda folder: (folder / "weights.bin").write_text("weights"))
    job = SimpleNamespace(output=SimpleNamespace(model=str(tmp_path / "model")))
    with pytest.raises(Renamed) as caught:
        write_run(job, None, SimpleNamespace(model=model), None, "", None)
    assert (caught.value.args[0] / "weights.bin").stat().st_ino in flushed


def test_one_damaged_letter_of_the_checksums_own_name_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json_atomic(path, {"a": 1})
    path.write_text(path.read_text().replace("content_sha256", "bontent_sha256"))
    with pytest.raises(IntegrityError, match=r"a\.json: damaged"):
        read_json(path)

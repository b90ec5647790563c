"""A backup is whole, keeps the times that Snakemake decides by, and says what was being written meanwhile."""

import os
import shutil
from pathlib import Path

import pytest

from lib.data import backup as module
from lib.data.backup import backup
from lib.errors import DataError, IntegrityError

LONG_AGO = 1_000_000_000


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for name in ("data/raw/one", "results/runs/two", "results/runs/.three.1.tmp", "lib/code.py"):
        path = tmp_path / "study" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        os.utime(path, (LONG_AGO, LONG_AGO))
    return tmp_path / "study"


def test_copies_keep_content_and_time_and_are_made_once(study, tmp_path):
    copy = tmp_path / "copy"
    first, second = backup(study, copy), backup(study, copy)
    assert (first.copied, first.unchanged, second.copied, second.unchanged) == (2, 0, 0, 2)
    names = sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file())
    assert names == ["data/raw/one", "results/runs/two"]
    assert {path.stat().st_mtime for path in copy.rglob("*") if path.is_file()} == {LONG_AGO}


def test_a_copy_with_another_time_is_brought_in_line(study, tmp_path):
    backup(study, tmp_path / "copy")
    os.utime(tmp_path / "copy/data/raw/one")
    assert backup(study, tmp_path / "copy").copied == 0
    assert (tmp_path / "copy/data/raw/one").stat().st_mtime == LONG_AGO


def test_a_file_that_a_job_writes_meanwhile_is_named_and_the_rest_is_copied(study, tmp_path, monkeypatch):
    copyfile = shutil.copyfile

    def while_a_job_writes(path: Path, target: Path) -> None:
        copyfile(path, target)
        if path.name == "two":
            path.write_text("more")
            target.write_text("half")

    monkeypatch.setattr(module.shutil, "copyfile", while_a_job_writes)
    done = backup(study, tmp_path / "copy")
    assert [path.as_posix() for path in done.changing] == ["results/runs/two"]
    assert done.copied == 1
    assert not (tmp_path / "copy/results/runs/two").exists()


def test_a_disk_that_writes_something_else_is_found_out(study, tmp_path, monkeypatch):
    monkeypatch.setattr(module.shutil, "copyfile", lambda path, target: Path(target).write_text("else"))
    with pytest.raises(IntegrityError, match="Is the disk sound"):
        backup(study, tmp_path / "copy")


def test_a_folder_inside_what_is_copied_is_refused(study):
    with pytest.raises(DataError, match="lies inside"):
        backup(study, study / "results" / "copy")

"""The record of looks at the test set only grows."""

from __future__ import annotations

from pathlib import Path

from lib.evaluation.looks import add_looks, read_looks

ONE, TWO, THREE = ("1" * 64, "2" * 64, "3" * 64)


def test_what_was_seen_once_stays_on_record(tmp_path: Path) -> None:
    path = tmp_path / "results" / "looks.txt"
    assert read_looks(path) == set()
    add_looks(path, [])
    assert not path.exists()
    add_looks(path, {ONE})
    add_looks(path, {TWO, ONE})
    assert read_looks(path) == {ONE, TWO}
    assert path.read_text(encoding="utf-8").splitlines()[0] == ONE, "nothing is rewritten"


def test_a_torn_line_costs_itself_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "looks.txt"
    add_looks(path, {ONE})
    with path.open("a", encoding="utf-8") as file:
        file.write(TWO[:20])
    add_looks(path, {THREE})
    assert read_looks(path) == {ONE, THREE}

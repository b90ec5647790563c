"""The record of test-set access only grows."""

from __future__ import annotations

from pathlib import Path

from lib.scaling.ledger import add_test_access, read_test_access

ONE, TWO, THREE = ("1" * 64, "2" * 64, "3" * 64)


def test_what_was_seen_once_stays_on_record(tmp_path: Path) -> None:
    path = tmp_path / "results" / "access.txt"
    assert read_test_access(path) == set()
    add_test_access(path, [])
    assert not path.exists()
    add_test_access(path, {ONE})
    add_test_access(path, {TWO, ONE})
    assert read_test_access(path) == {ONE, TWO}
    assert path.read_text(encoding="utf-8").splitlines()[0] == ONE, "nothing is rewritten"


def test_a_torn_line_costs_itself_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "access.txt"
    add_test_access(path, {ONE})
    with path.open("a", encoding="utf-8") as file:
        file.write(TWO[:20])
    add_test_access(path, {THREE})
    assert read_test_access(path) == {ONE, THREE}

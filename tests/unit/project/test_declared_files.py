"""The watch over what the rules declare: it sees what a job opens, in a real run of Snakemake."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.declared_files import EXCEPTIONS, RECORDS, undeclared

RULE = """
rule table:
    input:
        "data/declared.txt",
    output:
        "results/declared.txt",
    script:
        "script.py"
"""
SCRIPT = """
import os
from pathlib import Path
Path("data/declared.txt").read_text()
Path("data/other.txt").read_text()
Path("results/declared.txt").write_text("made")
Path("results/.new.tmp").write_text("beside")
os.replace("results/.new.tmp", "results/beside.txt")
Path("results/state").mkdir()
Path("results/state/kept.txt").write_text("state")
"""


def test_a_job_that_opens_what_its_rule_does_not_declare_is_named_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(RULE)
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "data").mkdir()
    for name in ("declared", "other"):
        (tmp_path / "data" / f"{name}.txt").touch()
    watched = {"PYTHONPATH": str(ROOT / "tests" / "audit"), "OPENED_FILES": str(tmp_path / RECORDS)}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "results/declared.txt"],
        cwd=tmp_path, env=os.environ | watched, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert undeclared(tmp_path) == [
        "table: data/other.txt is read",
        "table: results/beside.txt is written",
    ], "the state that every job may keep is no part of it"
    assert not (tmp_path / RECORDS).exists()


def test_every_exception_says_why():
    assert all(len(why) > 7 for patterns in EXCEPTIONS.values() for why in patterns.values())

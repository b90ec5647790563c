"""Every command of docs/runbook.md, run as it stands there, in order, on a small study."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import PATIENCE_SECONDS, ROOT, Project, make_project

PAGE = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SETTINGS, *BLOCKS = [block for _, block in FENCES]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
STUDY = "results/runs/base/Aa20/daily/direction/h5"


def test_no_block_of_the_page_escapes():
    assert {language for language, _ in FENCES} == {"sh"}
    assert PAGE.count("```") == 2 * len(FENCES)
    assert len(BLOCKS) > 8


def test_what_is_named_between_the_blocks_exists():
    words = re.findall(r"`(?:make|snakemake) ([^`]+)`", re.sub(r"^```.*?^```$", "", PAGE, flags=re.M | re.S))
    assert words
    for target in words:
        assert target.split()[0] in TARGETS, target
    for target in re.findall(r"^(?:! )?make ([a-z-]+)", "".join(BLOCKS), re.MULTILINE):
        assert target in TARGETS, target


def with_environment(project: Project) -> None:
    """Make's own files, and an environment that is this one and counts as set up."""
    for name in ("Makefile", "pyproject.toml"):
        (project.folder / name).write_bytes((ROOT / name).read_bytes())
    environment = project.folder / ".venv"
    environment.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.name != ".ready":
            (environment / entry.name).symlink_to(entry)
    (environment / ".ready").touch()


@pytest.fixture(scope="module")
def output(tmp_path_factory, market) -> list[str]:
    """What each block prints, after all of them have been run."""
    project = make_project(tmp_path_factory.mktemp("runbook") / "study", market)
    with_environment(project)
    project.study(data={"folder": str(project.folder / "market")})
    project.experiment(
        models=["base_rate", "logistic", "patchtst-mixed"],
        budgets=["2M"],
        tuning="architectural",
        n_trials=2,
    )
    path = project.folder / "config" / "hpo" / "architectural_search.yaml"
    search = yaml.safe_load(path.read_text())
    search["parameters"]["max_steps"] = {"type": "choice", "values": [4, 6]}
    path.write_text(yaml.safe_dump(search, sort_keys=False))
    settings = {"CONFIG": "study.yaml", "BACKUP": "../backup", "OTHER": "../other"}
    settings["SENSOR"] = str(project.folder.parent / "temperature")
    settings["EVERY"] = "0.01"  # seconds per point of the rehearsed curve
    printed = []
    for block in BLOCKS:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", SETTINGS + block],
            cwd=project.folder,
            env=project.environment | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}"
        printed.append(done.stdout)
    return printed


def printed_by(output: list[str], command: str) -> str:
    """Output of the first block that contains a command."""
    return next(text for block, text in zip(BLOCKS, output, strict=True) if command in block)


@pytest.mark.slow
def test_every_command_of_the_page_works_and_does_what_the_page_says(output):
    assert len(output) == len(BLOCKS)
    before = printed_by(output, "make preflight")
    assert "Ready." in before
    assert "Jobs by rule" in before
    assert "0 differ from their records" in before

    stopped = printed_by(output, "echo 97")
    assert "97 °C is above the limit" in stopped
    assert "Stopped, as it should." in stopped
    waiting = stopped.split("Stopped, as it should.")[1]
    assert "trial 1 of 2" in waiting
    assert "stopped" in waiting
    assert "98 °C" in printed_by(output, "rehearse-heat")

    during = printed_by(output, "make disk")
    assert "nothing is being trained" in during
    assert "models of runs" in during

    after = printed_by(output, "make backup")
    assert re.search(r"[1-9]\d* files copied", after)
    assert "production" in after
    for command in ("cp -a", "-name model"):
        assert "Nothing to be done" in printed_by(output, command)

    search = printed_by(output, "importances.json")
    assert '"best_trial"' in search
    assert "2 complete trials tell too little" in search
    assert "median" in search
    assert "rule train" in printed_by(output, "--directory")

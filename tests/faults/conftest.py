"""A small study that is finished, and copies of it to be hurt."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from hurt import with_hostile_words

from tests.conftest import Project, make_project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, market: pl.DataFrame) -> Project:
    """The small study (base rate, logistic regression) run to its report. Not to be changed."""
    project = with_hostile_words(make_project(tmp_path_factory.mktemp("finished") / "study", market))
    done = project.snakemake("results/report.html")
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture
def copied(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished study, with its times."""
    shutil.copytree(finished.folder, tmp_path / "study", symlinks=True)
    return Project(tmp_path / "study")

"""The tables of docs/study.md are what the preview's functions say today."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.config.yaml_files import read_yaml
from lib.study.documents.study_tables import COST, cost_markdown, with_study
from lib.study.plan import Plan, plan_study
from tests.unit.shipped import CONFIG

PAGE = Path(__file__).parents[3] / "docs" / "study.md"


@pytest.fixture(scope="module")
def study() -> Plan:
    return plan_study(read_yaml(CONFIG / "study.yaml"), CONFIG, {})


def test_the_page_on_the_study_is_the_written_one(study: Plan) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert with_study(text, study) == text, "run `make docs`"


def test_every_training_is_counted_once(study: Plan) -> None:
    rows = [line.split("|")[3].strip() for line in cost_markdown(study).splitlines()[2:]]
    assert sum(int(cell) for cell in rows if cell.isdigit()) == len(study.runs)


def test_a_page_without_a_place_for_the_tables_is_refused(study: Plan) -> None:
    with pytest.raises(ValueError, match="no place"):
        with_study(f"{COST[0]} {COST[1]}", study)

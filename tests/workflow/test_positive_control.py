"""The recipe that ships finds a weak signal that is known to be there, with real networks and real jobs."""

import pytest
import yaml

from lib.data.io import read_json
from tests.conftest import ROOT

CONTROL = "control_positive_study"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["study", "finding"])
def test_what_ships_passes_its_own_positive_control(project, name):
    shipped = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())
    project.study(
        experiments=[CONTROL],
        training=shipped["training"],
        overrides={CONTROL: {"budgets": ["2M"], "tuning": "none"}},
    )
    done = project.snakemake("results/scaling.json")
    assert done.returncode == 0, done.stdout
    [control] = read_json(project.folder / "results/scaling.json")["controls"]
    assert control["passed"], control["reason"]

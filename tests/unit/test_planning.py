"""The study before it runs: searches of architectures, channel counts of rich datasets and of multires."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from lib.config.load import validate
from lib.config.resolve import RunSpecification, apply_parameters
from lib.errors import ConfigError
from lib.planning.plan import Plan, plan_study

CONFIG = Path(__file__).parents[2] / "config"
EXPERIMENT = {
    "question": "Which architecture?",
    "datasets": ["Aa100"],
    "timescales": ["daily"],
    "tasks": ["direction"],
    "horizons": [5],
    "models": ["patchtst-mixed"],
    "budgets": ["2M", "20M"],
    "seeds": [42],
    "tuning": "architectural",
}


@pytest.fixture
def plan(tmp_path: Path):
    shutil.copytree(CONFIG, tmp_path / "config")

    def made(data: dict | None = None, **changes) -> Plan:
        (tmp_path / "config/experiments/own.yaml").write_text(yaml.safe_dump(EXPERIMENT | changes))
        content = yaml.safe_load((CONFIG / "config.yaml").read_text()) | {"experiments": ["own"]}
        content["data"] = content["data"] | (data or {})
        return plan_study(content, tmp_path / "config", {})

    return made


def test_a_search_of_architectures_offers_those_of_the_budget_and_the_run_gets_its_size(plan):
    made = plan()
    for budget in ("2M", "20M"):
        run = next(run for run in made.runs if run.budget == budget)
        words = {name: str(value) for name, value in run.fields().items() if name != "seed"}
        content = json.loads(made.search(words))
        offered = content["space"]["parameters"]["architecture"]
        assert offered["ordered"]
        assert 25 <= len(offered["values"]) <= 35
        declared = validate(RunSpecification, content["specification"], "run")
        label = offered["values"][3]
        found = validate(RunSpecification, apply_parameters(declared, {"architecture": label}), "run")
        assert found.architecture is not None
        assert found.architecture.label() == label
        assert found.architecture.dropout == declared.architecture.dropout


def test_an_architecture_found_at_one_budget_is_not_used_at_another(plan):
    with pytest.raises(ConfigError, match="of no use at another budget"):
        plan(tune_at="2M")


def test_channels_count_the_tier_the_series_and_the_slower_bars(plan, tmp_path):
    made = plan()
    assert made.data.channels("Aa100") == 100
    assert made.data.channels("Aa100", "multires") == 100 + 2 * 23
    assert made.data.channels("Ac50") == 50 + 7 + 7
    assert made.data.channels("Ed2000") > 2000 + 50


def test_every_shipped_configuration_can_be_planned(tmp_path):
    for path in sorted(CONFIG.glob("*.yaml")):
        content = yaml.safe_load(path.read_text())
        (tmp_path / "ohlcv").mkdir(exist_ok=True)
        if path.name == "matrix.yaml":
            with pytest.raises(ConfigError, match="needs SENTIMENT"):
                plan_study(content, CONFIG, {"MARKET_DATA_DIR": str(tmp_path)})
        else:
            assert plan_study(content, CONFIG, {"MARKET_DATA_DIR": str(tmp_path)}).runs

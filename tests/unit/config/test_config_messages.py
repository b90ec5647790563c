"""A configuration that cannot be meant is refused with the nearest valid name and the corrected line."""

from pathlib import Path

import pytest
import yaml

from lib.config.experiment import Experiment
from lib.config.hpo import SearchSpace
from lib.config.load import load_study, recipe_for
from lib.config.model import ModelFile
from lib.config.validation import validate
from lib.config.workflow import WorkflowConfig
from lib.config.yaml_files import expand_environment, read_yaml
from lib.errors import ConfigError

CONFIG = Path(__file__).parents[3] / "config"


def quickstart() -> dict:
    return read_yaml(CONFIG / "config.yaml")


def refusal(content: dict) -> str:
    with pytest.raises(ConfigError) as caught:
        load_study(content, CONFIG)
    return str(caught.value)


def test_every_shipped_configuration_is_valid(monkeypatch):
    for name in ("config.yaml", "study-files.yaml"):
        content = expand_environment(read_yaml(CONFIG / name), {"MARKET_DATA_DIR": "/data"})
        assert load_study(content, CONFIG).experiments


def test_every_shipped_configuration_has_an_embargo():
    files = sorted(CONFIG.glob("*.yaml"))
    assert len(files) > 8
    for path in files:
        assert read_yaml(path)["data"]["splits"]["embargo_days"] >= 7, path.name


def test_an_unknown_key_is_refused_with_the_corrected_line():
    content = quickstart()
    content["training"]["max_step"] = 7
    message = refusal(content)
    assert "unknown key `training.max_step`" in message
    assert "\n  max_steps: 7" in message


OLD = {
    "max_epochs": "max_steps", "patience": "patience_steps", "warmup_steps": "warmup_share",
    "window_stride": "max_steps", "checkpoint_every_epochs": "checkpoint_every_steps",
}  # fmt: skip
"""Keys of a time when training was counted in epochs, and what takes their place."""


@pytest.mark.parametrize("key", OLD)
def test_a_key_that_counted_in_epochs_is_refused_with_the_new_one_in_one_line(key):
    content = quickstart()
    content["training"][key] = 7
    message = refusal(content)
    assert f"`{key}` is now `{OLD[key]}`" in message
    assert "\n" not in message
    for place, part in (("an experiment", Experiment), ("a model file", ModelFile)):
        declared = part.model_construct(training={key: 7})
        pair = (declared, None) if part is Experiment else (Experiment.model_construct(training={}), declared)
        with pytest.raises(ConfigError) as error:
            recipe_for(WorkflowConfig.model_validate(quickstart()), pair[0], place, pair[1])
        assert f"{place}, section training: `{key}` is now `{OLD[key]}`" in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", OLD)
def test_such_a_key_is_refused_in_a_search_as_well(key):
    number = {"type": "int", "low": 1, "high": 9}
    with pytest.raises(ConfigError, match=f"`{key}` is now `{OLD[key]}`"):
        validate(SearchSpace, {"parameters": {key: number}}, "config/hpo/x.yaml")
    with pytest.raises(ConfigError, match=f"`{key}` is now `{OLD[key]}`"):
        validate(ModelFile, {"model": "neural:mlp", "search": {key: number}}, "config/models/x.yaml")


def test_an_unknown_key_deep_inside_a_section_is_refused():
    content = quickstart()
    content["data"]["splits"]["trainend"] = "2012-12-31"
    assert "train_end" in refusal(content)


def test_an_unknown_key_without_a_neighbour_lists_the_valid_ones():
    content = quickstart()
    content["zzzz"] = 1
    assert "Valid here:" in refusal(content)


def test_split_dates_must_follow_each_other():
    content = quickstart()
    content["data"]["splits"]["validation_start"] = "2012-06-01"
    assert "validation_start (2012-06-01) must come after train_end (2014-06-30)" in refusal(content)


def test_a_wrong_experiment_name_is_answered_with_the_nearest_file():
    content = quickstart() | {"experiments": ["quickstrat"]}
    assert "Did you mean quickstart.yaml?" in refusal(content)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("tasks", ["threshold_4pct"], "threshold_5pct"),
        ("budgets", ["5M"], "2M, 20M, 200M"),
        ("datasets", ["Fa20"], "datasets.0"),
        ("datasets", ["Aa30"], "datasets.0"),
        ("timescales", ["weakly"], "Did you mean weekly?"),
        ("horizons", [0], "horizons are bars ahead"),
        ("seeds", [], "seeds"),
        ("training", {"learning_rate": -1}, None),
    ],
)
def test_an_experiment_that_cannot_be_meant_is_refused(key, value, expected):
    content = read_yaml(CONFIG / "experiments" / "quickstart.yaml") | {key: value}
    if expected is None:
        experiment = validate(Experiment, content, "experiment.yaml")
        from lib.config.load import recipe_for

        with pytest.raises(ConfigError, match="learning_rate: -1"):
            recipe_for(validate(WorkflowConfig, quickstart(), "config"), experiment)
        return
    with pytest.raises(ConfigError) as caught:
        validate(Experiment, content, "experiment.yaml")
    assert expected in str(caught.value)
    assert "experiment.yaml" in str(caught.value)


def test_a_control_must_be_one():
    content = read_yaml(CONFIG / "experiments" / "control_null.yaml") | {"labels": "true"}
    with pytest.raises(ConfigError, match="labels: shifted"):
        validate(Experiment, content, "experiment.yaml")


def test_a_mapping_takes_over_the_keys_of_another(tmp_path):
    path = tmp_path / "merged.yaml"
    path.write_text("a: &a {seeds: [1, 2], margin: 0.01}\nb: {<<: *a, margin: 0.02}\n")
    assert read_yaml(path)["b"] == {"seeds": [1, 2], "margin": 0.02}
    path.write_text("a: &a {seeds: 1}\nb: {<<: *a, margin: 1, margin: 2}\n")
    with pytest.raises(ConfigError, match="'margin' is given twice"):
        read_yaml(path)


def test_a_key_given_twice_is_refused(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("data: 1\ndata: 2\n")
    with pytest.raises(ConfigError, match="'data' is given twice"):
        read_yaml(path)


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "!!python/object:os.system {}", ""])
def test_a_file_that_is_no_plain_mapping_is_refused(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"broken\.yaml"):
        read_yaml(path)


def test_environment_variables_are_expanded_and_a_missing_one_is_named():
    content = {"data": {"folder": "${MARKET_DATA_DIR}", "vintage": "${VINTAGE:-files-1}"}}
    assert expand_environment(content, {"MARKET_DATA_DIR": "/x"}) == {
        "data": {"folder": "/x", "vintage": "files-1"}
    }
    with pytest.raises(ConfigError, match="MARKET_DATA_DIR"):
        expand_environment(content, {})


def test_context_lengths_that_are_not_named_keep_their_default():
    config = validate(WorkflowConfig, quickstart() | {"context_length": {"daily": 60}}, "config")
    assert config.context_length["daily"] == 60
    assert config.context_length["monthly"] == 24


def test_yaml_dates_and_their_text_are_the_same():
    content = quickstart()
    as_text = yaml.safe_load(yaml.safe_dump(content).replace("2014-06-30", "'2014-06-30'"))
    assert validate(WorkflowConfig, content, "c") == validate(WorkflowConfig, as_text, "c")

"""What a rule needs, by the wildcards of a path; what no study declares is refused with its message."""

import json
import re
from pathlib import Path

import pytest
from snakemake.exceptions import WorkflowError
from snakemake.iocontainers import Wildcards

from lib.config.run_key import Run
from lib.jobs.job_resources import JobResources
from lib.jobs.paths import PATHS, RUN_KEY, state_of
from lib.jobs.rule_inputs import RuleInputs, search_key
from tests.conftest import ROOT
from tests.unit.shipped import planned

SIZES = {
    "question": "Does size matter?",
    "datasets": ["Aa20"],
    "timescales": ["daily"],
    "tasks": ["direction"],
    "horizons": [1],
    "models": ["patchtst-mixed", "logistic"],
    "budgets": ["2M", "20M", "200M"],
    "seeds": [1],
}
PLAN = planned({"sizes": SIZES})
INPUTS = RuleInputs(PLAN)


def wildcards(**words) -> Wildcards:
    return Wildcards(fromdict=words)


def of_run(model: str = "patchtst-mixed", budget: str = "2M", **words) -> Wildcards:
    [run] = [run for run in PLAN.runs if (run.model, run.budget) == (model, budget)]
    return wildcards(**{name: str(word) for name, word in (run.fields() | words).items()})


def test_a_run_needs_its_dataset_the_counted_samples_and_the_batch_size_of_its_shape():
    vintage = PLAN.vintages[0]
    assert INPUTS.dataset(of_run()) == f"data/processed/{vintage}/Aa20/daily.parquet"
    assert INPUTS.samples(of_run()) == f"data/processed/{vintage}/Aa20/daily.samples.json"
    assert INPUTS.batch_size(of_run()) == "results/batch_sizes/Aa20/daily/patchtst-mixed/2M.json"
    assert INPUTS.batch_size(of_run("logistic", "none")) == []
    assert json.loads(INPUTS.specification(of_run()))["run"]["budget"] == "2M"


def test_a_run_that_no_experiment_declares_ends_the_workflow_with_the_message_of_the_plan():
    with pytest.raises(WorkflowError, match="no experiment of this study declares this run"):
        INPUTS.dataset(of_run(seed=7))
    with pytest.raises(WorkflowError, match="declares no such phase"):
        INPUTS.folders(wildcards(phase="phase9"))


def test_the_largest_size_waits_for_its_prediction_and_a_finished_one_for_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = PATHS.prediction.format(axis="parameters", name="sizes")
    assert INPUTS.predictions_before(of_run(budget="200M")) == [record]
    assert INPUTS.predictions_before(of_run(budget="20M")) == []
    assert RuleInputs(PLAN, is_main=False).predictions_before(of_run(budget="200M")) == []
    [run] = [run for run in PLAN.runs if run.budget == "200M"]
    made = Path(PATHS.run.format(**run.fields()), "predictions", "test.parquet")
    made.parent.mkdir(parents=True)
    made.touch()
    assert INPUTS.predictions_before(of_run(budget="200M")) == []
    Path(record).parent.mkdir(parents=True)
    Path(record).touch()
    assert INPUTS.predictions_before(of_run(budget="200M")) == [record]


def test_files_of_all_runs_stand_in_the_order_of_the_runs():
    [first, *_] = PLAN.runs
    folder = PATHS.run.format(**first.fields())
    found = INPUTS.of_runs("params.yaml", "history.parquet")(wildcards())
    assert found[:2] == [f"{folder}/params.yaml", f"{folder}/history.parquet"]
    assert len(found) == 2 * len(PLAN.runs) == 2 * len(INPUTS.run_datasets(wildcards()))


def test_the_key_of_a_search_is_the_same_whichever_of_its_outputs_a_path_names():
    words = {"dataset": "Aa20", "budget": "20M", "search": "1"}
    assert search_key(wildcards(**words)) == words
    assert search_key(wildcards(**words, worker="2")) == words
    assert search_key(wildcards(**words | {"budget": "200M"}, searched="20M")) == words


def test_a_job_requests_what_its_network_and_its_dataset_take():
    tables = ({"none": 1, "2M": 2}, {"none": 10, "2M": 20}, {"none": 60, "2M": 240, "200M": 300})
    resources = JobResources(PLAN, *tables)
    assert resources.threads(of_run()) == 2
    assert resources.threads(of_run("logistic", "none")) == 1
    assert resources.memory(of_run()) == 20 + 2 * 20
    assert resources.search_minutes(of_run()) == 300
    assert resources.submission(of_run("logistic", "none")) == "short"
    assert resources.submission(of_run()) is None


def test_the_state_of_a_training_lies_as_its_run_does():
    run = PATHS.run.format(**PLAN.runs[0].fields())
    assert state_of(Path(run)).as_posix() == run.replace("results/runs", "results/state/runs")


def test_the_path_of_a_run_is_written_in_one_place():
    """The rules name it by `RUN`; every field of a run's key is in it."""
    assert set(re.findall(r"\{(\w+)\}", RUN_KEY)) == set(Run.__dataclass_fields__)
    for rules in [*(ROOT / "rules").glob("*.smk"), ROOT / "Snakefile"]:
        assert "{horizon}/{model}" not in rules.read_text(encoding="utf-8"), rules.name


def test_the_rules_share_look_ups_and_no_code():
    """Code has its place in lib, where it is tested: the rules define one function, a figure's labels."""
    common = (ROOT / "rules" / "common.smk").read_text(encoding="utf-8")
    assert len(common.splitlines()) < 150
    defined = [
        name
        for path in (ROOT / "rules").glob("*.smk")
        for name in re.findall(r"^def (\w+)", path.read_text(), re.M)
    ]
    assert defined == ["run_labels"]

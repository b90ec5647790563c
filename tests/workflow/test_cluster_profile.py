"""The Slurm profile as far as it can be seen without a Slurm: what would be asked for, in which groups."""

import inspect
import re
from pathlib import Path

import yaml

from lib.jobs import job_resources
from tests.conftest import ROOT

PROFILE = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
RULES = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
RUN = "results/runs/base/Aa20/daily/direction/h5/{model}/{budget}/seed1/metrics.json"


def hypotheses_of(text: str, log: str) -> str:
    """What the job with this log file asks for, from the text of a dry run."""
    found = re.search(rf"log: {re.escape(log)}\n.*?resources: ([^\n]*)", text, re.DOTALL)
    assert found, text
    return found[1]


def test_every_group_that_spans_cells_is_named_in_a_rule():
    named = set(re.findall(r"group:\s+\"(\w+)\"", RULES))
    named |= set(re.findall(r"return \"(\w+)\" if", inspect.getsource(job_resources)))
    assert set(PROFILE["group-components"]) <= named


def test_a_training_asks_for_what_its_budget_needs(project):
    project.experiment(models=["base_rate", "patchtst-mixed"], budgets=["2M", "20M"])
    targets = [
        RUN.format(model=model, budget=budget)
        for model, budget in [("base_rate", "none"), ("patchtst-mixed", "2M"), ("patchtst-mixed", "20M")]
    ]
    done = project.snakemake("--profile", "profiles/slurm", "-n", *targets)
    assert done.returncode == 0, done.stdout
    lines = {
        Path(target).parts[-3]: hypotheses_of(
            done.stdout, target.replace("results/runs", "results/logs/train").replace("/metrics.json", ".log")
        )
        for target in targets
    }
    asked = {
        budget: {name: int(value) for name, value in re.findall(r"\b(mem_mb|runtime|gpu)=(\d+)", line)}
        for budget, line in lines.items()
    }
    assert asked["none"]["gpu"] == 0
    assert asked["2M"]["gpu"] == asked["20M"]["gpu"] == 1
    for name in ("mem_mb", "runtime"):
        assert asked["none"][name] <= asked["2M"][name] < asked["20M"][name]
    assert all("--signal=TERM@120" in line for line in lines.values())


def test_downloads_stay_where_snakemake_runs():
    """Nodes of a cluster often have no way out."""
    for rule in ("exchange_calendar", "import_prices", "import_series"):
        body = RULES.partition(f"rule {rule}:")[2].partition("script:")[0]
        assert "localrule: True" in body


def test_the_default_profile_does_not_know_of_a_cluster():
    """A plain `snakemake` must never retry: a thermal stop would go on heating at once."""
    default = yaml.safe_load((ROOT / "profiles" / "default" / "config.yaml").read_text())
    assert not {"executor", "retries", "restart-times"} & set(default)
    assert not re.search(r"^\s+retries:", RULES, re.MULTILINE)

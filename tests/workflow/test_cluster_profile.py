"""The Slurm profile as far as it can be seen without a Slurm: what would be asked for, in which groups."""

import re

import yaml

from tests.conftest import ROOT

PROFILE = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
RULES = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
RUN = "results/runs/base/Aa20/daily/direction/h5/{model}/{budget}/seed1/metrics.json"


def jobs_of(text: str) -> dict[str, str]:
    """Blocks of a dry run by the log file of their rule."""
    blocks = re.split(r"\n(?=(?:local)?rule \w+:|\n)", text)
    return {found[1]: block for block in blocks if (found := re.search(r"log: (\S+)", block))}


def test_every_group_that_spans_cells_is_named_in_a_rule():
    named = set(re.findall(r"group:\s+\"(\w+)\"", RULES)) | set(re.findall(r"return \"(\w+)\" if", RULES))
    assert set(PROFILE["group-components"]) <= named


def test_a_training_asks_for_what_its_budget_needs(project):
    project.experiment(models=["base_rate", "patchtst-mixed"], budgets=["2M", "20M"])
    targets = [
        RUN.format(model=model, budget=budget)
        for model, budget in [("base_rate", "none"), ("patchtst-mixed", "2M"), ("patchtst-mixed", "20M")]
    ]
    done = project.snakemake("--profile", "profiles/slurm", "-n", *targets)
    assert done.returncode == 0, done.stdout
    jobs = jobs_of(done.stdout)
    logs = {
        budget: jobs[f"results/logs/train/base/Aa20/daily/direction/h5/{model}/{budget}/seed1.log"]
        for model, budget in [("base_rate", "none"), ("patchtst-mixed", "2M"), ("patchtst-mixed", "20M")]
    }
    asked = {
        budget: {name: int(value) for name, value in re.findall(r"\b(mem_mb|runtime|gpu)=(\d+)", block)}
        for budget, block in logs.items()
    }
    assert asked["none"].get("gpu", 0) == 0
    assert asked["2M"]["gpu"] == asked["20M"]["gpu"] == 1
    for name in ("mem_mb", "runtime"):
        assert asked["none"][name] <= asked["2M"][name] < asked["20M"][name]
    assert all("--signal=TERM@120" in block for block in logs.values())
    assert "localrule import_prices" in done.stdout, "nodes of a cluster may have no way out"


def test_the_default_profile_does_not_know_of_a_cluster():
    """A plain `snakemake` must never retry: a thermal stop would go on heating at once."""
    default = yaml.safe_load((ROOT / "profiles" / "default" / "config.yaml").read_text())
    assert not {"executor", "retries", "restart-times"} & set(default)
    assert not re.search(r"^\s+retries:", RULES, re.MULTILINE)

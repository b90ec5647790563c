"""Small runs share an accelerator as several jobs; large ones have it alone (profiles/shared-gpu)."""

import re
import subprocess

from tests.conftest import ROOT

PROFILE = ROOT / "profiles" / "shared-gpu"
MODELS = {"none": "logistic", "2M": "patchtst-mixed", "20M": "patchtst-mixed", "200M": "patchtst-mixed"}
SHARES = {"none": 0, "2M": 1, "20M": 2, "200M": 4}
CELL = "base/Aa20/daily/direction/h5"
SLEEPERS = """
rule all:
    input:
        expand("2M/{i}", i=range(5)), expand("200M/{i}", i=range(2))
rule train:
    output:
        "{budget}/{i}"
    threads: lambda wildcards: {"2M": 2, "200M": 8}[wildcards.budget]
    resources:
        gpu=1
    shell:
        "python -c 'import time; print(time.time()); time.sleep(1); print(time.time())' > {output}"
"""
"""Jobs with the threads of ours that note when they ran."""


def test_runs_take_a_share_of_the_accelerator_by_their_size(project):
    project.experiment(models=["logistic", "lstm", "patchtst-mixed"], budgets=["2M", "20M", "200M"])
    runs = {budget: f"{CELL}/{model}/{budget}/seed1" for budget, model in MODELS.items()}
    runs["lstm"] = f"{CELL}/lstm/none/seed1"
    targets = [f"results/runs/{run}/metrics.json" for run in runs.values()]
    done = project.snakemake("--profile", "profiles/shared-gpu", "--cores", "8", "-n", *targets)
    assert done.returncode == 0, done.stdout
    asked = {name: hypotheses_of(done.stdout, f"train/{run}") for name, run in runs.items()}
    assert asked == SHARES | {"lstm": 1}
    for budget in ("2M", "20M", "200M"):  # it measures, and must be alone
        assert hypotheses_of(done.stdout, f"discover_batch_size/Aa20/daily/patchtst-mixed/{budget}") == 4


def test_four_small_runs_share_it_and_a_large_one_is_alone(tmp_path):
    (tmp_path / "Snakefile").write_text(SLEEPERS)
    command = ["snakemake", "--profile", str(PROFILE), "--cores", "64"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ran = {path: [*map(float, path.read_text().split())] for path in tmp_path.glob("2*M/*")}
    beside = {
        path: [SHARES[other.parent.name] for other, (begin, end) in ran.items() if begin <= start < end]
        for path, (start, _) in ran.items()
    }
    assert max(map(len, beside.values())) > 1, "none ran beside another"
    assert all(sum(shares) <= 4 for shares in beside.values()), beside


def hypotheses_of(text: str, log: str) -> int:
    """Shares of the accelerator that the job with this log file asks for, from the text of a dry run."""
    job = rf"log: results/logs/{re.escape(log)}\.log\n.*?resources: [^\n]*?\bgpu=(\d+)"
    found = re.search(job, text, re.DOTALL)
    assert found, text
    return int(found[1])

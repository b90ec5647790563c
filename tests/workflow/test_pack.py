"""`training.pack`: one job trains several runs of the same shape, and their own jobs only predict."""

import shutil

import polars as pl

SEEDS = [1, 2]
RUN = "results/runs/base/Aa20/daily/{task}/h5/patchtst-mixed/2M/seed{seed}"


def predictions(project, task, seed) -> pl.DataFrame:
    return pl.read_parquet(project.folder / RUN.format(task=task, seed=seed) / "predictions" / "test.parquet")


def test_packed_runs_end_as_single_ones_do(project):
    tasks = ["direction", "threshold_1pct"]
    project.experiment(models=["patchtst-mixed"], budgets=["2M"], seeds=SEEDS, tasks=tasks)
    targets = [RUN.format(task=task, seed=seed) + "/metrics.json" for task in tasks for seed in SEEDS]
    project.study(training={"pack": 3})
    done = project.snakemake(*targets)
    assert done.returncode == 0, done.stdout
    # Four runs of one shape, at most three at a time: one pack, and two jobs that find theirs finished.
    assert done.stdout.count("Trained together with") == 1
    assert done.stdout.count("Resuming after epoch 2") == 2
    assert not list((project.folder / "results/state/runs").rglob("*.pt"))

    project.study(training={"pack": 1})
    again = project.snakemake("-n", *targets)
    assert "Nothing to be done" in again.stdout, "how many are trained at once must not decide results"

    packed = {(task, seed): predictions(project, task, seed) for task in tasks for seed in SEEDS}
    shutil.rmtree(project.folder / "results" / "runs")
    done = project.snakemake(*targets)
    assert done.returncode == 0, done.stdout
    for (task, seed), frame in packed.items():
        alone = predictions(project, task, seed)["probability_1"]
        assert (frame["probability_1"] - alone).abs().max() < 0.02
    assert not packed["direction", 1].equals(packed["direction", 2]), "each seed stays a model of its own"

"""A job that trains several runs together is killed: its members go on together, and nobody joins them."""

from __future__ import annotations

import shutil
import time

import pytest
from random_kills import PATIENCE_SECONDS, next_job, workflow

STATE = "results/state/runs/base/Aa20/daily/direction/h5/patchtst-mixed/2M/seed{seed}"


@pytest.mark.slow
def test_a_killed_pack_goes_on_with_the_members_it_had(project):
    targets = [STATE.format(seed=seed).replace("state/", "") + "/predictions/test.parquet" for seed in (1, 2)]
    project.experiment(models=["patchtst-mixed"], budgets=["2M"], seeds=[1, 2, 3], tasks=["direction"])
    training = {"pack": 2, "checkpoint_every_epochs": 1, "max_epochs": 4}
    project.study(training=training)

    def work_through():
        for target in targets:
            done = project.snakemake("--rerun-incomplete", target)
            assert done.returncode == 0, done.stdout
        return [(project.folder / target).read_bytes() for target in targets]

    undisturbed = work_through()
    shutil.rmtree(project.folder / "results" / "runs")
    states = [project.folder / STATE.format(seed=seed) for seed in (1, 2, 3)]
    with workflow(project, targets[0]) as process:
        found = next_job(process)
        assert found is not None
        while not list(states[0].glob("checkpoint-e00001-*.pt")):
            assert found[0].is_running(), "it ended before its death"
            time.sleep(0.01)
        found[0].kill()
        assert process.wait(timeout=PATIENCE_SECONDS) != 0
    assert [(state / "pack.json").exists() for state in states] == [True, True, False]
    # There is room for the third run now, which has not begun: it may not join.
    project.study(training=training | {"pack": 3})
    assert work_through() == undisturbed
    assert not states[2].exists()

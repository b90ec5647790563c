"""A search and a training, killed again and again at random moments, end in the same bytes as undisturbed."""

from __future__ import annotations

import random
import shutil

import pytest
from random_kills import Case, Killer, undisturbed

SEED = 20261121
ACCUMULATED = Case("patchtst-mixed", "fp32", micro_batch=16)
OTHERS = {
    "mixed, bf16": Case("patchtst-mixed", "bf16", micro_batch=64),
    "independent, fp32, accumulated": Case(
        "patchtst", "fp32", micro_batch=8, effective_batch=16, max_steps=12, validate_every_steps=3
    ),
    "cross, bf16, accumulated": Case(
        "patchtst-cross", "bf16", micro_batch=8, effective_batch=16, max_steps=12, validate_every_steps=3
    ),
}


def kills_change_no_number(tmp_path, market, record_property, case: Case, times: int, seed: int) -> Killer:
    calm = case.project(tmp_path / "calm", market)
    expected, longest = undisturbed(calm, case)
    project = case.project(tmp_path / "killed", market)
    # The data are made once; what is killed here are searches and trainings.
    shutil.copytree(calm.folder / "data", project.folder / "data")
    killer = Killer(project, case, random.Random(seed), longest)
    killer.kill(times, expected)
    print(
        f"seed {seed}; undisturbed {longest}; {dict(killer.hits)}; {killer.rounds} rounds; {killer.moments}"
    )
    record_property("times", killer.hits.total())
    hits = ", ".join(f"{stage} ({victim}) {n}" for (stage, victim), n in sorted(killer.hits.items()))
    record_property(
        "happened", f"continued to equal bytes (seed {seed}, {case.model} {case.precision}: {hits})"
    )
    return killer


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.faults("SIGKILL at random moments of searches and trainings (job, or everything)", happens="continued to equal bytes", user="the same command; `snakemake --unlock` first if everything was killed")  # fmt: skip  # noqa: E501
def test_three_random_kills_change_no_number(tmp_path, market, record_property):
    case = Case("patchtst-mixed", "fp32", micro_batch=16, max_steps=6, validate_every_steps=2)
    killer = kills_change_no_number(tmp_path, market, record_property, case, 3, SEED)
    assert killer.hits.total() == 3


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.faults("SIGKILL at random moments of searches and trainings (job, or everything)", happens="continued to equal bytes", user="the same command; `snakemake --unlock` first if everything was killed")  # fmt: skip  # noqa: E501
def test_twenty_random_kills_across_search_and_training_change_no_number(tmp_path, market, record_property):
    killer = kills_change_no_number(tmp_path, market, record_property, ACCUMULATED, 20, SEED)
    for stage in ("search", "train"):
        assert sum(times for (where, _), times in killer.hits.items() if where == stage) >= 4, killer.hits


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.faults("SIGKILL at random moments of searches and trainings (job, or everything)", happens="continued to equal bytes", user="the same command; `snakemake --unlock` first if everything was killed")  # fmt: skip  # noqa: E501
def test_random_kills_of_every_way_to_train_change_no_number(tmp_path, market, record_property, name):
    kills_change_no_number(tmp_path, market, record_property, OTHERS[name], 5, SEED)

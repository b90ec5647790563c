"""A training goes on, and predicts, with the threads it was begun with, wherever it goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from lib.config.resolve import ResolvedRun
from lib.errors import IntegrityError, TrainingStopped
from lib.models.job import MACHINE_CHOICE, keep_machine_choice
from lib.training import threads
from lib.training.engine import train
from tests.unit.training_samples import CHANNELS, LENGTH, StopAt, context, make_samples, recipe, weights_hash

FOLDER = Path(__file__).parent
TRAIN, SELECTION = make_samples(400), make_samples(70, 1)


class Wide(nn.Module):
    """Wide enough that PyTorch splits its sums by the number of threads."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(LENGTH * CHANNELS, 512), nn.LayerNorm(512), nn.GELU(), nn.Dropout(0.3)
        )
        self.head = nn.Linear(512, 1)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.head(self.body(windows)).squeeze(-1)
        return output


def fit(folder: Path, job_threads: int | None, **changes):
    """The hash of the trained weights, and the result."""
    network = Wide()
    where = context(folder, micro_batch=128, job_threads=job_threads, runtime={"threads": "auto"}, **changes)
    result = train(network, TRAIN, SELECTION, "bce", recipe(effective_batch=128), where)
    return weights_hash(network), result


@pytest.fixture(autouse=True)
def _same_threads_afterwards():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def with_two(tmp_path_factory) -> str:
    return fit(tmp_path_factory.mktemp("whole"), 2)[0]


def test_another_number_of_threads_gives_other_bytes(tmp_path, with_two):
    """Else the tests below would show nothing."""
    assert fit(tmp_path, 1)[0] != with_two


CONTINUE = """
import sys
from pathlib import Path
from test_training_threads import fit
digest, result = fit(Path(sys.argv[1]), None)
print(digest, result.threads, result.resumed)
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot withhold cores")
def test_begun_with_two_threads_and_continued_on_one_core_it_ends_in_the_same_bytes(tmp_path, with_two):
    with pytest.raises(TrainingStopped):
        fit(tmp_path, 2, thermal=StopAt(5))
    core = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-c", CONTINUE, str(tmp_path)],
        cwd=FOLDER.parents[2], env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{FOLDER}:."},
        preexec_fn=lambda: os.sched_setaffinity(0, {core}), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [with_two, "2", "True"]
    assert done.stderr.count("begun with 2 threads, and only 1 of the cores here may be used") == 1


def test_a_finished_training_tells_its_threads_to_the_forecast(tmp_path):
    first = fit(tmp_path, 2)[1]
    again = fit(tmp_path, 1)[1]
    assert (first.threads, again.threads) == (2, 2)
    assert torch.get_num_threads() == 2


def test_no_word_is_said_where_there_are_cores_enough(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(threads, "available_cores", lambda: 64)
    with pytest.raises(TrainingStopped):
        fit(tmp_path, 2, thermal=StopAt(5))
    fit(tmp_path, 1)
    assert "threads" not in capsys.readouterr().err


def test_threads_spin_briefly_unless_the_user_says_otherwise():
    environment = {"GOMP_SPINCOUNT": "7"}
    threads.spin_briefly(environment)
    assert environment == {"GOMP_SPINCOUNT": "7", "KMP_BLOCKTIME": "1"}
    assert os.environ["GOMP_SPINCOUNT"]  # conftest does the same for the tests


def test_a_run_keeps_the_threads_it_was_started_with(tmp_path):
    run = ResolvedRun.model_construct(micro_batch=8, precision="fp32", compiled=False)
    later = ResolvedRun.model_construct(micro_batch=4, precision="bf16", compiled=True)
    assert keep_machine_choice(run, tmp_path, 2) == (run, 2)
    kept, kept_threads = keep_machine_choice(later, tmp_path, 16)
    assert (kept.micro_batch, kept.precision, kept.compiled, kept_threads) == (8, "fp32", False, 2)


def test_a_record_of_the_start_without_threads_is_refused_by_name(tmp_path):
    (tmp_path / MACHINE_CHOICE).write_text('{"micro_batch": 8, "precision": "fp32", "compiled": false}')
    with pytest.raises(IntegrityError, match=rf"{MACHINE_CHOICE}: threads is not said"):
        keep_machine_choice(ResolvedRun.model_construct(), tmp_path, 2)

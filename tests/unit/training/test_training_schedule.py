"""When a training ends, what rate it ends with, and which weights it keeps: schedules and the average."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.errors import TrainingStopped
from lib.training import engine
from lib.training.average import Average
from lib.training.forward import predict_logits
from tests.unit.training_samples import (
    SELECTION,
    TRAIN,
    StopAt,
    TinyNetwork,
    context,
    recipe,
    rows,
    weights_hash,
)

MISLEADING = replace(SELECTION, target=1 - SELECTION.target)
"""The better a network learns, the worse it does here: patience ends soon."""


def fit(folder: Path, selection=SELECTION, network=None, *, stop: int | None = None, **changes):
    network = network or TinyNetwork()
    chosen = recipe(**({"schedule": "stable", "decay_steps": 6} | changes))
    guard = {} if stop is None else {"thermal": StopAt(stop)}
    return network, engine.train(network, TRAIN, selection, "bce", chosen, context(folder, **guard))


@pytest.fixture
def rates(monkeypatch):
    """The learning rate of every step."""
    used: list[float] = []
    use = engine.set_learning_rate

    def noted(optimizer, rate):
        used.append(rate)
        use(optimizer, rate)

    monkeypatch.setattr(engine, "set_learning_rate", noted)
    return used


def test_annealing_begins_when_patience_ends_and_training_ends_annealed(tmp_path, rates):
    _, result = fit(tmp_path, MISLEADING, max_steps=300, patience_steps=9, warmup_share=0.01)
    began = result.steps - 6
    assert result.stopped_early
    assert began == min(row["step"] for row in result.history if row["step"] - best_until(result, row) >= 9)
    assert len(rates) == result.steps < 300
    assert set(rates[3:began]) == {1e-2}
    assert np.diff(rates[began - 1 :]) == pytest.approx([-(1e-2 - 1e-6) / 6] * 6)
    assert rates[-1] == pytest.approx(1e-6)


def best_until(result, row) -> int:
    """Step of the lowest selection loss up to a validation."""
    known = [other for other in result.history if other["step"] <= row["step"]]
    return min(known, key=lambda other: other["selection_loss"])["step"]


@pytest.mark.parametrize("every", [3, 4, 5, 100])
def test_annealing_begins_in_time_to_end_with_the_last_step(tmp_path, rates, every):
    """Also where its first step lies between two validations: it neither waits for one nor begins again."""
    _, result = fit(tmp_path, max_steps=20, patience_steps=1000, validate_every_steps=every)
    assert (result.steps, result.stopped_early) == (20, False)
    assert result.history[-1]["step"] == 20
    assert set(rates[1:14]) == {1e-2}
    assert np.diff(rates[13:]) == pytest.approx([-(1e-2 - 1e-6) / 6] * 6)


def test_a_cosine_that_patience_cuts_off_ends_there(tmp_path, rates):
    _, result = fit(tmp_path, MISLEADING, schedule="cosine", max_steps=300, patience_steps=9)
    assert result.stopped_early
    assert result.steps == result.best_step + 9 == len(rates)


# Patience begins the annealing after a validation, so some of these stops lie before, within and after it.
@pytest.mark.parametrize("averaging", [0.0, 0.9])
@pytest.mark.parametrize("step", [2, 10, 13, 15, 16, 18, 20])
def test_a_stop_while_annealing_and_averaging_resumes_to_the_same_bytes(tmp_path, averaging, step):
    changes = {"max_steps": 60, "patience_steps": 9, "averaging": averaging, "warmup_share": 0.01}
    whole, result = fit(tmp_path / "whole", MISLEADING, **changes)
    assert result.stopped_early
    if step < result.steps:
        with pytest.raises(TrainingStopped):
            fit(tmp_path, MISLEADING, stop=step, **changes)
    again, other = fit(tmp_path, MISLEADING, **changes)
    assert other.resumed == (step < result.steps)
    assert (weights_hash(again), rows(other)) == (weights_hash(whole), rows(result))


def test_every_share_of_the_history_takes_the_same_steps_warm_up_and_validations(tmp_path, rates):
    """Fewer windows are shown more often; nothing else differs."""
    told = []
    for number, n in enumerate((80, 40, 20, 5)):
        begin = len(rates)
        samples = TRAIN.every(80 // n)
        assert len(samples) == n
        result = engine.train(
            TinyNetwork(),
            samples,
            SELECTION,
            "bce",
            recipe(max_steps=24, patience_steps=1000, schedule="stable", decay_steps=6),
            context(tmp_path / str(number)),
        )
        told.append((result.steps, [row["step"] for row in result.history], rates[begin:]))
    assert told[0] == told[1] == told[2] == told[3]
    assert told[0][0] == 24


def test_the_average_follows_the_weights_and_gives_them_back():
    network = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(0.0)
    average, expected = Average(network, 0.3), 0.0
    for number in range(1, 6):
        with torch.no_grad():
            network.weight.fill_(float(number))
        average.update()
        decay = min(0.3, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * number
    with average.in_place():
        assert network.weight.item() == pytest.approx(expected)
    assert network.weight.item() == 5.0
    with average.in_place():
        assert network.weight.item() == pytest.approx(expected)


def test_what_is_validated_and_kept_is_the_average(tmp_path):
    network, result = fit(tmp_path, averaging=0.99)
    plain, other = fit(tmp_path / "plain")
    assert [row["train_loss"] for row in result.history] == [row["train_loss"] for row in other.history]
    assert weights_hash(network) != weights_hash(plain)
    logits = torch.from_numpy(predict_logits(network, SELECTION, context(tmp_path)))
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(SELECTION.target))
    [row] = [row for row in result.history if row["step"] == result.best_step]
    assert float(plain) == pytest.approx(row["validation_loss"], rel=1e-5)

"""The training loop: what it computes, when it stops, what it tells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit

from lib.errors import DataError, ModelError, TrainingDiverged
from lib.metrics.losses import intercept_refitted_loss
from lib.metrics.ternary import log_loss_per_sample
from lib.models.classes import softmax
from lib.training.checkpoint import CheckpointStore
from lib.training.engine import train
from lib.training.forward import predict_logits
from tests.unit.training_samples import (
    SELECTION,
    TRAIN,
    TinyNetwork,
    context,
    make_samples,
    recipe,
    weights_hash,
)


def fit(folder, network=None, samples=TRAIN, selection=SELECTION, loss="bce", **changes):
    network = network or TinyNetwork()
    chosen = recipe(**changes.pop("recipe", {}))
    return network, train(network, samples, selection, loss, chosen, context(folder, **changes))


def test_accumulated_micro_batches_equal_one_big_batch_with_its_dropout(tmp_path):
    networks = [fit(tmp_path / str(micro), micro_batch=micro)[0] for micro in (16, 4, 3)]
    big = networks[0].state_dict()
    for other in networks[1:]:
        for name, value in other.state_dict().items():
            torch.testing.assert_close(value, big[name], rtol=1e-4, atol=1e-5)


def test_accumulation_in_bf16_equals_separate_forward_passes(tmp_path):
    """Weights are cast once for all micro-batches; that must not change the gradients."""
    network = TinyNetwork(dropout=0.0)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    one_step = {"max_steps": 1, "effective_batch": 80, "learning_rate": 1e-3}
    network, _ = fit(tmp_path, network, micro_batch=16, precision="bf16", recipe=one_step)

    reference = TinyNetwork(dropout=0.0)
    optimizer = torch.optim.AdamW(reference.parameters(), lr=1e-3, weight_decay=1e-5)
    windows, target = torch.from_numpy(TRAIN.windows()), torch.from_numpy(TRAIN.target)
    for part, wanted in zip(windows.split(16), target.split(16), strict=True):
        with torch.autocast("cpu", torch.bfloat16):
            logits = reference(part)
        (torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), wanted) / 5).backward()
    torch.nn.utils.clip_grad_norm_(reference.parameters(), 1.0)
    optimizer.step()
    moved = torch.cat([(reference.state_dict()[n] - start[n]).flatten() for n in start])
    ours = torch.cat([(network.state_dict()[n] - start[n]).flatten() for n in start])
    # AdamW's first step is lr · sign(gradient): the signs agree except where bf16 noise decides.
    assert (torch.sign(moved) == torch.sign(ours)).float().mean() > 0.97


def test_it_learns_and_the_best_weights_are_left_in_the_network(tmp_path):
    network, result = fit(tmp_path, recipe={"max_steps": 120, "patience_steps": 120})
    losses = [row["selection_loss"] for row in result.history]
    assert result.best_loss == min(losses) < 0.6
    assert result.best_step == result.history[int(np.argmin(losses))]["step"] < result.steps == 120
    logits = predict_logits(network, SELECTION, context(tmp_path))
    again = intercept_refitted_loss(SELECTION.target, expit(logits.astype(np.float64)), binary=True)
    assert again == pytest.approx(result.best_loss, rel=1e-5)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.from_numpy(logits), torch.from_numpy(SELECTION.target)
    )
    [row] = [row for row in result.history if row["step"] == result.best_step]
    assert float(plain) == pytest.approx(row["validation_loss"], rel=1e-5)


def test_of_three_classes_the_loss_is_the_log_loss_of_their_softmax(tmp_path):
    """With micro-batches, in nats, and of the weights that are left."""
    network = TinyNetwork(dropout=0.0)
    network.head = torch.nn.Linear(16, 3)
    numbered = [
        replace(samples, target=np.digitize(samples.matrix[samples.ends, 0], [-0.5, 0.5]).astype(np.float32))
        for samples in (TRAIN, SELECTION)
    ]
    changes = {"max_steps": 120, "patience_steps": 120}
    _, result = fit(tmp_path, network, *numbered, loss="ce", recipe=changes)
    logits = predict_logits(network, SELECTION, context(tmp_path), 3)
    assert logits.shape == (len(SELECTION), 3)
    target = numbered[1].target.astype(int) - 1
    expected = log_loss_per_sample(target, softmax(logits.astype(np.float64))).mean()
    [row] = [row for row in result.history if row["step"] == result.best_step]
    assert row["validation_loss"] == pytest.approx(expected, rel=1e-5)
    assert result.best_loss < 1.0 < np.log(3)
    with pytest.raises(ModelError, match=r"returns shape \(64, 3\), expected \(64,\)"):
        predict_logits(network, SELECTION, context(tmp_path))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 18.13 GB)"),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        ),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
    ids=["CUDA", "MPS", "CPU", "cuBLAS", "Python"],
)
def test_too_little_memory_is_told_with_what_to_do(tmp_path, error):
    network = TinyNetwork()

    def fault(_):
        raise error

    network.fault = fault
    with pytest.raises(ModelError, match=r"out of memory with 16 windows.*Discover the batch size"):
        fit(tmp_path, network, micro_batch=16)


def test_another_error_of_the_device_is_not_taken_for_too_little_memory(tmp_path):
    network = TinyNetwork()

    def fault(_):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    network.fault = fault
    with pytest.raises(RuntimeError, match="illegal memory access"):
        fit(tmp_path, network)


def test_it_stops_after_patience_steps_without_a_better_loss(tmp_path):
    noise = np.random.default_rng(0).permutation(SELECTION.target)
    misleading = type(SELECTION)(**(vars(SELECTION) | {"target": 1 - noise}))
    _, result = fit(tmp_path, selection=misleading, recipe={"max_steps": 180, "patience_steps": 9})
    assert result.stopped_early
    assert result.steps == result.best_step + 9 < 180


def test_regression_learns_squared_error(tmp_path):
    samples, selection = make_samples(task="regression"), make_samples(40, 1, "regression")
    _, result = fit(tmp_path, TinyNetwork(0.0), samples, selection, "mse", recipe={"max_steps": 90})
    assert result.best_loss < 0.6 * float(selection.target.var())


def test_history_has_one_row_per_validation_with_the_schemas_columns(tmp_path):
    _, result = fit(tmp_path)
    assert [list(row) for row in result.history] == 4 * [
        [
            "step",
            "train_loss",
            "validation_loss",
            "selection_loss",
            "learning_rate",
            "seconds",
            "samples_per_second",
            "temperature",
        ]
    ]
    assert [row["step"] for row in result.history] == [3, 6, 9, 12]
    assert result.history[-1]["learning_rate"] == pytest.approx(1e-6)
    assert (result.device, result.precision, result.steps, result.resumed) == ("cpu", "fp32", 12, False)


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(tmp_path):
    hashes = [weights_hash(fit(tmp_path / f"{i}", seed=seed)[0]) for i, seed in enumerate((7, 7, 8))]
    assert hashes[0] == hashes[1] != hashes[2]


def test_validation_looks_at_every_nth_selection_window(tmp_path):
    seen = []
    network = TinyNetwork()
    network.register_forward_hook(
        lambda module, inputs, output: seen.append(len(output)) if not module.training else None
    )
    fit(tmp_path, network, recipe={"max_steps": 3, "validation_stride": 4})
    assert sum(seen) == 10


def test_predictions_are_those_of_the_network_on_numpys_windows(tmp_path):
    network = TinyNetwork().eval()
    with torch.no_grad():
        expected = network(torch.from_numpy(TRAIN.windows())).numpy()
    np.testing.assert_allclose(predict_logits(network, TRAIN, context(tmp_path)), expected, atol=1e-6)


def test_a_nan_in_the_data_is_named_as_the_cause_at_once(tmp_path):
    matrix = TRAIN.matrix.copy()
    matrix[:, 1] = np.nan
    bad = type(TRAIN)(**(vars(TRAIN) | {"matrix": matrix}))
    with pytest.raises(TrainingDiverged, match=r"step 1: the training loss became nan\. Cause: the data.*c1"):
        fit(tmp_path, samples=bad)


def test_a_nan_from_the_network_blames_the_learning_rate_and_keeps_the_last_good_checkpoint(tmp_path):
    network = TinyNetwork()

    def break_after_two_validations(broken):
        if broken.training and len(CheckpointStore(tmp_path / "state", 3).checkpoints()) == 2:
            with torch.no_grad():
                broken.head.bias.fill_(float("nan"))

    network.fault = break_after_two_validations
    with pytest.raises(TrainingDiverged, match=r"step [789]: .*learning rate.*checkpoint-s00000006"):
        fit(tmp_path, network)
    names = [path.name for path in CheckpointStore(tmp_path / "state", 3).checkpoints()]
    assert names[-1].startswith("checkpoint-s00000006")


def test_an_exploding_loss_ends_training(tmp_path):
    network = TinyNetwork()

    def explode(broken):
        if broken.training and list((tmp_path / "state").glob("checkpoint-s00000003*")):
            with torch.no_grad():
                broken.head.bias.fill_(1e4)

    network.fault = explode
    with pytest.raises(TrainingDiverged, match="more than 20 times the mean until the first validation"):
        fit(tmp_path, network)


def test_a_network_with_a_column_instead_of_a_vector_is_refused(tmp_path):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(18, 1))
    with pytest.raises(ModelError, match=r"shape \(4, 1\), expected \(4,\)"):
        fit(tmp_path, network)


def test_a_part_without_windows_is_refused(tmp_path):
    with pytest.raises(DataError, match="selection part has no windows"):
        fit(tmp_path, selection=SELECTION.every(1, len(SELECTION)))


def test_a_report_that_raises_ends_training(tmp_path):
    class Pruned(Exception):
        pass

    def prune(step, loss):
        if step == 6:
            raise Pruned

    with pytest.raises(Pruned):
        fit(tmp_path, report=prune)


def test_a_full_disk_does_not_end_training(tmp_path, capsys):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        network, result = fit(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert result.steps == 12
    assert "could not be written" in capsys.readouterr().err
    assert weights_hash(network) == weights_hash(fit(tmp_path / "roomy")[0])
    assert not list((tmp_path / "state").glob("*.pt"))
    assert not list((tmp_path / "state").glob(".*.tmp"))

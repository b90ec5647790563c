"""Windows on the device and the order of an epoch."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from training_samples import make_samples

from lib.training.batches import Windows, epoch_order, epoch_size

CPU = torch.device("cpu")


def test_gathered_batches_equal_numpys_windows():
    samples = make_samples()
    numbers = np.array([0, 79, 3, 3, 41])
    inputs, target = Windows(samples, CPU).gather(torch.from_numpy(numbers))
    np.testing.assert_array_equal(inputs.numpy(), samples.windows()[numbers])
    np.testing.assert_array_equal(target.numpy(), samples.target[numbers])


def test_in_order_gives_every_window_once():
    samples = make_samples()
    batches = [inputs.clone() for inputs, _ in Windows(samples, CPU).in_order(32)]
    assert [len(batch) for batch in batches] == [32, 32, 16]
    np.testing.assert_array_equal(torch.cat(batches).numpy(), samples.windows())


def test_a_buffer_first_used_without_a_graph_still_serves_training():
    windows = Windows(make_samples(), CPU)
    layer = torch.nn.Linear(3, 1)
    with torch.inference_mode():
        windows.gather(torch.arange(8))
    layer(windows.gather(torch.arange(8))[0]).sum().backward()
    assert layer.weight.grad is not None


def test_the_matrix_is_shared_and_no_window_is_copied():
    samples = make_samples(20_000)
    tracemalloc.start()
    windows = Windows(samples, CPU)
    windows.gather(torch.arange(8))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert windows.matrix.data_ptr() == samples.matrix.ctypes.data
    assert windows._buffer.numel() == 8 * samples.context_length * 3
    assert peak < 20 * len(samples)  # a few numbers per window, not a window of them


def test_read_only_memory_is_no_obstacle(recwarn):
    samples = make_samples()
    samples.matrix.flags.writeable = False
    Windows(samples, CPU).gather(torch.arange(2))
    assert not recwarn.list


@pytest.mark.parametrize("end", [4, 85])
def test_a_window_outside_its_matrix_is_refused(end):
    samples = dataclasses.replace(make_samples(), ends=np.full(80, end))
    with pytest.raises(ValueError, match="outside its matrix"):
        Windows(samples, CPU)


@settings(max_examples=200, deadline=None)
@given(
    n=st.integers(1, 500), stride=st.integers(1, 40), seed=st.integers(0, 2**31), epoch=st.integers(0, 300)
)
def test_an_epochs_order_is_a_pure_function_of_seed_and_epoch(n, stride, seed, epoch):
    order = epoch_order(n, stride, seed, epoch)
    np.random.seed(epoch)
    torch.manual_seed(epoch)
    np.testing.assert_array_equal(order, epoch_order(n, stride, seed, epoch))
    assert len(order) == epoch_size(n, stride) == len(set(order.tolist()))
    assert order.min() >= 0
    assert order.max() < n
    assert len(set(np.diff(np.sort(order)))) <= 1  # evenly spaced


def test_orders_differ_between_epochs_and_seeds():
    orders = [tuple(epoch_order(100, 1, seed, epoch)) for seed in (0, 1) for epoch in (0, 1, 2)]
    assert len(set(orders)) == 6


def test_over_the_epochs_every_window_gets_its_turn():
    seen = {int(number) for epoch in range(200) for number in epoch_order(47, 6, 0, epoch)}
    assert seen == set(range(47))

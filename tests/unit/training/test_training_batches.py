"""Windows on the device and the order in which steps show them."""

from __future__ import annotations

import dataclasses
import tracemalloc
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.training.batches import Order, Windows
from tests.unit.training_samples import make_samples

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
@given(n=st.integers(1, 500), batch=st.integers(1, 300), seed=st.integers(0, 2**31), step=st.integers(0, 300))
def test_the_windows_of_a_step_are_a_pure_function_of_seed_and_step(n, batch, seed, step):
    found = Order(n, batch, seed).step(step)
    other = Order(n, batch, seed)  # that has been elsewhere before, as a resumed run has not
    np.random.seed(step)
    torch.manual_seed(step)
    for earlier in (step + 5, max(0, step - 1)):
        other.step(earlier)
    np.testing.assert_array_equal(found, other.step(step))
    assert found.shape == (batch,), "every batch is full, also with fewer windows than it holds"
    assert found.dtype == np.int64
    assert found.min() >= 0
    assert found.max() < n


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 60), batch=st.integers(1, 100), steps=st.integers(1, 40))
def test_all_windows_are_shown_equally_often(n, batch, steps):
    order = Order(n, batch, 3)
    shown = Counter(int(number) for step in range(steps) for number in order.step(step))
    times = [shown[number] for number in range(n)]
    assert sum(times) == steps * batch
    assert max(times) - min(times) <= 1


def test_orders_differ_between_passes_and_seeds():
    orders = {tuple(Order(100, 100, seed).step(number)) for seed in (0, 1) for number in (0, 1, 2)}
    assert len(orders) == 6

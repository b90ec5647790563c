"""Layers that spare a CPU: the same numbers as PyTorch's, and dropout that drops what it says."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from lib.errors import ModelError
from lib.training import layers
from lib.training.draws import Draws, drawing
from lib.training.layers import ByteDropout, Linear, PathDropout, use_fast_layers


@pytest.fixture(params=[True, False], ids=["oneDNN", "PyTorch's choice"])
def onednn(request, monkeypatch):
    """Both ways on every processor: oneDNN is there whether or not it is the faster one."""
    if request.param and not torch.backends.mkldnn.is_available():
        pytest.skip("this PyTorch was built without oneDNN")
    monkeypatch.setattr(layers, "_prefers_onednn", lambda: request.param)


@pytest.mark.parametrize("shape", [(7, 24), (3, 5, 24)])
@pytest.mark.parametrize("width", [8, 40])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_is_pytorchs_linear_forward_and_backward(onednn, shape, width, bias):
    torch.manual_seed(0)
    theirs = nn.Linear(24, width, bias=bias)
    ours = copy.deepcopy(theirs)
    ours.__class__ = Linear
    inputs = [torch.randn(shape, requires_grad=True) for _ in range(2)]
    inputs[1].data.copy_(inputs[0])
    weights = torch.randn(*shape[:-1], width)
    (theirs(inputs[0]) * weights).sum().backward()
    (ours(inputs[1]) * weights).sum().backward()
    torch.testing.assert_close(ours(inputs[1]), theirs(inputs[0]))
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad, rtol=1e-5, atol=1e-5)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-5, atol=1e-5)


def test_rows_with_gaps_between_them_are_multiplied_too(onednn):
    layer = Linear(16, 8)
    wide = torch.randn(6, 4, 16)
    torch.testing.assert_close(
        layer(wide[:, -1]), functional.linear(wide[:, -1], layer.weight, layer.bias), rtol=1e-5, atol=1e-5
    )


def test_bf16_and_autocast_are_left_to_pytorch(onednn):
    layer = Linear(16, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(4, 16)).dtype == torch.bfloat16


def test_replacing_layers_keeps_parameters_and_their_names():
    network = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.3), nn.Sequential(nn.Linear(4, 1)))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    use_fast_layers(network)
    assert [type(m).__name__ for m in network] == ["Linear", "ByteDropout", "Sequential"]
    assert type(network[0]) is Linear is type(network[2][0])
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_byte_dropout_drops_as_often_as_it_says_and_keeps_the_mean(probability, dtype):
    torch.manual_seed(0)
    out = ByteDropout(probability).train()(torch.ones(400_000, dtype=dtype)).float()
    assert (out == 0).float().mean().item() == pytest.approx(probability, abs=0.005)
    assert out.mean().item() == pytest.approx(1.0, abs=0.02)
    assert len(out.unique()) == 2
    bits = (ByteDropout(0.5).train()(torch.ones(80_000)) == 0).float().view(-1, 8)
    assert torch.corrcoef(bits.T).fill_diagonal_(0).abs().max() < 0.05  # neighbours share a draw, not a fate


def test_outside_of_training_byte_dropout_follows_pytorchs_generator_alone():
    drop, ones = ByteDropout(0.5).train(), torch.ones(1000)
    torch.manual_seed(3)
    first, second = drop(ones), drop(ones)
    assert not torch.equal(first, second)
    torch.manual_seed(3)
    assert torch.equal(drop(ones), first)
    assert torch.equal(drop(ones), second)
    assert drop.eval()(ones) is ones


def test_dropout_lets_gradients_through_where_it_lets_values_through():
    torch.manual_seed(0)
    inputs = torch.randn(64, requires_grad=True)
    out = ByteDropout(0.25).train()(inputs)
    out.sum().backward()
    assert torch.equal(inputs.grad == 0, out == 0)
    assert inputs.grad[out != 0].unique().item() == pytest.approx(256 / 192)


def test_random_bytes_are_splitmix64s():
    """Its first outputs from 0 (https://prng.di.unimi.it/splitmix64.c) are the words of counters 1, 2, 3."""
    made = Draws(torch.device("cpu"))
    made.begin(0, 0, 0, 1)
    made._place.zero_()
    words = made.bytes(torch.Size((1, 32))).view(torch.int64)[0]
    known = (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)
    assert [int(word) % (1 << 64) for word in words[1:]] == list(known)


@pytest.mark.parametrize("kind", [ByteDropout, PathDropout])
@pytest.mark.parametrize("shape", [(8, 5), (16, 3, 7)])
def test_dropout_belongs_to_window_step_and_use_whatever_the_micro_batch(kind, shape):
    layer, ones = kind(0.5).train(), torch.ones(*shape)
    rows = shape[0] // 8

    def drawn(step: int, *parts: int) -> list[torch.Tensor]:
        first, made, found = 0, Draws(torch.device("cpu")), []
        for windows in parts:
            made.begin(7, step, first, windows)
            with drawing(made):
                part = ones[first * rows : (first + windows) * rows]
                found.append(torch.cat([layer(part), layer(part)], dim=-1))
            first += windows
        return torch.cat(found)

    whole = drawn(0, 8)
    assert torch.equal(drawn(0, 3, 4, 1), whole)
    assert not torch.equal(drawn(1, 8), whole)
    once, again = whole.chunk(2, dim=-1)
    assert not torch.equal(once, again)


def test_dropout_on_something_else_than_windows_is_refused():
    made = Draws(torch.device("cpu"))
    made.begin(7, 0, 0, 4)
    with drawing(made), pytest.raises(ModelError, match="must count windows"):
        ByteDropout(0.5).train()(torch.ones(6, 4))


def test_a_compiled_network_draws_the_same_and_is_compiled_once():
    network = nn.Sequential(nn.Linear(8, 8), ByteDropout(0.5), nn.Linear(8, 8), ByteDropout(0.5)).train()
    graphs = []

    def count(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compiled, made = torch.compile(network, backend=count), Draws(torch.device("cpu"))
    inputs = torch.randn(4, 8)
    with drawing(made):
        for step in range(3):
            found = []
            for each in (network, compiled):
                made.begin(7, step, 4 * step, 4)
                found.append(each(inputs))
            assert torch.equal(*found)
    assert len(graphs) == 1

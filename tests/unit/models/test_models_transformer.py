"""PatchTST: exact sizes, and the traps of its backbone that must stay shut."""

import copy
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PatchTSTConfig, PatchTSTModel

from lib.config.model import Architecture
from lib.errors import ModelError
from lib.models.contract import Shape
from lib.models.transformer._encoder import Encoder
from lib.models.transformer.parameters import check_budget, count_parameters, flops_per_sample, n_patches
from lib.models.transformer.patchtst import NetworkFactory, PatchTSTForecaster, PatchTSTSettings
from lib.training.layers import ByteDropout, PathDropout, use_fast_layers

ARCHITECTURES = Path(__file__).parents[3] / "config" / "architectures"
SMALL = Architecture(d_model=32, n_heads=4, n_layers=2, d_ff=48, dropout=0.5)
CONTEXT = 80
NORMALISATIONS = ("revin", "revin_stats", "zscore", "none")
POOLINGS = ("last", "mean", "flatten", "attention")


def settings(**changes) -> dict:
    return PatchTSTSettings(**changes).model_dump()


def network(channels=4, architecture=SMALL, outputs=1, **changes):
    factory = NetworkFactory(
        settings(**changes), architecture, CONTEXT, np.zeros(channels), np.ones(channels), outputs=outputs
    )
    return factory()


def trainable(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("channels", [3, 20, 80])
@pytest.mark.parametrize("mode", ["mixed", "independent", "cross"])
def test_the_analytic_count_is_the_built_count(mode, channels, outputs):
    for normalisation, pooling in itertools.product(NORMALISATIONS, POOLINGS):
        chosen = {"channel_mode": mode, "normalisation": normalisation, "pooling": pooling}
        net = network(channels, outputs=outputs, **chosen)
        counts = count_parameters(settings(**chosen), SMALL, channels, CONTEXT, outputs)
        assert counts["total"] == trainable(net) == counts["embedding"] + counts["backbone"] + counts["head"]


@pytest.mark.parametrize(("budget", "wanted"), [("2M", 2e6), ("20M", 20e6), ("200M", 200e6)])
def test_the_shipped_architectures_are_on_budget(budget, wanted):
    path = ARCHITECTURES / f"patchtst_{budget.lower()}.yaml"
    architecture = Architecture(**yaml.safe_load(path.read_text()))
    for mode, normalisation, pooling in itertools.product(
        ("mixed", "independent", "cross"), NORMALISATIONS, POOLINGS
    ):
        chosen = {"channel_mode": mode, "normalisation": normalisation, "pooling": pooling}
        total = count_parameters(settings(**chosen), architecture, 20, CONTEXT)["total"]
        assert abs(total / wanted - 1) < 0.05
        for channels in (20, 50, 100, 200, 500, 1000, 2000, 2200):  # columns add channels to those of a tier
            PatchTSTForecaster.check_budget(chosen, architecture, Shape(channels, CONTEXT), budget)


@pytest.mark.parametrize("budget", ["2M", "20M", "200M"])
def test_shipped_architectures_hold_three_classes_as_far_as_is_said(budget):
    """A readout per channel triples: at 2M, those of 1139 channels outgrow the budget and are refused."""
    path = ARCHITECTURES / f"patchtst_{budget.lower()}.yaml"
    architecture = Architecture(**yaml.safe_load(path.read_text()))
    for mode, normalisation, pooling in itertools.product(
        ("mixed", "independent", "cross"), NORMALISATIONS, POOLINGS
    ):
        chosen = {"channel_mode": mode, "normalisation": normalisation, "pooling": pooling}
        for channels in (20, 500, 1120, 1139, 2000, 2200):  # 1120 stands in docs/models.md
            arguments = (chosen, architecture, Shape(channels, CONTEXT, 3), budget)
            if budget == "2M" and mode != "mixed" and channels > 1120:
                with pytest.raises(ModelError, match=r"budget 2M: the architecture has .* off the budget"):
                    PatchTSTForecaster.check_budget(*arguments)
            else:
                PatchTSTForecaster.check_budget(*arguments)


def test_a_size_that_is_not_the_declared_one_is_refused():
    check_budget(2_500_000, "2M")
    with pytest.raises(ModelError, match=r"2,600,000 trainable parameters, \+30% off the budget"):
        check_budget(2_600_000, "2M")
    with pytest.raises(ModelError, match="not a multiple of n_heads"):
        PatchTSTForecaster.check_budget({}, SMALL.model_copy(update={"n_heads": 5}), Shape(4, CONTEXT), "2M")


# -- trap 1: dropout that is declared and not there --


BRANCHES = {f"encoder.layers.{number}.drop" for number in range(SMALL.n_layers)}
EVERYWHERE = BRANCHES | {"encoder.drop", "readout.dropout"}
for _number in range(SMALL.n_layers):
    EVERYWHERE |= {
        f"encoder.layers.{_number}.attention.dropout",
        f"encoder.layers.{_number}.feed_forward.2",
    }
SITES = {
    "branches": (ByteDropout, BRANCHES),
    "paths": (PathDropout, BRANCHES),
    "everywhere": (ByteDropout, EVERYWHERE),
}


@pytest.mark.parametrize("placement", SITES)
def test_dropout_is_really_there_and_active_in_training_only(placement):
    net = network(dropout_at=placement)
    inputs = torch.randn(16, CONTEXT, 4)
    net.train()
    assert not torch.equal(net(inputs), net(inputs))
    net.eval()
    assert torch.equal(net(inputs), net(inputs))
    kind, sites = SITES[placement]
    declared = {name: m for name, m in net.named_modules() if isinstance(m, ByteDropout | PathDropout)}
    active = {name: m for name, m in declared.items() if m.probability}
    assert active.keys() == sites
    assert all(type(m) is kind and m.probability == SMALL.dropout for m in active.values())
    assert not any(isinstance(m, nn.Dropout) for m in net.modules())


@pytest.mark.parametrize("mode", ["mixed", "cross"])
@pytest.mark.parametrize("placement", ["branches", "paths"])
def test_what_each_block_adds_is_thinned(placement, mode):
    """Attention, attention across channels and feed-forward pass the layer's dropout, each for itself."""
    net = network(dropout_at=placement, channel_mode=mode).train()
    calls = []
    for layer in net.encoder.layers:
        layer.drop.register_forward_hook(lambda _m, given, out: calls.append((given[0], out)))
    net(torch.randn(16, CONTEXT, 4))
    assert len(calls) == SMALL.n_layers * (3 if mode == "cross" else 2)
    for given, out in calls:
        dropped = (out == 0) & (given != 0)
        assert 0.2 < dropped.float().mean().item() < 0.8


def test_without_dropout_training_mode_is_deterministic():
    net = network(architecture=SMALL.model_copy(update={"dropout": 0.0})).train()
    inputs = torch.randn(4, CONTEXT, 4)
    assert torch.equal(net(inputs), net(inputs))


# -- trap 2: a stride that is ignored --


@pytest.mark.parametrize(("stride", "patches"), [(8, 9), (16, 5), (4, 17)])
@pytest.mark.parametrize("mode", ["mixed", "independent", "cross"])
def test_the_stride_is_respected(stride, patches, mode):
    architecture = SMALL.model_copy(update={"patch_stride": stride})
    net = network(architecture=architecture, channel_mode=mode)
    assert net.encoder.n_patches == patches == n_patches(architecture, CONTEXT)


# -- trap 3: a loss that is constant --


@pytest.mark.parametrize("mode", ["mixed", "independent", "cross"])
def test_the_loss_is_not_constant_and_32_samples_can_be_learned_by_heart(mode):
    torch.manual_seed(0)
    net = network(architecture=SMALL.model_copy(update={"dropout": 0.0}), channel_mode=mode).train()
    inputs, target = torch.randn(32, CONTEXT, 4), (torch.arange(32) % 2).float()
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = functional.binary_cross_entropy_with_logits(net(inputs), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 0.5
    assert losses[-1] < 0.1


# -- trap 4: batch norm, which makes a sample's forecast depend on its neighbours --


@pytest.mark.parametrize("mode", ["mixed", "independent", "cross"])
def test_a_forecast_does_not_depend_on_the_rest_of_the_batch(mode):
    net = network(architecture=SMALL.model_copy(update={"dropout": 0.0}), channel_mode=mode).train()
    inputs = torch.randn(8, CONTEXT, 4)
    alone = torch.cat([net(inputs[i : i + 1]) for i in range(8)])
    torch.testing.assert_close(net(inputs), alone, rtol=1e-4, atol=1e-5)
    assert not any("BatchNorm" in type(m).__name__ for m in net.modules())


# -- trap 5: independent channels add up; mixed ones must be able to interact --


def interaction(net) -> float:
    """How far f(a,b) - f(a,0) - f(0,b) + f(0,0) is from 0: zero for a sum over channels."""
    torch.manual_seed(1)
    a, b = torch.randn(16, CONTEXT, 1), torch.randn(16, CONTEXT, 1)
    zero = torch.zeros_like(a)
    with torch.no_grad():
        parts = [net(torch.cat(pair, dim=2)) for pair in ((a, b), (a, zero), (zero, b), (zero, zero))]
    return (parts[0] - parts[1] - parts[2] + parts[3]).abs().max().item()


def test_mixed_channels_interact_and_independent_ones_only_add():
    assert interaction(network(2, channel_mode="independent").eval()) < 1e-4
    for mode in ("mixed", "cross"):
        assert interaction(network(2, channel_mode=mode).eval()) > 1e-2


# -- normalisation and readout --


def test_revin_hides_level_and_scale_and_the_others_see_them():
    inputs = torch.randn(8, CONTEXT, 4)
    for normalisation, sees in (("revin", False), ("revin_stats", True), ("zscore", True), ("none", True)):
        net = network(normalisation=normalisation).eval()
        with torch.no_grad():
            difference = (net(inputs) - net(3 * inputs + 2)).abs().max().item()
        assert (difference > 1e-3) is sees, normalisation


def test_the_statistics_of_projected_channels_are_projected_like_them():
    """A projected channel comes with its own mix of the channels' means and log deviations."""
    net = network(80, normalisation="revin_stats").eval()
    assert net.statistics.in_features == 2 * 64
    with torch.no_grad():
        net.projection.weight.zero_()
        net.projection.bias.zero_()
        net.projection.weight[3, 7] = 1.0  # projected channel 3 is channel 7
    stats = torch.randn(5, 80, 2)
    mixed = net._mixed_statistics(stats).view(5, 64, 2)
    torch.testing.assert_close(mixed[:, 3], stats[:, 7])
    assert mixed[:, 4:].abs().max() == 0
    inputs = torch.randn(8, CONTEXT, 80)
    wider = inputs.clone()
    wider[:, :, 7] = 3 * inputs[:, :, 7] + 2  # its normalised shape is the same; only its statistics differ
    with torch.no_grad():
        assert not torch.allclose(net(inputs), net(wider), atol=1e-4)


def test_patch_weights_shared_by_channels_are_a_flatten_of_rank_one():
    """u[c] · v[t] in place of w[c, t]: the separate readout with these products gives the same logits."""
    shared = network(3, channel_mode="independent", pooling="flatten", channel_projection=2).eval()
    separate = network(3, channel_mode="independent", pooling="flatten").eval()
    weights = shared.readout.patch_weights
    torch.testing.assert_close(weights, torch.full_like(weights, 1 / len(weights)))  # begins as the mean
    with torch.no_grad():
        weights.copy_(torch.randn_like(weights))
        per_channel = shared.readout.linear.weight.view(3, 1, SMALL.d_model)
        state = {n: v for n, v in shared.state_dict().items() if n != "readout.patch_weights"}
        state["readout.linear.weight"] = (per_channel * weights).reshape(1, -1)
        separate.load_state_dict(state)
        inputs = torch.randn(4, CONTEXT, 3)
        torch.testing.assert_close(shared(inputs), separate(inputs), rtol=1e-4, atol=1e-5)


def test_the_last_patch_sees_the_present():
    net = network(pooling="last").eval()
    inputs = torch.randn(4, CONTEXT, 4)
    changed = inputs.clone()
    changed[:, -1] += 1
    assert not torch.allclose(net(inputs), net(changed))


def test_a_window_of_one_patch_is_refused():
    with pytest.raises(ModelError, match="must be longer than patch_length"):
        n_patches(SMALL, 16)


def test_the_seed_alone_decides_the_weights():
    torch.manual_seed(1)
    first = network().state_dict()
    torch.manual_seed(2)
    second = network().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("channels", [4, 80, 500])
@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("mode", ["mixed", "independent", "cross"])
def test_flops_are_those_of_the_matrix_products(mode, pooling, channels, outputs):
    from torch.utils.flop_counter import FlopCounterMode

    net = network(channels, outputs=outputs, channel_mode=mode, pooling=pooling).train()
    # A fused attention kernel computes its scores twice, and the counter counts both; the statement does not.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        net(torch.randn(2, CONTEXT, channels)).sum().backward()
    counted = counter.get_total_flops() / 2
    chosen = settings(channel_mode=mode, pooling=pooling)
    stated = flops_per_sample(chosen, SMALL, channels, CONTEXT, outputs)
    assert stated == pytest.approx(counted, rel=0.1)


# -- the forward pass is ours, the numbers are Hugging Face's --


class KeepsAll(nn.Identity):
    """Counts as dropout and drops nothing."""

    probability, threshold = 0.0, 1


@pytest.mark.parametrize("last_only", [True, False])
@pytest.mark.parametrize("cross", [True, False])
def test_the_encoder_computes_what_the_backbone_computes(cross, last_only):
    torch.manual_seed(0)
    config = PatchTSTConfig(
        num_input_channels=3, context_length=CONTEXT, patch_length=16, patch_stride=12, num_hidden_layers=2,
        d_model=24, num_attention_heads=4, ffn_dim=40, norm_type="layernorm", scaling=None,
        do_mask_input=False, channel_attention=cross, attn_implementation="eager",
    )  # fmt: skip
    theirs = PatchTSTModel(config)
    ours = Encoder(copy.deepcopy(theirs), last_only, drop=nn.Identity, branch_scale=1.0)
    use_fast_layers(ours)
    values = torch.randn(5, CONTEXT, 3)
    for train in (False, True):
        if train:  # dropout that keeps everything: training takes another path through attention
            for layer in ours.layers:
                layer.attention.dropout = KeepsAll()
        expected = theirs.train(train)(past_values=values).last_hidden_state
        found = ours.train(train)(values.transpose(1, 2))
        torch.testing.assert_close(
            found, expected[:, :, -1:] if last_only else expected, rtol=1e-4, atol=1e-5
        )
    expected[:, :, -1].square().sum().backward()
    found[:, :, -1].square().sum().backward()
    for layer, source in zip(ours.layers, theirs.encoder.layers, strict=True):
        whole = torch.cat([getattr(source.self_attn, f"{part}_proj").weight.grad for part in "qkv"])
        torch.testing.assert_close(layer.attention.qkv.weight.grad, whole, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(
            layer.feed_forward[0].weight.grad, source.ff[0].weight.grad, rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize("mode", ["mixed", "independent", "cross"])
def test_reading_one_patch_gives_what_reading_all_would(mode):
    """The shortcut of the last layer changes no number: the same weights, all patches computed."""
    net = network(channel_mode=mode, architecture=SMALL.model_copy(update={"dropout": 0.0})).train()
    inputs = torch.randn(4, CONTEXT, 4)
    short = net(inputs)
    net.encoder.last_only = False
    values, _ = net.normalisation(inputs)
    values = values.flatten(1).unsqueeze(1) if mode == "mixed" else values.transpose(1, 2)
    torch.testing.assert_close(short, net.readout(net.encoder(values)[:, :, -1:], None), rtol=1e-4, atol=1e-5)


def test_the_attention_readout_has_weights_of_its_own_and_changes_no_other_draw():
    nets = {pooling: network(pooling=pooling) for pooling in ("mean", "attention")}
    shared = dict(nets["mean"].named_parameters())
    for name, values in nets["attention"].named_parameters():
        if name != "readout.query":
            torch.testing.assert_close(values, shared[name], rtol=0, atol=0)
    again = network(pooling="attention").readout.query
    torch.testing.assert_close(nets["attention"].readout.query, again, rtol=0, atol=0)
    hidden = torch.randn(5, 1, 9, SMALL.d_model, generator=torch.Generator().manual_seed(1))
    weights = nets["attention"].readout.attention_shares(hidden)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(5, 1))
    assert weights.std(dim=-1).min() > 0.02, "a mean in disguise: all patches weigh the same"


def test_the_attention_readout_learns_which_patch_to_read():
    """Only one direction of the hidden space marks the patch that knows; its weight must grow in training."""
    random = torch.Generator().manual_seed(3)
    readout = network(pooling="attention", architecture=SMALL.model_copy(update={"dropout": 0.0})).readout
    hidden = torch.randn(256, 1, 9, SMALL.d_model, generator=random)
    hidden[..., 0] = -1.0
    place = torch.randint(0, 9, (256,), generator=random)
    hidden[torch.arange(256), 0, place, 0] = 4.0
    target = (hidden[torch.arange(256), 0, place, 1] > 0).float()

    def weight_of_the_marked() -> float:
        weights = readout.attention_shares(readout.norm(hidden))[torch.arange(256), 0, place]
        return weights.mean().item()

    before = weight_of_the_marked()
    optimizer = torch.optim.AdamW(readout.parameters(), lr=3e-2)
    for _ in range(200):
        optimizer.zero_grad()
        functional.binary_cross_entropy_with_logits(readout(hidden, None), target).backward()
        optimizer.step()
    after = weight_of_the_marked()
    assert after > 0.5 > before

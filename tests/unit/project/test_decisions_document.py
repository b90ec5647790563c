"""docs/decisions.md says what is so: its tables are counted again, and what it refers to exists."""

import re

import pytest

from lib.config.model import Architecture
from lib.config.yaml_files import read_yaml
from lib.models import registry
from lib.models.transformer.parameters import count_parameters, flops_per_sample
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
BARS = 80


def architecture(budget: str) -> Architecture:
    return Architecture.model_validate(
        read_yaml(ROOT / "config" / "architectures" / f"patchtst_{budget.lower()}.yaml")
    )


def settings(mode: str) -> dict:
    return registry.get("transformer:patchtst").Settings(channel_mode=mode).model_dump()


def test_the_cost_of_the_modes_is_counted_again():
    rows = re.findall(r"^\| (\w+) \| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for budget, channels, *costs in rows:
        for mode, cost in zip(("mixed", "independent", "cross"), costs, strict=True):
            flops = flops_per_sample(settings(mode), architecture(budget), int(channels), BARS)
            assert f"{flops / 1e9:.3f}" == cost, (budget, channels, mode)


@pytest.mark.parametrize("budget", ["2M", "20M", "200M"])
def test_the_sizes_are_counted_again(budget):
    shape = architecture(budget)
    count = count_parameters(settings("mixed"), shape, 20, BARS)["total"]
    words = f"{shape.d_model}, {shape.n_layers}, {shape.n_heads}, {shape.d_ff}"
    assert f"| {budget} | {count:,} | {words} |" in PAGE


def test_every_test_and_target_that_is_named_exists():
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", PAGE)
    assert len(named) > 20
    for name in named:
        assert f"def {name}(" in tests, name
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for name in re.findall(r"`make ([a-z-]+)", PAGE):
        assert name in targets, name


def test_every_decision_says_what_would_change_it():
    decisions = re.findall(r"^\*\*", PAGE, re.MULTILINE)
    assert len(decisions) == PAGE.count("*Would change it:*") > 15

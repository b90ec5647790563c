"""docs/mac.md names tests, scripts and commands that are there."""

import re

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "mac.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:envs|tests|\.github)/[\w./-]+\w)`", PAGE))))
def test_every_file_exists(path):
    assert (ROOT / path).is_file()


def test_the_five_commands_are_targets_and_each_leaves_a_file():
    commands = re.findall(r"^make ([\w-]+).*\| tee (mac-\d-\w+\.txt)", PAGE, re.MULTILINE)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) == 5
    assert {target for target, _ in commands} <= set(targets)
    assert len({file for _, file in commands}) == 5


def test_no_command_has_a_comment_behind_it():
    """In the interactive zsh of a Mac its words would be arguments: here, files that tee writes."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert blocks
    assert not any("#" in block for block in blocks)

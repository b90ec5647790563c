"""What machines run is what people run."""

import re

import pytest
import yaml

from tests.conftest import ROOT

WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
JOB = WORKFLOW["jobs"]["test"]
COMMANDS = [step["run"] for step in JOB["steps"] if "run" in step]


def test_it_runs_on_linux_and_on_a_mac():
    runners = JOB["strategy"]["matrix"]["runner"]
    assert {runner.split("-")[0] for runner in runners} == {"ubuntu", "macos"}


def test_the_two_commands_of_the_readme_are_run_and_what_ci_run_runs():
    readme = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("## Two commands")[2].partition("## ")[0]
    )
    two = re.findall(r"^make \w+", readme, re.MULTILINE)[:2]
    assert two == ["make report", "make test"]
    assert set(two) <= set(COMMANDS)
    local = re.findall(r"^make \S+", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE)
    assert local
    assert set(local) <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_step_is_a_target_of_the_makefile(command):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{re.escape(command.split()[1])}:", makefile, re.MULTILINE)


def test_lint_is_part_of_the_tests():
    assert re.search(r"^test:.*\blint\b", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

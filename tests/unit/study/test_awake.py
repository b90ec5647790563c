"""A Mac stays awake for as long as the workflow lives, and not longer."""

import os
import subprocess
import sys

import pytest

from lib.study.awake import stay_awake
from tests.unit.training_samples import wait_until

FAKE = """#!/bin/sh
echo "$@" > "{folder}/asked"
while kill -0 "$3" 2>/dev/null; do sleep 0.05; done
echo ended > "{folder}/ended"
"""
"""As caffeinate(8) does with -w: it lives until that process has ended."""


@pytest.fixture
def mac(tmp_path, monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    return tmp_path


def test_it_is_held_awake_until_the_workflow_has_ended_even_by_a_kill(mac):
    program = mac / "bin" / "caffeinate"
    program.write_text(FAKE.format(folder=mac))
    program.chmod(0o755)
    workflow = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    helper = stay_awake(workflow.pid)
    assert helper is not None
    wait_until((mac / "asked").exists)
    wait_until(lambda: (mac / "asked").read_text() == f"-i -w {workflow.pid}\n")
    assert helper.poll() is None
    assert os.getsid(helper.pid) != os.getsid(0), "Ctrl-C would end it before the work is saved"
    workflow.kill()
    workflow.wait()
    assert helper.wait(60) == 0
    assert (mac / "ended").exists()


def test_a_mac_without_the_program_is_told_and_goes_on(mac, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(mac / "bin"))
    assert stay_awake() is None
    assert "the Mac may fall asleep" in capsys.readouterr().err


def test_nothing_is_started_elsewhere(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    assert stay_awake() is None

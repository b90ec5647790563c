"""Preflight: what would break a study is told before it starts, and nothing secret is shown."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import yaml

from lib.config.training import Runtime, ThermalConfig
from lib.config.workflow import WorkflowConfig
from lib.data.manifest import entry_for, write_manifest
from lib.study.disk_use import Kind, disk_use
from lib.study.plan import plan_study
from lib.study.preflight import environment as surroundings
from lib.study.preflight import machine
from lib.study.preflight.needs import PROCESS, Needs, needs
from lib.study.preflight.preflight import Places, preflight
from lib.study.preview import gigabytes

ROOT = Path(__file__).parents[3]
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def plan():
    content = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    return plan_study(content, ROOT / "config", {})


def need(disk: int = 0, memory: int = 0) -> Needs:
    return Needs(data=0, results=disk, checkpoints=0, memory=memory, beside_a_card=memory // 2, budget="2M")


def test_needs_follow_from_the_runs_that_are_still_to_be_trained(plan):
    runs = list(plan.experiment_of)
    all_of_them = needs(plan, runs, plan.datasets)
    assert all_of_them.budget == "200M"
    # Of 200M one checkpoint is kept and one written: weights and two moments, and the best weights, of each.
    # Beside them lie the weights of the last four runs that are done.
    assert all_of_them.checkpoints == (2 * (3 + 1) + 4) * 4 * 200_000_000
    # The quickstart's largest training was measured at 5.6 to 5.9 GB (README.md and provenance.json). It is
    # too short to write a checkpoint: the copy of one has weights and two moments, 2.4 GB.
    assert 5.5e9 + 2.4e9 < all_of_them.memory < 6.2e9 + 2.4e9
    # Two models of 200M on disk: 0.8 GB each. Oracles of the law controls name a budget and store no weights.
    assert 1.6e9 < all_of_them.results < 2.0e9
    oracles = needs(plan, [run for run in runs if run.model.startswith("oracle")], [])
    assert (oracles.budget, oracles.memory) == (None, PROCESS)
    assert 0 < oracles.results < 1e8
    small = needs(plan, [run for run in runs if run.budget == "2M"], [])
    assert (small.budget, small.data) == ("2M", 0)
    assert small.checkpoints == (4 * (3 + 1) + 4) * 4 * 2_000_000
    nothing = needs(plan, [], [])
    assert (nothing.disk, nothing.memory, nothing.budget) == (0, 0, None)
    baselines = needs(plan, [run for run in runs if run.budget == "none"], [])
    assert (baselines.budget, baselines.memory) == (None, PROCESS)


def test_a_key_is_asked_for_only_while_its_series_are_still_to_be_fetched(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    content = yaml.safe_load((ROOT / "config" / "config.yaml").read_text()) | {"experiments": ["quickstart"]}
    content["data"] = content["data"] | {"source": "yahoo", "vintage": "v1"}
    path = tmp_path / "config/experiments/quickstart.yaml"
    declared = yaml.safe_load(path.read_text()) | {"models": ["logistic"]}
    declared = {key: value for key, value in declared.items() if key not in ("tuning", "searches", "budgets")}
    monkeypatch.delenv("FRED_API_KEY", raising=False)
    places = Places(
        work=tmp_path,
        state=tmp_path / "state",
        locks=tmp_path / "locks",
        manifests=(),
        lock=ROOT / "envs" / "requirements.lock",
        series="{vintage}-{series}",
    )

    def key_of_fred(dataset: str) -> list[str]:
        path.write_text(yaml.safe_dump(declared | {"datasets": [dataset]}))
        made = plan_study(yaml.safe_load(yaml.safe_dump(content)), tmp_path / "config", {})
        checks = preflight(made, list(made.experiment_of), made.datasets, places)
        assert {check.subject for check in checks} >= {"disk", "memory", "power", "temperature", "clock"}
        return [check.state for check in checks if check.subject == "key of FRED"]

    assert key_of_fred("Aa20") == []
    assert key_of_fred("Ea20") == ["fail"]
    for name in ("DGS10", "DGS2", "FED_FUNDS", "YIELD_SLOPE", "LIBOR_3M", "SOFR_90D", "SHORT_RATE", "TNX"):
        (tmp_path / f"v1-{name}").touch()
    assert key_of_fred("Ea20") == []


def test_the_command_fails_with_one_message_and_shows_no_key(tmp_path):
    (tmp_path / "market" / "ohlcv").mkdir(parents=True)
    (tmp_path / "market" / "ohlcv" / "SPY.csv").write_text("date\n")
    config = ROOT / "config" / "spy-files.yaml"

    def looked(**environment: str) -> subprocess.CompletedProcess[str]:
        keys = {"FRED_API_KEY": SECRET, "WANDB_API_KEY": SECRET, "COLUMNS": "200", "PYTHONPATH": str(ROOT)}
        given = {name: value for name, value in os.environ.items() if name != "MARKET_DATA_DIR"}
        command = [sys.executable, "-m", "workflow_scripts.preflight", "--configfile", str(config)]
        return subprocess.run(
            command, cwd=tmp_path, env=given | keys | environment, capture_output=True, text=True, check=False
        )

    refused, ready = looked(), looked(MARKET_DATA_DIR=str(tmp_path / "market"))
    assert refused.returncode == 1
    assert "needs the environment variable MARKET_DATA_DIR" in refused.stdout
    assert "Not ready" in refused.stdout
    assert ready.returncode == 0, ready.stdout
    assert "is set, not needed here" in ready.stdout
    for done in (refused, ready):
        assert SECRET not in done.stdout + done.stderr


def test_too_little_disk_fails_and_just_enough_warns(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    states = [machine.disk(tmp_path, need(int(free * share))).state for share in (0.1, 0.9, 2)]
    assert states == ["pass", "warn", "fail"]


def test_a_model_that_does_not_fit_into_memory_fails(monkeypatch):
    monkeypatch.setattr(machine, "_cards", list)
    total, auto = machine.psutil.virtual_memory().total, Runtime()
    states = [machine.memory(need(memory=size), auto).state for size in (1, total, total + 1)]
    assert states == ["pass", "warn", "fail"]


def test_where_a_card_trains_its_memory_counts(monkeypatch):
    card = machine._Card("a card", True, free=10 * PROCESS, total=20 * PROCESS)
    monkeypatch.setattr(machine, "_cards", lambda: [card])
    monkeypatch.setattr(machine, "free_memory", lambda: 100 * PROCESS)
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: SimpleNamespace(total=100 * PROCESS))
    states = [machine.memory(need(memory=size * PROCESS), Runtime()).state for size in (5, 15, 30)]
    assert states == ["pass", "warn", "fail"]
    assert machine.memory(need(memory=30 * PROCESS), Runtime(device="cpu")).state == "pass"


@pytest.mark.parametrize(
    ("battery", "state", "words"),
    [
        (None, "pass", "no battery"),
        (SimpleNamespace(percent=80.0, power_plugged=True), "pass", "80 %, plugged in"),
        (SimpleNamespace(percent=80.0, power_plugged=False), "warn", "80 %, not plugged in"),
    ],
)
def test_training_from_a_battery_is_worth_a_warning(monkeypatch, battery, state, words):
    monkeypatch.setattr(machine.psutil, "sensors_battery", lambda: battery, raising=False)
    found = machine.power()
    assert found.state == state
    assert words in found.found


def test_a_card_that_is_asked_for_and_not_there_fails(monkeypatch):
    monkeypatch.setattr(machine, "_cards", list)
    assert machine.accelerator(Runtime(device="cuda")).state == "fail"
    assert machine.accelerator(Runtime(device="cpu")).state == "pass"
    monkeypatch.setattr(
        machine, "_cards", lambda: [machine._Card("a card", True, 10 * PROCESS, 20 * PROCESS)]
    )
    found = machine.accelerator(Runtime(device="auto")).found
    assert found == "cuda, a card, bf16, 10 GB free of 20 GB"


def test_pytorch_is_asked_only_on_request_and_agrees_about_the_processor():
    cpu = Runtime(device="cpu")
    quick, asked = machine.accelerator(cpu), machine.accelerator(cpu, ask_torch=True)
    assert "TORCH=1" in quick.unchecked
    assert not asked.unchecked
    assert ("bf16" in quick.found and "no fast" not in quick.found) == ("bf16" in asked.found)


def test_the_sensor_that_training_would_use_is_read(tmp_path):
    file = tmp_path / "temperature"
    config = ThermalConfig(sensor=f"file:{file}")
    assert machine.sensor(config).state == "warn"
    file.write_text("55\n")
    cool = machine.sensor(config)
    assert cool.state == "pass"
    assert "55 °C" in cool.found
    file.write_text("90\n")
    assert machine.sensor(config).state == "warn"
    assert machine.sensor(ThermalConfig(sensor="off")).state == "warn"
    assert machine.sensor(ThermalConfig(sensor="nonsense")).state == "fail"


def test_a_clock_behind_the_study_s_own_files_fails(tmp_path):
    file = tmp_path / "manifest.json"
    file.write_text("[]")
    assert machine.clock([file, tmp_path / "absent"]).state == "pass"
    yesterday = datetime.now(UTC) - timedelta(days=1)
    late = machine.clock([file], yesterday)
    assert late.state == "fail"
    assert "manifest.json" in late.found


def test_packages_are_compared_with_the_lock(tmp_path):
    lock = tmp_path / "requirements.lock"
    shutil.copy(ROOT / "envs" / "requirements.lock", lock)
    assert len(surroundings.locked_versions(lock.read_text())) > 100
    lock.write_text(
        f"polars=={pl.__version__} \\\n    --hash=sha256:00\n    # via x\n"
        "pytest==0.0.1\nnowhere-at-all==1.0 ; sys_platform == 'plan9'\n"
    )
    found = surroundings.packages(lock)
    assert found.state == "warn"
    assert "1 of 2 as locked" in found.found
    assert "(0.0.1)" in found.found
    lock.write_text(f"polars=={pl.__version__}\nsomething-missing==1.0\n")
    assert "missing: something-missing" in surroundings.packages(lock).found
    assert surroundings.packages(tmp_path / "none").state == "warn"


def test_keys_are_asked_for_only_where_they_are_used_and_never_shown(monkeypatch, tmp_path):
    content = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    plain = WorkflowConfig.model_validate(content)
    assert [check.subject for check in surroundings.keys(plain, [], {})] == ["keys"]
    assert [check.state for check in surroundings.keys(plain, ["fred"], {})] == ["fail"]
    given = surroundings.keys(plain, ["fred"], {"FRED_API_KEY": SECRET})
    assert [check.state for check in given] == ["pass"]
    assert SECRET not in repr(given)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    online = WorkflowConfig.model_validate(
        content | {"tracking": {"wandb": "online"}, "search": {"storage_from": "SEARCHES"}}
    )
    assert [check.state for check in surroundings.keys(online, [], {})] == ["fail", "fail"]
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    ready = surroundings.keys(online, [], {"SEARCHES": f"postgresql://me:{SECRET}@host/db"})
    assert [check.state for check in ready] == ["pass", "pass"]
    assert SECRET not in repr(ready)


def test_folders_that_are_away_fail(tmp_path):
    data = WorkflowConfig.model_validate(yaml.safe_load((ROOT / "config/config.yaml").read_text())).data
    there = tmp_path / "market"
    there.mkdir()
    for folder, state in ((tmp_path / "absent", "fail"), (there, "warn")):
        found = surroundings.folders(tmp_path, data.model_copy(update={"folder": folder}))
        assert [check.state for check in found] == [state, "pass"]
    named = surroundings.folders(tmp_path, data, ["trends"])
    assert [check.state for check in named] == ["fail", "pass"]
    (there / "SPY.csv").write_text("Date\n")
    found = surroundings.folders(tmp_path, data.model_copy(update={"folder": there}))
    assert [check.state for check in found] == ["pass", "pass"]


@pytest.fixture
def recorded(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """A data file and its manifest below the working folder."""
    monkeypatch.chdir(tmp_path)
    path = Path("raw.parquet")
    pl.DataFrame({"date": [datetime(2020, 1, 2)], "x": [1.0]}).write_parquet(path)
    write_manifest(Path("manifest.json"), [entry_for(path, "raw")])
    return path, Path("manifest.json")


def test_data_that_differ_from_their_record_fail(recorded, tmp_path):
    path, manifest = recorded
    assert surroundings.hashes(tmp_path, [manifest], 10_000_000).state == "pass"
    large = surroundings.hashes(tmp_path, [manifest], 1)
    assert large.state == "pass"
    assert "hashes of data" in large.unchecked
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert surroundings.hashes(tmp_path, [manifest], 10_000_000).state == "fail"
    path.unlink()
    assert surroundings.hashes(tmp_path, [manifest], 0).state == "fail"
    manifest.write_text("not a manifest")
    assert surroundings.hashes(tmp_path, [manifest], 0).state == "fail"
    assert "none yet" in surroundings.hashes(tmp_path, [Path("absent.json")], 0).found


def test_a_lock_that_nobody_holds_is_named(tmp_path):
    assert surroundings.left_behind([], tmp_path / "locks").state == "pass"
    (tmp_path / "locks").mkdir()
    assert surroundings.left_behind([], tmp_path / "locks").state == "pass"
    (tmp_path / "locks" / "0.output.lock").touch()
    found = surroundings.left_behind([], tmp_path / "locks")
    assert found.state == "warn"
    assert "--unlock" in found.advice
    running = [SimpleNamespace(running=True), SimpleNamespace(running=False)]
    assert "1 running, 1 waiting" in surroundings.left_behind(running, tmp_path / "locks").found


def test_every_file_is_counted_once_by_the_first_kind_that_claims_it(tmp_path):
    for name, size in (("a/one", 100_000), ("a/two", 50_000), ("b/three", 200_000), ("c/four", 1)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(os.urandom(size))
    kinds = (
        Kind("one", lambda path: path.name == "one", ""),
        Kind("a", lambda path: path.parts[0] == "a", ""),
        Kind("rest", lambda path: True, ""),
        Kind("never", lambda path: True, ""),
    )
    used = disk_use(tmp_path, ("a", "b", "absent"), kinds)
    assert [(use.kind.name, use.files) for use in used] == [("one", 1), ("a", 1), ("rest", 1)]
    assert all(abs(use.size - size) < 20_000 for use, size in zip(used, (1e5, 5e4, 2e5), strict=True))


def test_sizes_are_read_at_a_glance():
    assert [gigabytes(size) for size in (2.4e9, 48e9, 1.5e6, 999)] == ["2.40 GB", "48 GB", "1.50 MB", "1 kB"]

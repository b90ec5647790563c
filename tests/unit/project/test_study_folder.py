"""A study has one folder, which every command finds: its results, its own files, how it was last started."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lib.config.places import MAIN, ConfigFolders, find_own, study_folder
from lib.config.yaml_files import read_yaml
from lib.data.backup import OUTSIDE
from lib.errors import ConfigError, DataError
from lib.jobs import current_study as study
from lib.study.missing_files import check_files
from lib.study.plan import Plan, plan_study

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "config"
SCRIPTS = ROOT / "workflow_scripts"
OWN = {
    "question": "Is it so?", "datasets": ["Aa20"], "timescales": ["daily"], "tasks": ["direction"],
    "horizons": [5], "models": ["logistic"], "seeds": [1],
}  # fmt: skip


def quickstart(**changes) -> dict:
    return (
        read_yaml(CONFIG / "config.yaml")
        | {"experiments": ["mine"], "own_experiments": {"mine": OWN}}
        | changes
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    """An empty folder to stand in; afterwards everything is as it was."""
    monkeypatch.setenv(MAIN, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def script(name: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"workflow_scripts.{name}", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=200
    )


# -- named studies --


def test_a_named_study_works_below_the_main_one_and_the_main_one_where_it_is(here):
    study.enter({}, here)
    assert Path.cwd() == here
    study.enter({"name": "side", "data": {"folder": "market"}}, here)
    assert Path.cwd() == here / "studies" / "side"
    study.enter({"name": "side"}, Path.cwd())  # once more from where it works
    assert Path.cwd() == here / "studies" / "side"


def test_folders_of_data_count_from_where_the_study_was_started(here):
    content = {"name": "side", "data": {"folder": "market", "trends_folder": "${TRENDS}/x"}}
    study.enter(content, here)
    assert content["data"] == {"folder": str(here / "market"), "trends_folder": "${TRENDS}/x"}


@pytest.mark.parametrize("name", ["../up", "a b", "a/b", 7])
def test_a_name_that_leads_elsewhere_is_refused(name, tmp_path):
    with pytest.raises(ConfigError, match="names a folder"):
        study_folder({"name": name}, tmp_path)


@pytest.mark.parametrize(
    "name", ["ablation", "compare-models", "compare-baselines", "meta-files", "matrix", "full-matrix"]
)
def test_no_side_study_writes_the_main_studys_report(name, tmp_path):
    folders = {study_folder(read_yaml(path), tmp_path): path.name for path in CONFIG.glob("*.yaml")}
    assert study_folder(read_yaml(CONFIG / f"{name}.yaml"), tmp_path) != tmp_path
    assert study_folder(read_yaml(CONFIG / "config.yaml"), tmp_path) == tmp_path
    assert len({path for path in folders if path != tmp_path}) == sum(
        bool(read_yaml(path).get("name")) for path in CONFIG.glob("*.yaml")
    )


# -- own files --


def test_own_files_come_before_the_shipped_ones(here):
    (here / "config" / "models").mkdir(parents=True)
    (here / "config" / "models" / "mine.yaml").write_text((CONFIG / "models" / "logistic.yaml").read_text())
    plan = study.planned(quickstart(own_experiments={"mine": OWN | {"models": ["mine", "logistic"]}}))
    assert {run.model for run in plan.runs} == {"mine", "logistic"}
    with pytest.raises(ConfigError, match=r"Did you mean mine\.yaml\?"):
        ConfigFolders(CONFIG, [here / "config"]).find("models", "minee")


def test_a_plugin_is_found_from_the_folder_of_the_main_study(here):
    (here / "own").mkdir()
    (here / "own" / "x.py").touch()
    study.enter({"name": "side"}, here)
    assert find_own(Path("own/x.py")) == here / "own" / "x.py"
    assert find_own(Path("own/y.py")) == Path("own/y.py")


# -- rows, columns and experiments in the study's own configuration --


def planned(**changes) -> Plan:
    return plan_study(quickstart(**changes), CONFIG, {})


def test_rows_and_experiments_may_stand_in_the_configuration():
    plan = planned(assets={"rows": {"A": ["QQQ"]}, "primary": "QQQ"})
    assert plan.data.symbols("embedded-2018", "Aa20") == ["^IXIC"]
    assert plan.data.primary_symbol("embedded-2018") == "^IXIC"
    assert [run.model for run in plan.runs] == ["logistic"]


def test_a_column_may_stand_in_the_configuration():
    own = {"title": "A spread", "group": "rate", "names": {"files": "fred/X"}}
    plan = planned(series={"columns": {"b": {"required": ["CREDIT"]}}, "series": {"CREDIT": own}})
    assert plan.data.members("Ab20").required == ("CREDIT",)
    assert plan.data.members("Ac20").required[0] == "CREDIT"  # the other columns are as they were


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"assets": {"rows": {"A": [True]}}}, "Put it into quotes"),
        ({"assets": {"row": {"A": ["QQQ"]}}}, "Did you mean `rows`?"),
        ({"assets": {"rows": {"A": ["QQQ"]}}}, "does not hold SPY, the primary symbol"),
        ({"own_experiments": {"mine": OWN, "other": OWN}}, "describes other, which neither"),
        ({"own_experiments": {"mine": OWN | {"datasets": ["Aa30"]}}}, "Did you mean Aa20?"),
        ({"own_experiments": {"mine": OWN | {"datasets": ["ba100"]}}}, "Did you mean Ba100?"),
    ],
)
def test_what_cannot_be_meant_there_is_refused(change, words):
    with pytest.raises(ConfigError) as caught:
        planned(**change)
    assert words in str(caught.value)
    assert "^[A-E]" not in str(caught.value)


# -- files of prices --


def files_study(folder: Path) -> Plan:
    data = quickstart()["data"] | {"source": "files", "folder": str(folder), "vintage": "files-1"}
    return planned(data=data)


def test_missing_price_files_are_named_before_the_first_job(tmp_path):
    def never(*words: str) -> bool:
        return False

    with pytest.raises(DataError, match="nope: no such folder"):
        check_files(files_study(tmp_path / "nope").data, never)
    (tmp_path / "ohlcv").mkdir()
    (tmp_path / "ohlcv" / "QQQ.csv").touch()
    with pytest.raises(DataError, match=r"SPY: no price file in .*There: QQQ\."):
        check_files(files_study(tmp_path).data, never)
    (tmp_path / "ohlcv" / "SPY.parquet").touch()
    check_files(files_study(tmp_path).data, never)


def test_what_was_imported_needs_its_files_no_more(tmp_path):
    check_files(
        files_study(tmp_path / "nope").data, lambda vintage, kind, name: (kind, name) == ("prices", "SPY")
    )


# -- how it was last started --


def test_the_forecast_command_starts_the_study_as_it_was_started(here, monkeypatch):
    monkeypatch.setenv("MARKET_DATA_DIR", "/my data")
    monkeypatch.delenv("VINTAGE", raising=False)
    file = here / "mine.yaml"
    file.write_text("data: {folder: '${MARKET_DATA_DIR}', vintage: '${VINTAGE:-files-1}'}\n")
    study.enter({}, here)
    study.record_start(planned(), [file])
    start = study.last_start(here)
    assert start.variables() == "MARKET_DATA_DIR='/my data' "
    assert start.options() == f" --directory {here} --configfile {file}"


def test_the_quickstart_in_the_clone_needs_no_options():
    start = study.Start(ROOT, [CONFIG / "config.yaml"], {}, [])
    assert start.variables() + start.options() == ""
    own = study.Start(ROOT, [CONFIG / "spy-files.yaml"], {}, [])
    assert own.options() == " --configfile config/spy-files.yaml"


# -- the commands --


def test_a_backup_takes_the_study_in_the_folder_with_its_own_files(tmp_path):
    """The clone's data are not copied for it; plugins and the configuration are, wherever they lie."""
    folder, elsewhere = tmp_path / "study", tmp_path / "elsewhere"
    for path in (
        "data/raw/a",
        "studies/side/results/b",
        "own/plugin.py",
        "own/helper.py",
        "config/models/m.yaml",
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    elsewhere.mkdir()
    (elsewhere / "my.yaml").write_text("title: x")
    (folder / "results").mkdir()
    record = {"configfiles": [str(elsewhere / "my.yaml")], "plugins": [str(folder / "own" / "plugin.py")]}
    (folder / "results" / "study.json").write_text(json.dumps(record))
    done = script("backup", "--directory", str(folder), "copy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    copied = {
        p.relative_to(tmp_path / "copy").as_posix() for p in (tmp_path / "copy").rglob("*") if p.is_file()
    }
    assert {"data/raw/a", "studies/side/results/b", "own/plugin.py", "own/helper.py"} <= copied
    assert {"config/models/m.yaml", f"{OUTSIDE}/my.yaml"} <= copied
    assert done.stdout.startswith(f"{folder}: 7 files copied")


@pytest.mark.parametrize(
    "name",
    ["status", "disk", "verify", "backup", "promote", "preflight", "preview", "leak_check", "rehearse_heat",
     "write_docs"],
)  # fmt: skip
def test_every_script_that_people_start_parses_its_command_line(name):
    """Not one of them takes `--help` for a name of a file, or an unknown option for nothing."""
    text = (SCRIPTS / f"{name}.py").read_text(encoding="utf-8")
    assert "Parser(__doc__" in text
    assert "sys.argv" not in text
    assert "with command(" in text


def test_braces_in_the_projects_path_are_refused_and_in_a_studys_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "CLONE", tmp_path / "clone {2}")
    with pytest.raises(ConfigError, match=r"clone \{2\}: Snakemake takes the \{ and \} .* for a wildcard"):
        study.enter({}, tmp_path)
    monkeypatch.setattr(study, "CLONE", ROOT)
    monkeypatch.setenv(MAIN, "")
    folder = tmp_path / "study {2}"
    folder.mkdir()
    monkeypatch.chdir(folder)
    study.enter({}, folder)
    assert Path.cwd() == folder


def test_help_errors_and_exit_codes(tmp_path):
    asked = script("backup", "--help", cwd=tmp_path)
    assert (asked.returncode, "DEST" in asked.stdout, list(tmp_path.iterdir())) == (0, True, [])
    wrong = script("backup", "--dest", "x", cwd=tmp_path)
    assert (wrong.returncode, "usage:" in wrong.stderr, list(tmp_path.iterdir())) == (2, True, [])
    nowhere = script("disk", "--directory", "nope", cwd=tmp_path)
    assert (nowhere.returncode, "nope: no such folder" in nowhere.stderr) == (1, True)
    assert "Traceback" not in nowhere.stderr


def test_make_started_in_a_studys_folder_speaks_of_that_folder(tmp_path):
    clone, folder = tmp_path / "a clone", tmp_path / "my study"
    (clone / ".venv").mkdir(parents=True)
    (clone / "envs").mkdir()
    (clone / "envs" / "requirements.lock").touch()
    (clone / ".venv" / ".ready").touch()
    folder.mkdir()
    (folder / "mine.yaml").touch()
    shutil.copy(ROOT / "Makefile", clone)

    def said(*words: str, cwd: Path) -> str:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
        command = ["make", "-n", "--no-print-directory", *words]
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, check=True
        ).stdout

    for name in ("status", "disk", "verify"):
        there = said("-f", str(clone / "Makefile"), name, cwd=folder)
        assert f'python -m workflow_scripts.{name} --directory "{folder}"' in there
        assert f'python -m workflow_scripts.{name} --directory "{folder}"' in said(
            name, f"DIR={folder}", cwd=clone
        )
    preview = said("-f", str(clone / "Makefile"), "preview", "CONFIG=mine.yaml", cwd=folder)
    assert f'--directory "{folder}" --configfile "{folder}/mine.yaml"' in preview
    backup = said("-f", str(clone / "Makefile"), "backup", "DEST=copy", cwd=folder)
    assert f'workflow_scripts.backup --directory "{folder}" "{folder}/copy"' in backup
    assert "--directory" not in said("status", cwd=clone)
    home = said("status", "DIR=~/study", cwd=clone)
    assert f'--directory "{Path.home()}/study"' in home

"""Strangers' files and strings: nothing in them is executed, leads out of the project, or tells a secret."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml
from hurt import LOGISTIC

from lib.config.experiment import Experiment
from lib.config.model import ModelFile, vary
from lib.config.training import TrackingConfig
from lib.config.validation import validate
from lib.config.yaml_files import read_yaml
from lib.data.io import spreadsheet_safe
from lib.errors import ConfigError
from lib.study.plan import plan_study
from tests.conftest import FORMULA, HOSTILE, ROOT, SMALL, STUDY, Project

REFUSED = "correct the named line"
SECRET = "planted-secret-7f3a"
TAGS = (
    '!!python/object/apply:os.system ["touch PROOF"]',
    "!!python/name:os.system",
    "!!python/module:os",
    '!!python/object/new:subprocess.Popen [["touch", "PROOF"]]',
)


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.faults("YAML with tags that would run code", happens="refused, nothing is run", user=REFUSED)
def test_a_yaml_tag_runs_nothing(tmp_path: Path, monkeypatch, tag: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(f"question: {tag}\n")
    with pytest.raises(ConfigError, match=r"small\.yaml: not valid YAML"):
        read_yaml(tmp_path / "small.yaml")
    assert not (tmp_path / "PROOF").exists()


@pytest.mark.faults("YAML with tags in the file given by --configfile", happens="refused before any job, nothing is run", user=REFUSED)  # fmt: skip  # noqa: E501
def test_a_yaml_tag_in_the_study_runs_nothing(project: Project) -> None:
    with (project.folder / "study.yaml").open("a") as study:
        study.write(f"note: {TAGS[0]}\n")
    done = project.snakemake("-n", "results/report.html")
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert not (project.folder / "PROOF").exists()
    assert not (project.folder / "results").exists()


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("text", [BOMB, "question: &a [*a]", "question: &a {b: *a}", "a: " + "[" * 200])
@pytest.mark.faults("YAML that unfolds without end (aliases)", happens="refused at once", user=REFUSED)
def test_yaml_without_end_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "bomb.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"bomb\.yaml"):
        read_yaml(tmp_path / "bomb.yaml")


def content(**changes: object) -> dict:
    return yaml.safe_load(yaml.safe_dump(STUDY)) | changes


OUT = ("../../etc/passwd", "/etc/passwd", "..", ".", "a/b", "-rf", "a b", "$(touch x)", "x;y", "a\x00b", "")


@pytest.mark.parametrize("name", OUT)
@pytest.mark.faults("Names that lead out of the project, or are options or shell words", happens="refused before any job", user=REFUSED)  # fmt: skip  # noqa: E501
def test_a_name_is_one_plain_word(tmp_path: Path, name: str) -> None:
    data = STUDY["data"]
    with pytest.raises(ConfigError):
        plan_study(content(experiments=[name]), ROOT / "config")
    with pytest.raises(ConfigError):
        plan_study(content(data=data | {"vintage": name}), ROOT / "config")
    with pytest.raises(ConfigError):
        plan_study(content(data=data | {"source": name}), ROOT / "config")
    with pytest.raises(ConfigError):
        plan_study(content(meta=[name]), ROOT / "config")
    with pytest.raises(ConfigError, match="calendar"):
        plan_study(content(data=data | {"validation": {"calendar": name}}), ROOT / "config")
    for change in ({"ids": {name: {"seed": 1}}}, {"variant": name}, {"models": [name]}, {"tuning": name}):
        with pytest.raises(ConfigError, match=next(iter(change))):
            validate(Experiment, SMALL | change, "small.yaml")


@pytest.mark.parametrize("name", ["(", "x|y", "[a-z]", "{symbol}", "a\n"])
def test_a_name_is_no_pattern_either(name: str) -> None:
    with pytest.raises(ConfigError, match="ids"):
        validate(Experiment, SMALL | {"ids": {name: {"seed": 1}}}, "small.yaml")
    with pytest.raises(ConfigError, match="vary: `pooling"):
        vary("patchtst-mixed", ModelFile(model="patchtst"), {"pooling": ["last", name]})


@pytest.mark.parametrize(
    "file", ["../../evil.yaml", "/tmp/evil.yaml", "results/../../evil.yaml", "results/{phase}.yaml", "", "."]
)
@pytest.mark.faults("A selection file outside of the project", happens="refused before any job", user=REFUSED)
def test_a_selection_is_written_below_the_project(file: str) -> None:
    with pytest.raises(ConfigError, match=r"selection\.file"):
        plan_study(content(selection={"file": file, "phases": ["phase1"]}), ROOT / "config")


@pytest.mark.parametrize("name", [n for n in OUT if "\x00" not in n])
@pytest.mark.faults("Symbols that lead out of the project", happens="refused before any job", user=REFUSED)
def test_a_symbol_is_one_plain_word(project: Project, name: str) -> None:
    path = project.folder / "config" / "data" / "assets.yaml"
    assets = yaml.safe_load(path.read_text())
    for change in ({"rows": assets["rows"] | {"A": [name]}}, {"sources": {"files": {"SPY": name}}}):
        path.write_text(yaml.safe_dump(assets | change))
        with pytest.raises(ConfigError, match=r"assets\.yaml"):
            plan_study(content(experiments=["small"]), project.folder / "config")


@pytest.mark.faults("HTML and formulas in titles, notes and questions", happens="escaped in the report; shown as text in CSV files", user="nothing")  # fmt: skip  # noqa: E501
def test_strings_of_the_user_are_text_in_the_report(finished: Project) -> None:
    page = (finished.folder / "results" / "report.html").read_text()
    for raw in ("<script>alert", "<img src=x"):
        assert raw not in page
    assert "&lt;script&gt;alert(1)" in page
    for path in (finished.folder / "results").rglob("*.svg"):
        assert "<script>alert" not in path.read_text(), path
    questions = (
        pl.read_csv(finished.folder / "results" / "runs.csv", glob=False)["question"].unique().to_list()
    )
    assert questions == ["'" + FORMULA + HOSTILE]


def test_texts_that_a_spreadsheet_would_run_get_an_apostrophe() -> None:
    words = ["=1+1", "+1", "-1", "@x", "\tx", "SPY", "a=b"]
    safe = spreadsheet_safe(pl.DataFrame({"x": words, "n": range(len(words))}))
    assert safe["x"].to_list() == ["'=1+1", "'+1", "'-1", "'@x", "'\tx", "SPY", "a=b"]
    assert safe["n"].to_list() == list(range(len(words)))


@pytest.mark.parametrize(
    "address",
    [
        f"http://me:{SECRET}@host:5000",
        f"https://{SECRET}@host",
        f"postgresql://me:{SECRET}@host/mlflow",
        f"https://host/x?api_key={SECRET}",
        f"https://host/x?a=1&Access-Token={SECRET}",
        f"https://host/x#token={SECRET}",
    ],
)
@pytest.mark.faults("A password or a key in the address of a server (tracking, data)", happens="refused: it would stand in result files", user="put it into the environment (MLFLOW_TRACKING_PASSWORD, FRED_API_KEY)")  # fmt: skip  # noqa: E501
def test_a_secret_in_an_address_is_refused_and_not_repeated(address: str) -> None:
    for change, words in (
        ({"tracking": {"mlflow_uri": address}}, "tracking.mlflow_uri.*MLFLOW_TRACKING_PASSWORD"),
        ({"data": STUDY["data"] | {"addresses": {"fred": address}}}, "data.addresses.fred.*FRED_API_KEY"),
        ({"data": STUDY["data"] | {"addresses": address}}, "data.addresses"),
        ({"tracking": {"mlflow_url": address}}, "mlflow_uri"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            plan_study(content(**change), ROOT / "config")
        assert SECRET not in str(caught.value)


def test_addresses_without_secrets_are_taken() -> None:
    for address in (
        "http://host:5000/x?format=csv",
        "sqlite:////tmp/a@b:c.db",
        "postgresql://me@host/mlflow",
    ):
        assert validate(TrackingConfig, {"mlflow_uri": address}, "tracking").mlflow_uri == address


@pytest.mark.parametrize("name", ["FRED_API_KEY", "MLFLOW_TRACKING_TOKEN", "DB_PASSWORD", "MY_SECRET"])
@pytest.mark.faults("`${FRED_API_KEY}` in a note or a title", happens="refused: the report would show it", user="take it out; programs read keys from the environment themselves")  # fmt: skip  # noqa: E501
def test_a_secret_of_the_environment_does_not_become_a_word_of_the_configuration(name: str) -> None:
    for text in (f"key: ${{{name}}}", f"${{{name}:-none}}"):
        with pytest.raises(ConfigError, match=name) as caught:
            plan_study(content(note=text), ROOT / "config", {name: SECRET})
        assert SECRET not in str(caught.value)


@pytest.mark.slow
@pytest.mark.faults("Keys in the environment (FRED, W&B, MLflow)", happens="in no file of data/ and results/ (tracking stores too), in no log, in no output", user="nothing")  # fmt: skip  # noqa: E501
def test_planted_keys_are_in_no_output(project: Project, monkeypatch, record_property) -> None:
    for name in ("FRED_API_KEY", "WANDB_API_KEY", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.setenv(name, SECRET)
    project.study(tracking={"mlflow": True, "wandb": "offline"})
    done = project.snakemake("results/report.html")
    assert done.returncode == 0, done.stdout
    assert SECRET not in done.stdout
    files = [path for path in project.folder.rglob("*") if path.is_file()]
    assert (project.folder / "results" / "tracking" / "mlflow.db") in files
    assert (project.folder / LOGISTIC / "metrics.json") in files
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    record_property("happened", f"in none of {len(files)} files (tracking stores too), in no output")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (None, "no such file"),
        (b"title: caf\xe9\n", "not valid YAML"),
        (b"note: 2023-02-30\n", "not valid YAML"),
        (b"__use_yte__: true\nnote: ?__import__('os').system('touch PROOF')\n", "__use_yte__"),
    ],
)
@pytest.mark.faults(
    "A configuration that is missing, in another encoding, or asks Snakemake to run code in it",
    happens="refused with one message, by plain Snakemake too; nothing is run",
    user=REFUSED,
)
def test_a_configuration_is_looked_at_before_snakemake_opens_it(tmp_path: Path, written, words: str) -> None:
    if written is not None:
        (tmp_path / "study.yaml").write_bytes(written)
    command = [sys.executable, "-m", "snakemake", "-n", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--configfile", "study.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "PROOF").exists()

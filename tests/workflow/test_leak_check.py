"""`make leak-check` as a user meets it: one's own feature, source, series and model, leaky and fixed."""

import subprocess
import sys

import polars as pl
import yaml

FEATURE = """
import polars as pl

from lib.features.declaration import feature, lengths


@feature(
    "close_to_own_high_{length}", family="own", formula="C[t] / max H over {length} bars",
    inputs=("high", "close"), look_back=lambda length: length, at={2000: lengths(33)},
)
def close_to_own_high(bars, length):
    return pl.col("close") / pl.col("high").rolling_max(length, center=True)
"""
SOURCE = """
from lib.data.sources.files import FilesSource


class Mine(FilesSource):
    name = "mine"

    def prices(self, symbol):
        return super().prices(symbol).fill_null(strategy="backward")


SOURCE = Mine
"""
MODEL = """
import numpy as np

from lib.config.base import StrictModel
from lib.models.contract import Model, ModelMetadata
from lib.models.registry import register
from lib.models.rounds import history_row, untrained_result
from lib.models.storage import read_plain, write_plain


class MineSettings(StrictModel):
    pass


@register("own:mine")
class Mine(Model):
    metadata = ModelMetadata(has_budget=False, input="last_bar")
    Settings = MineSettings

    def fit(self, train, selection, context):
        self.centre = float(train.last_bars()[:, 0].mean())
        return untrained_result(0.7, 0.0, [history_row(1, 0.7, 0.7, 0.7, 0.0)])

    def forecast(self, samples):
        last = samples.last_bars()[:, 0]
        return 0.5 + 0.1 * np.tanh(last - last.mean())

    def save(self, folder):
        write_plain(folder, self, {"centre": self.centre})

    @classmethod
    def load(cls, folder):
        model, content = read_plain(folder, cls)
        model.centre = content["centre"]
        return model
"""
MENDED = {
    "lib/features/families/own.py": (FEATURE, ("length, center=True", "length")),
    "lib/data/sources/mine.py": (SOURCE, ("backward", "forward")),
    "own/mine.py": (MODEL, ("last.mean()", "self.centre")),
}


def leak_check(project, *what):
    command = [sys.executable, "-m", "workflow_scripts.leak_check", "--configfile", "study.yaml", *what]
    environment = {**project.environment, "COLUMNS": "300"}
    return subprocess.run(
        command, cwd=project.folder, env=environment, capture_output=True, text=True, check=False
    )


def add_own(project, fixed: bool) -> None:
    for name, (text, change) in MENDED.items():
        path = project.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace(*change) if fixed else text)
    (project.folder / "config/models/mine.yaml").write_text("{model: mine, plugin: own/mine.py}")
    path = project.folder / "config/data/series.yaml"
    series = yaml.safe_load(path.read_text())
    publication = {"days": 3, "business_days": False} | ({"period": "own"} if fixed else {})
    series["series"]["INDUSTRY"] = {
        "title": "monthly", "group": "rate", "publication": publication, "names": {"mine": "INDUSTRY"}
    }  # fmt: skip
    series["columns"]["b"] = {"required": ["INDUSTRY"]}
    path.write_text(yaml.safe_dump(series))
    months = pl.date_range(pl.date(1996, 1, 1), pl.date(2008, 12, 1), "1mo", eager=True)
    table = pl.DataFrame({"date": months, "value": [50 + (n * 37) % 11 for n in range(len(months))]})
    table.write_csv(project.folder / "market" / "INDUSTRY.csv")
    holes = pl.int_range(pl.len()) % 400 == 77
    prices = pl.read_csv(project.csv()).with_columns(open=pl.when(holes).then(None).otherwise("open"))
    prices.write_csv(project.csv())
    project.study(data={"source": "mine", "series_from": ["mine"]})
    project.experiment(datasets=["Ab20"], models=["base_rate", "mine"])


def test_everything_of_ones_own_is_tested_in_one_command(project):
    add_own(project, fixed=False)
    found = leak_check(project)
    assert found.returncode == 1, found.stdout + found.stderr
    lines = {line[12:].split(": ")[0]: line[:12].strip() for line in found.stdout.splitlines()}
    assert lines["feature:close_to_own_high_33 daily"] == "leak"
    assert lines["series:INDUSTRY"] == "leak"
    assert lines["source:mine prices SPY"] == "leak"
    assert lines["source:mine series INDUSTRY"] == "clean"
    assert lines["model:mine"] == "leak"
    assert lines["model:base_rate"] == "clean"
    assert lines["feature:all 20 daily"] == "clean"
    assert "FAILED: 4 leak of 7." in found.stdout

    add_own(project, fixed=True)
    by_name = ("feature:close_to_own_high_33", "series:INDUSTRY", "source:mine", "model:mine")
    fixed = leak_check(project, *by_name)
    assert fixed.returncode == 0, fixed.stdout + fixed.stderr
    assert "No look-ahead found in 5 of 5." in fixed.stdout
    assert not (project.folder / "data").exists(), "nothing of the study was made or changed"
    assert not (project.folder / "results").exists()


def test_a_wrong_name_is_explained(project):
    refused = leak_check(project, "model:logistics")
    assert refused.returncode == 1
    assert "no experiment of this configuration trains it. Did you mean logistic?" in refused.stderr
    assert "Traceback" not in refused.stderr

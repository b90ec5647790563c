"""A model of one's own is one file: written into a folder, trained, searched, evaluated like any other."""

import json
import re

import polars as pl
import yaml

RUN = "results/runs/base/Aa20/daily/direction/h5/momentum/none/seed1"
PLUGIN = '''
"""The share of rises after a rise, or after a fall, weighted towards one half."""

import json

import numpy as np
from pydantic import Field

from lib.config.base import StrictModel
from lib.metrics.losses import mean_loss
from lib.models.contract import Model, ModelMetadata
from lib.models.rounds import history_row, untrained_result
from lib.models.registry import register
from lib.models.storage import read_plain, write_plain


class MomentumSettings(StrictModel):
    weight: float = Field(1.0, ge=0, le=1)


@register("own:momentum")
class Momentum(Model):
    metadata = ModelMetadata(has_budget=False, input="last_bar", description="rises after rises")
    Settings = MomentumSettings

    def fit(self, train, selection, context):
        self.check_training(train, selection)
        rose = self._rose(train)
        self.shares = [float(train.target[rose == state].mean()) for state in (False, True)]
        losses = [mean_loss(part.target, self.forecast(part), True) for part in (train, selection)]
        return untrained_result(losses[1], 0.0, [history_row(1, *losses, losses[1], 0.0)])

    def forecast(self, samples):
        share = np.array(self.shares)[self._rose(samples).astype(int)]
        return 0.5 + self.settings.weight * (share - 0.5)

    def save(self, folder):
        write_plain(folder, self, {"shares": self.shares})

    @classmethod
    def load(cls, folder):
        model, content = read_plain(folder, cls)
        model.shares = content["shares"]
        return model

    def _rose(self, samples):
        return samples.last_bars()[:, samples.channel_names.index("log_return_1")] > 0
'''
FILE = {"model": "momentum", "plugin": "own/momentum.py"}


def add_plugin(project, **more):
    (project.folder / "own").mkdir()
    (project.folder / "own" / "momentum.py").write_text(PLUGIN)
    path = project.folder / "config" / "models" / "momentum.yaml"
    path.write_text(yaml.safe_dump(FILE | more))


def test_a_model_of_ones_own_is_one_file(prepared):
    add_plugin(prepared)
    prepared.experiment(models=["base_rate", "momentum"])
    done = prepared.snakemake("results/runs.parquet")
    assert done.returncode == 0, done.stdout
    runs = pl.read_parquet(prepared.folder / "results/runs.parquet").filter(pl.col("model") == "momentum")
    assert runs["status"].to_list() == ["done"]
    assert runs["family"].to_list() == ["own"]
    params = yaml.safe_load((prepared.folder / RUN / "params.yaml").read_text())
    assert (params["model"], params["plugin"]) == ("own:momentum", "own/momentum.py")

    plugin = prepared.folder / "own" / "momentum.py"
    plugin.write_text(f"# a comment\n{PLUGIN}")
    assert "Nothing to be done" in prepared.snakemake("-n", "results/runs.parquet").stdout
    plugin.write_text(PLUGIN.replace("weight * (share", "weight / 2 * (share"))
    again = prepared.snakemake("-n", "results/runs.parquet").stdout
    assert re.search(r"^train +1$", again, re.MULTILINE), "this model is trained again, and no other"

    plugin.write_text(PLUGIN.replace("def save", "def store"))
    refused = prepared.snakemake("-n", "results/runs.parquet")
    assert refused.returncode == 1
    assert "these methods are missing: save" in refused.stdout
    assert "Traceback" not in refused.stdout


def test_a_model_without_budgets_is_searched_in_its_own_space(prepared):
    space = {"weight": {"type": "float", "low": 0.0, "high": 1.0}}
    add_plugin(prepared, search=space)
    prepared.experiment(models=["base_rate", "momentum"], tuning="quickstart", n_trials=4)
    done = prepared.snakemake(f"{RUN}/metrics.json")
    assert done.returncode == 0, done.stdout
    [best] = (prepared.folder / "results/hpo").rglob("best.json")
    found = json.loads(best.read_text())
    assert set(found["parameters"]) == {"weight"}
    assert found["n_trials"] == 4
    params = yaml.safe_load((prepared.folder / RUN / "params.yaml").read_text())
    assert params["settings"]["weight"] == found["parameters"]["weight"]

    add = {"search": {"weights": space["weight"]}}
    (prepared.folder / "config/models/momentum.yaml").write_text(yaml.safe_dump(FILE | add))
    refused = prepared.snakemake("-n", "results/runs.parquet")
    assert "`weights` is neither a setting of the model" in refused.stdout
    assert "Did you mean weight?" in refused.stdout

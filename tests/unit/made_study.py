"""A whole study on disk whose predictions were made up, not trained, in a world whose answer is known.

Every run's forecast is the true log-odds plus an error whose size follows a law of its parameters, channels,
training samples, row and column, and has its own seed. For tests, and to look at a report of any size:

    python -m tests.unit.made_study FOLDER          # writes results/ of 500 runs below FOLDER
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from lib.config.base import split_dataset
from lib.config.experiment import PlannedExperiment
from lib.config.workflow import EvaluationConfig
from lib.data.io import write_json_atomic, write_parquet_atomic
from lib.scaling.run_table import collect_runs, read_run
from lib.scaling.samples import read_predictions
from lib.scaling.summary import scaling_summary
from lib.scoring.folders import RunFolder, evaluate_folders
from tests.unit.tables import prices_of

PARAMETERS = {"2M": 2_021_953, "20M": 20_104_321, "200M": 201_612_289, "none": 21}
HISTORY_START, VALIDATION_START, TEST_START = date(2005, 1, 3), date(2013, 1, 1), date(2016, 1, 1)
TEST_END = date(2018, 12, 31)
SYMBOL = "^GSPC"
BEGUN = {
    "none": "2026-01-01T12:00:00+00:00", "2M": "2026-01-02T12:00:00+00:00",
    "20M": "2026-01-03T12:00:00+00:00", "200M": "2026-01-30T12:00:00+00:00",
}  # fmt: skip
"""When the training of a size was begun, smaller ones first."""
REGISTERED = {
    "transformer": "transformer:patchtst",
    "boosting": "boosting:xgboost",
    "linear": "linear:logistic",
    "naive": "naive:base_rate",
    "reference": "reference:oracle",
}
FAMILY = {
    "patchtst-mixed": "transformer", "xgboost": "boosting", "logistic": "linear", "oracle": "reference",
    "oracle-flat": "reference",
}  # fmt: skip
"""Of each model; all others look at nothing."""
LAW = {"2M": 1.2, "20M": 0.5, "200M": 0.05}
"""Error of each size where a law control expects that size helps."""
SHAPE = {"d_model": 192, "n_heads": 8, "n_layers": 6, "d_ff": 480}
CFG = EvaluationConfig()
TASKS = {
    "direction": 0.1, "threshold_1pct": 1.0, "threshold_2pct": 1.0, "regression": 0.0, "triple_barrier": 1.0,
}  # fmt: skip
"""Standard deviation of the true log-odds of each task: how much can be known at all."""


@dataclass(frozen=True)
class World:
    """How the error of a forecast (standard deviation of its log-odds) depends on what it was made with."""

    parameters: float = 0.15
    """Exponent of the error in the number of parameters."""
    features: float = 0.1
    data: float = 0.3
    per_column: float = 0.03
    """Error that every further column takes away."""
    base_error: float = 0.8
    seed_noise: float = 0.05
    seed: int = 0

    def error(self, row: Mapping[str, Any]) -> float:
        """Standard deviation of a run's error."""
        tier = split_dataset(row["dataset"])[2]
        column = "abcd".index(split_dataset(row["dataset"])[1])
        size = PARAMETERS[row["budget"]] / 2e6 if row["budget"] != "none" else 1.0
        error = self.base_error * size**-self.parameters * (tier / 20) ** -self.features
        error *= row["train_fraction"] ** -self.data
        return max(0.02, error - self.per_column * column)


@dataclass
class Study:
    """Experiments, their runs and where they lie."""

    experiments: dict[str, PlannedExperiment]
    rows: list[dict[str, Any]] = field(default_factory=list)
    folder: Path = Path()


def business_days(first: date, last: date) -> list[date]:
    """Monday to Friday."""
    days = (first + timedelta(days=i) for i in range((last - first).days + 1))
    return [day for day in days if day.weekday() < 5]


def prices(seed: int = 0) -> pl.DataFrame:
    """A random walk with clustering volatility: date, symbol, open, high, low, close."""
    days = business_days(HISTORY_START, TEST_END)
    rng = np.random.default_rng(seed)
    volatility = 0.009 * np.exp(
        np.convolve(rng.normal(0, 0.25, len(days) + 60), np.ones(60) / 8, "valid")[: len(days)]
    )
    close = 100 * np.exp(np.cumsum(volatility * rng.normal(size=len(days)) + 0.0002))
    opening = np.append(close[0], close[:-1]) * np.exp(0.2 * volatility * rng.normal(size=len(days)))
    return prices_of(days, opening, close, 0.0, SYMBOL, beyond=0.001).drop("volume")


def big_study(
    budgets: Sequence[str] = ("2M", "20M", "200M"), seeds: Sequence[int] = (42, 43, 44, 45, 46)
) -> dict[str, PlannedExperiment]:
    """Three budgets x five seeds x four tiers x five rows, columns, shares of data, baselines, controls."""
    grid: dict[str, Any] = {"timescales": ["daily"], "horizons": [5], "models": ["patchtst-mixed"],
                            "budgets": list(budgets), "seeds": list(seeds)}  # fmt: skip
    tiers, rows, columns = (20, 50, 200, 500), "ABCDE", "bcd"
    tasks = ["direction", "threshold_1pct", "threshold_2pct", "regression"]
    return {
        "phase1": PlannedExperiment(
            question="Does forecast loss fall as PatchTST grows from 2M to 200M parameters?",
            datasets=["Aa20"], tasks=tasks, **grid,
        ),
        "phase5": PlannedExperiment(
            question="Do parameters, input channels and assets help each other?",
            datasets=[f"{row}a{tier}" for row, tier in product(rows, tiers)],
            tasks=["threshold_1pct"], **grid,
        ),
        "phase4": PlannedExperiment(
            question="Do sentiment, volatility and search data help?",
            datasets=["Aa20", *(f"A{column}20" for column in columns)], tasks=["threshold_1pct"], **grid,
        ),
        **{
            f"data_{name}": PlannedExperiment(
                question="Does loss fall with the share of training dates?", variant=name, condition="base",
                train_fraction=share,
                datasets=["Aa20"], tasks=["direction", "threshold_1pct"], **grid,
            )
            for name, share in (("frac12", 0.125), ("frac25", 0.25), ("frac50", 0.5))
        },
        "baselines": PlannedExperiment(
            question="What do simple baselines reach on the same samples?", datasets=["Aa20"],
            timescales=["daily"], tasks=tasks, horizons=[5],
            models=["base_rate", "logistic", "xgboost"], seeds=[42],
        ),
        "control_null": PlannedExperiment(
            question="Is nothing found where there is nothing?", role="null_control", variant="null",
            labels="shifted", datasets=["Aa20"], tasks=["threshold_1pct"], **grid,
        ),
        "control_positive": PlannedExperiment(
            question="Is a planted signal found?", role="positive_control", variant="planted",
            data={"source": "synthetic", "vintage": "planted-1"}, datasets=["Aa20"], tasks=["direction"],
            **grid | {"horizons": [1], "seeds": [42]},
        ),
        "control_leak": PlannedExperiment(
            question="Does the alarm go off at a planted leak?", role="leak_control", variant="leak",
            planted="tomorrow", datasets=["Aa20"], tasks=["threshold_1pct"], **grid | {"seeds": [42]},
        ),
        **{
            f"control_{name}": PlannedExperiment(
                question="Is a known law told as what it is?", role="law_control", variant=name,
                expects=expects, data={"source": "synthetic", "vintage": "planted-2"}, datasets=["Aa20"],
                tasks=["direction"], **grid | {"horizons": [1], "models": [model]},
            )
            for name, expects, model in (("law", "scales", "oracle"), ("law_twin", "flat", "oracle-flat"))
        },
    }  # fmt: skip


def small_study() -> dict[str, PlannedExperiment]:
    """One question with controls and baselines: two dozen runs."""
    study = big_study(seeds=(42, 43, 44))
    controls = [name for name in study if name.startswith("control_")]
    keep = {name: study[name] for name in ("phase1", "baselines", *controls)}
    keep["phase1"] = keep["phase1"].model_copy(update={"tasks": ["threshold_1pct"]})
    keep["baselines"] = keep["baselines"].model_copy(update={"tasks": ["threshold_1pct"]})
    return keep


def make_study(
    folder: Path, experiments: Mapping[str, PlannedExperiment] | None = None, world: World = World()
) -> Study:
    """Write the run folders of a study: predictions, history, parameters, provenance. No model anywhere."""
    study = Study(dict(experiments or big_study()), folder=folder)
    market = prices(world.seed)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    market.write_parquet(folder / "data" / "daily.parquet")
    seen = set()
    for name, experiment in study.experiments.items():
        for row in _declared(name, experiment):
            if row["path"] in seen:
                continue
            seen.add(row["path"])
            row["path"] = (folder / row["path"]).as_posix()
            study.rows.append(row)
            _write_run(row, experiment, market, world)
    return study


def facts_of(experiment: PlannedExperiment) -> dict[str, Any]:
    """What a plan says of an experiment's runs beside their key."""
    return {
        "condition": experiment.condition, "fold": experiment.fold,
        "train_fraction": experiment.train_fraction, "context_length": experiment.context_length or 80,
        "labels": experiment.labels,
    }  # fmt: skip


def _declared(name: str, experiment: PlannedExperiment) -> list[dict[str, Any]]:
    rows = []
    for dataset, timescale, task, horizon, model, seed in product(
        experiment.datasets, experiment.timescales, experiment.tasks, experiment.horizons,
        experiment.models, experiment.seeds,
    ):  # fmt: skip
        sized = model.startswith(("patchtst", "oracle"))
        for budget in experiment.budgets if sized else ["none"]:
            key = {"variant": experiment.variant, "dataset": dataset, "timescale": timescale, "task": task,
                     "horizon": horizon, "model": model, "budget": budget, "seed": seed}  # fmt: skip
            path = (
                f"results/runs/{experiment.variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}"
                f"/seed{seed}"
            )
            family = FAMILY.get(model, "naive")
            declared = {"experiment": name, "role": experiment.role, "question": experiment.question}
            rows.append(key | facts_of(experiment) | declared | {"family": family, "path": path})
    return rows


def truth(task: str, horizon: int, days: int, planted: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True log-odds (or expected returns) and outcomes; labels of H bars overlap, so they are dependent."""
    rng = np.random.default_rng([seed, len(task), planted])
    spread = 1.5 if planted else TASKS[task]
    slow = np.convolve(rng.normal(size=days + 19), np.ones(20) / np.sqrt(20), "valid")
    common = np.convolve(rng.normal(size=days + horizon - 1), np.ones(horizon) / np.sqrt(horizon), "valid")
    if task == "regression":
        signal = 0.002 * slow
        return signal, signal + 0.02 * common
    odds = spread * slow + (0.35 if task == "direction" else -0.4)
    from scipy.special import expit, ndtr

    return odds, (ndtr(common) < expit(odds)).astype(float)


def _write_run(
    row: Mapping[str, Any], experiment: PlannedExperiment, market: pl.DataFrame, world: World
) -> None:
    task, horizon = str(row["task"]), int(row["horizon"])
    planted = experiment.role in ("positive_control", "law_control")
    dates = market.filter(pl.col("date") >= VALIDATION_START)["date"].to_list()[:-horizon]
    known, target = truth(task, horizon, len(dates), planted, world.seed)
    rng = np.random.default_rng([int(row["seed"]), world.seed, hash_of(str(row["path"]))])
    error = world.error(row) * (1 + world.seed_noise * rng.normal())
    if planted:
        error = LAW[row["budget"]] if experiment.expects == "scales" else 0.05 if experiment.expects else 0.2
    if experiment.labels == "shifted":
        target = np.random.default_rng(5).permutation(target)
    if experiment.planted == "tomorrow":
        known, error = 6.0 * (2.0 * target - 1.0), 1.0
    unit = 0.002 if task == "regression" else 1.0
    score = known + unit * error * rng.normal(size=known.size)
    if row["family"] == "naive":
        score = np.full(
            known.size, 0.0 if task == "regression" else np.log(target.mean() / (1 - target.mean()))
        )
    probability = 1 / (1 + np.exp(-score))
    if experiment.labels == "shifted":
        probability = target.mean() + 0.1 * (probability - probability.mean())
    rate = float(target.mean())
    shares = None if task == "regression" else [1 - rate, rate]
    if task == "triple_barrier":
        target, shares = _with_neutrals(target), [0.75 * (1 - rate), 0.25, 0.75 * rate]
    frame = pl.DataFrame(
        {
            "date": dates,
            "symbol": SYMBOL,
            "horizon": horizon,
            "target": target,
            **_said(task, score, probability),
            "uncertainty": pl.Series([None] * len(dates), dtype=pl.Float64),
        }
    )
    validation = frame.filter(pl.col("date") < TEST_START)
    parts = ["selection" if i < 0.7 * validation.height else "calibration" for i in range(validation.height)]
    folder = Path(row["path"])
    write_parquet_atomic(
        validation.with_columns(part=pl.Series(parts)), folder / "predictions" / "val.parquet"
    )
    test = frame.filter(pl.col("date") >= TEST_START).with_columns(part=pl.lit("test"))
    write_parquet_atomic(test, folder / "predictions" / "test.parquet")
    _write_records(folder, row, shares, error, rng)


def _with_neutrals(target: np.ndarray) -> np.ndarray:
    """Every fourth day touches no barrier, which nobody foresees."""
    return np.where(np.arange(target.size) % 4 > 0, 2 * target - 1, 0.0)


def _said(task: str, score: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    """The columns of a forecast, from its score and the chance of a rise."""
    if task == "regression":
        return {"prediction": score}
    if task == "triple_barrier":
        rise, fall = 0.75 * probability, 0.75 * (1 - probability)
        return {
            "prediction": np.where(probability >= 0.5, 1.0, -1.0),
            "probability_-1": fall,
            "probability_0": 1 - rise - fall,
            "probability_1": rise,
        }
    said = (probability >= 0.5).astype(float)
    return {"prediction": said, "probability_0": 1 - probability, "probability_1": probability}


def hash_of(path: str) -> int:
    """A number from a run's key that is the same in every process and every folder."""
    return zlib.crc32(path.rsplit("results/runs/", 1)[-1].encode())


def _write_records(
    folder: Path, row: Mapping[str, Any], shares: list[float] | None, error: float, rng: np.random.Generator
) -> None:
    n_train = round(2000 * row["train_fraction"]) * (1 + "ABCDE".index(row["dataset"][0]))
    size = PARAMETERS[row["budget"]]
    key = {
        k: row[k] for k in ("variant", "dataset", "timescale", "task", "horizon", "model", "budget", "seed")
    }
    params = {
        "run": key,
        "model": REGISTERED[row["family"]],
        "settings": {"channel_mode": "mixed", "normalisation": "zscore", "pooling": "last"},
        "architecture": SHAPE if row["budget"] != "none" else None,
        "recipe": {"learning_rate": 3e-4, "weight_decay": 1e-5, "effective_batch": 256},
        "splits": {"train_end": "2012-12-31", "minimum_class_count": 20},
        "training_class_shares": shares,
        "windows": {"train": n_train},
        "hpo": None,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    write_json_atomic(
        folder / "provenance.json",
        {
            "begun": BEGUN[row["budget"]],
            "parameters": {"total": size, "embedding": size // 40, "head": 193},
            "fit": {"best_step": 40, "steps": 80,
                    "samples_per_second": 4e9 / size, "precision": "bf16",
                    "device": "cpu", "micro_batch": 32, "stopped_early": True},
            "seconds": {"fit": 8 * n_train * size / 4e9, "total": 8 * n_train * size / 4e9 + 4},
            "peak_memory_mb": 600 + size / 5e4,
            "data": {"dataset_sha256": "0" * 64},
        },
    )  # fmt: skip
    if row["family"] not in ("transformer", "boosting"):
        write_parquet_atomic(
            pl.DataFrame(
                schema={
                    "step": pl.Int64,
                    "train_loss": pl.Float64,
                    "validation_loss": pl.Float64,
                    "selection_loss": pl.Float64,
                }
            ),
            folder / "history.parquet",
        )
        return
    number = np.arange(1, 9)
    train = 0.7 - 0.02 * number * (1 + 0.15 * np.log10(max(size, 10) / 2e6))
    held = 0.69 - 0.01 * error - 0.008 * np.minimum(number, 4) + 0.006 * np.maximum(number - 4, 0)
    history = {"step": 10 * number, "train_loss": train + rng.normal(0, 0.001, 8),
               "validation_loss": held, "selection_loss": held - 0.001,
               "learning_rate": 3e-4 * np.cos(number / 8), "seconds": np.full(8, 4.0),
               "samples_per_second": np.full(8, 4e9 / size)}  # fmt: skip
    write_parquet_atomic(pl.DataFrame(history), folder / "history.parquet")


def summarise(
    study: Study, cfg: EvaluationConfig = CFG, processes: int = 1, version: int = 1
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Evaluate every run, write runs.parquet and scaling.json below results/, return them."""
    market = study.folder / "data" / "daily.parquet"
    folders = [RunFolder(Path(row["path"]), market, SYMBOL) for row in study.rows]
    problems = evaluate_folders(folders, cfg, version, processes)
    runs = collect_runs(
        study.rows, lambda path: read_run(Path(path)), {p.as_posix(): text for p, text in problems.items()}
    )
    summary = scaling_summary(
        study.experiments, runs, read_predictions, cfg, lambda *key: 0.75, primary=SYMBOL, search_trials=30
    )
    results = study.folder / "results"
    write_parquet_atomic(runs, results / "runs.parquet")
    write_json_atomic(results / "scaling.json", summary)
    return runs, summary


if __name__ == "__main__":
    target = Path(sys.argv[1])
    made = make_study(target)
    begun = time.monotonic()
    table, found = summarise(made, processes=2)
    print(
        f"{table.height} runs, {len(found['questions'])} questions, {len(found['interactions'])} interactions"
    )
    print(f"evaluated and summarised in {time.monotonic() - begun:.0f} s")
    print(json.dumps([(q["axis"], q["verdict"], q["reason"]) for q in found["questions"]], indent=1))

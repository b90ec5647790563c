"""A made-up small study in the shape that the workflow's files have: what the tests of the report look at."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from lib.config.run_key import Run
from lib.report.inputs import ReportInputs
from lib.scaling.run_columns import RUNS_SCHEMA

BUDGETS = {"2M": 2_021_953, "20M": 20_104_321, "200M": 201_612_289}
QUESTION = "Does forecast loss fall as PatchTST grows from 2M to 200M parameters?"
LEVEL = {
    "direction": {
        "2M": (0.528, 0.6921), "20M": (0.521, 0.6934), "200M": (0.509, 0.6952),
        "logistic": (0.517, 0.6912), "xgboost": (0.502, 0.7018), "base_rate": (0.5, 0.6885),
    },
    "threshold_1pct": {
        "2M": (0.688, 0.6391), "20M": (0.712, 0.6284), "200M": (0.703, 0.6331),
        "logistic": (0.731, 0.6187), "xgboost": (0.694, 0.6452), "base_rate": (0.5, 0.6731),
    },
}  # fmt: skip
"""AUC and log loss by task, and by size or model."""
RATE = {"direction": (0.553, 0.601, 0.584, 0.588), "threshold_1pct": (0.502, 0.381, 0.402, 0.376)}


KEY = tuple(Run.__dataclass_fields__)
FACTS = {"condition": "base", "fold": None, "train_fraction": 1.0, "context_length": 80}


def path_of(row: dict[str, Any]) -> str:
    return Run(**{k: row[k] for k in KEY}).label()


def run_row(task: str, model: str, budget: str, seed: int = 42, **changes: Any) -> dict[str, Any]:
    """One row of the table of runs, done unless the changes say otherwise."""
    auc, loss = LEVEL[task][budget if budget != "none" else model]
    rates = RATE[task]
    row: dict[str, Any] = dict.fromkeys(RUNS_SCHEMA) | {
        "experiment": "quickstart" if budget != "none" else "quickstart_baselines",
        "role": "question",
        "question": QUESTION if budget != "none" else "What do simple baselines reach?",
        "variant": "base",
        **FACTS,
        "dataset": "Aa20",
        "timescale": "daily",
        "task": task,
        "horizon": 5,
        "model": model,
        "family": "transformer"
        if budget != "none"
        else {"xgboost": "boosting", "logistic": "linear"}.get(model, "naive"),
        "budget": budget,
        "seed": seed,
        "status": "done",
        "param_count": BUDGETS.get(budget, 21 if model == "logistic" else None),
        "train_base_rate": rates[0],
        "n_train": 3395,
        "n_selection": 519,
        "n_calibration": 222,
        "n_test": 749,
        "effective_n_test": 149.8,
        "device": "cpu",
        "precision": "bf16" if budget != "none" else None,
    }
    for split, rate, n in zip(("selection", "calibration", "test"), rates[1:], (519, 222, 749), strict=True):
        width = 1.96 * 0.42 / (n / 5) ** 0.5 / 2
        row |= {
            f"{split}_base_rate": rate,
            f"{split}_auc": auc,
            f"{split}_auc_low": auc - width * 1.2,
            f"{split}_auc_high": auc + width * 1.2,
            f"{split}_log_loss": loss,
            f"{split}_log_loss_low": loss - width / 4,
            f"{split}_log_loss_high": loss + width / 4,
            f"{split}_base_rate_log_loss": LEVEL[task]["base_rate"][1],
            f"{split}_prediction_min": rate - (auc - 0.5) - 0.04,
            f"{split}_prediction_max": rate + (auc - 0.5) + 0.05,
        }
    if budget != "none":
        size = BUDGETS[budget]
        row |= {
            "best_step": {"2M": 54, "20M": 36, "200M": 18}[budget],
            "steps": 54,
            "train_seconds": size / 2.4e6,
            "total_seconds": size / 2.2e6 + 4,
            "samples_per_second": 3.4e9 / size,
            "peak_memory_mb": 600 + size / 5e4,
            "effective_batch": 32,
            "learning_rate": 3e-4,
            "weight_decay": 1e-5,
        }
    else:
        row |= {"total_seconds": 1.7, "train_seconds": 0.4, "peak_memory_mb": 310.0}
    row |= changes
    row["path"] = path_of(row)
    return row


def missing(row: dict[str, Any]) -> dict[str, Any]:
    kept = ("experiment", "role", "question", *FACTS, "family", *KEY, "path")
    return dict.fromkeys(RUNS_SCHEMA) | {k: row[k] for k in kept} | {"status": "missing"}


def all_rows() -> list[dict[str, Any]]:
    rows = [run_row(task, "patchtst-mixed", budget) for task in LEVEL for budget in BUDGETS]
    rows += [run_row(task, model, "none") for task in LEVEL for model in ("base_rate", "logistic", "xgboost")]
    for name, other in (
        ("null", {"test_auc": 0.486}), ("positive", {"variant": "planted", "horizon": 1, "test_auc": 0.741})
    ):  # fmt: skip
        own = {"variant": name, "experiment": f"control_{name}", "role": f"{name}_control"} | other
        rows.append(run_row("direction", "patchtst-mixed", "2M", **own))
    return rows


def runs_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=RUNS_SCHEMA, orient="row")


def points(task: str, budgets: tuple[str, ...] = tuple(BUDGETS)) -> list[dict[str, Any]]:
    out = []
    for budget in budgets:
        auc, loss = LEVEL[task][budget]
        out.append(
            {
                "budget": budget,
                "param_count": BUDGETS[budget],
                "seeds": 1,
                "value": loss,
                "low": loss - 0.009,
                "high": loss + 0.0095,
                "seed_deviation": None,
                "auc": auc,
                "auc_low": auc - 0.055,
                "auc_high": auc + 0.053,
                "n": 749,
                "effective_n": 149.8,
                "base_rate_log_loss": LEVEL[task]["base_rate"][1],
            }
        )
    return out


def estimate(value: float, half: float, holm: float = 0.01) -> dict[str, float]:
    """A number with its interval, and the wider one for all comparisons."""
    ends = {"low": value - half, "high": value + half, "low_holm": value - holm, "high_holm": value + holm}
    return {"estimate": value, **ends}


def curve(task: str, **changes: Any) -> dict[str, Any]:
    gain = LEVEL[task]["2M"][1] - LEVEL[task]["200M"][1]
    reason = (
        "Only one seed at 2M, 20M, 200M: the noise between seeds is unknown, so neither scaling nor flatness "
        f"can be claimed; counting the noise of dates alone, the gain in log loss is {gain:.4f}."
    )
    return {
        "variant": "base",
        **FACTS,
        "dataset": "Aa20",
        "timescale": "daily",
        "task": task,
        "horizon": 5,
        "model": "patchtst-mixed",
        "metric": "log_loss",
        "margin": 0.005,
        "points": points(task),
        "slope": estimate(-gain / 2, 0.004, 0.005)
        | {"unit": "log loss per tenfold parameters", "degrees_of_freedom": 1},
        "gain": estimate(gain, 0.008, 0.0092),
        "detectable_gain": 0.0115,
        "forms": [
            {"form": "flat", "aicc": -18.2, "note": ""},
            {"form": "log-linear", "aicc": -15.1, "note": ""},
            {"form": "power law with floor", "aicc": None, "note": "no degrees of freedom left"},
        ],
        "log_log_slope": estimate(-gain / 2 / 0.69 / 2.3026, 0.0025),
        "law": None,
        "recalibrated": estimate(gain / 2, 0.008, 0.009),
        "skill": [
            {"point": budget, "beats_base_rate": False}
            | estimate(LEVEL[task]["base_rate"][1] - LEVEL[task][budget][1], 0.009, 0.01)
            for budget in BUDGETS
        ],
        "equivalence": {
            "confidence": 0.9,
            "pairs": [{"from": "2M", "to": "200M"} | estimate(gain, 0.007)],
        },
        "verdict": "undecidable",
        "gate": "seeds",
        "moot": False,
        "reason": reason,
        "change_mind": ["At least two more seeds at 2M, 20M, 200M."],
        **changes,
    }


def baseline_table(task: str) -> dict[str, Any]:
    best = "base_rate" if task == "direction" else "logistic"
    rows = []
    for name, (auc, loss) in LEVEL[task].items():
        gap = None if name == best else loss - LEVEL[task][best][1]
        rows.append(
            {
                "model": name if name not in BUDGETS else "patchtst-mixed",
                "budget": name if name in BUDGETS else "none",
                "seeds": 1,
                "auc": auc,
                "auc_low": auc - 0.054 if auc != 0.5 else 0.5,
                "auc_high": auc + 0.054 if auc != 0.5 else 0.5,
                "log_loss": loss,
                "log_loss_low": loss - 0.009,
                "log_loss_high": loss + 0.009,
                "difference": gap,
                "difference_low": None if gap is None else gap - 0.0075,
                "difference_high": None if gap is None else gap + 0.0075,
                "difference_low_holm": None if gap is None else gap - 0.009,
                "difference_high_holm": None if gap is None else gap + 0.009,
            }
        )
    return {
        "variant": "base",
        **FACTS,
        "dataset": "Aa20",
        "timescale": "daily",
        "task": task,
        "horizon": 5,
        "split": "test",
        "metric": "log_loss",
        "rows": rows,
        "reference": best,
        "reference_budget": "none",
    }


def controls() -> list[dict[str, Any]]:
    common = {
        "dataset": "Aa20", "timescale": "daily", "task": "direction", "model": "patchtst-mixed",
        "budget": "2M", "level": 0.999, "passed": True,
    }  # fmt: skip
    return [
        common | {
            "experiment": "control_null", "role": "null_control", "variant": "null", "horizon": 5,
            "auc": 0.486, "low": 0.401, "high": 0.572, "planted_auc": None, "required_auc": None,
            "reason": "AUC 0.486 [0.401, 0.572] includes 0.5, as it must.",
        },
        common | {
            "experiment": "control_positive", "role": "positive_control", "variant": "planted", "horizon": 1,
            "auc": 0.741, "low": 0.702, "high": 0.779, "planted_auc": 0.767, "required_auc": 0.687,
            "reason": "AUC 0.741 reaches the required 0.687 (best reachable 0.767).",
        },
    ]  # fmt: skip


def scaling(**changes: Any) -> dict[str, Any]:
    question = {
        "experiment": "quickstart",
        "question": QUESTION,
        "axis": "parameters",
        "margin": 0.005,
        "analysis": "confirmatory",
        "verdict": "undecidable",
        "gate": "seeds",
        "moot": False,
        "reason": "Both curves are undecidable.",
        "change_mind": ["At least two more seeds at 2M, 20M, 200M."],
        "curves": [curve("direction"), curve("threshold_1pct")],
    }
    return {
        "confidence": 0.95,
        "questions": [question],
        "controls": controls(),
        "baselines": [baseline_table(task) for task in LEVEL],
        "test_access": 14,
        "warnings": [],
        **changes,
    }


def history(budget: str, task: str) -> pl.DataFrame:
    start, end = 0.735, LEVEL[task][budget][1]
    drift = {"2M": 0.0, "20M": 0.004, "200M": 0.011}[budget]
    return pl.DataFrame(
        {
            "step": [18, 36, 54],
            "train_loss": [start, (start + end) / 2, end - 0.006],
            "validation_loss": [end + 0.012 - drift, end + 0.003, end + drift],
            "selection_loss": [end + 0.011 - drift, end + 0.002, end - 0.001 + drift],
            "learning_rate": [3e-4, 2e-4, 1e-6],
            "seconds": [4.0, 4.0, 4.0],
            "samples_per_second": [180.0] * 3,
            "temperature": [None] * 3,
        }
    )


def rounds(task: str) -> pl.DataFrame:
    n = np.arange(1, 201)
    held = LEVEL[task]["xgboost"][1] - 0.012 + 0.02 * np.exp(-n / 15) + n * 6e-5
    return pl.DataFrame(
        {
            "step": n,
            "train_loss": 0.55 + 0.14 * np.exp(-n / 60),
            "validation_loss": held,
            "selection_loss": held - 0.001,
        }
    )


def measures(row: dict[str, Any]) -> dict[str, Any]:
    auc, centre = row["test_auc"], row["test_base_rate"]
    rng = np.random.default_rng(len(row["path"]))
    width = 0.02 + (auc - 0.5) if row["model"] != "base_rate" else 0.0
    steps = np.linspace(-1, 1, 10) if width else np.zeros(1)
    bins = [
        {
            "bin_low": centre + width * (s - 0.1),
            "bin_high": centre + width * (s + 0.1),
            "mean_probability": centre + width * s,
            "count": round(749 / len(steps)),
            "observed": float(
                np.clip(centre + 0.8 * width * s + rng.normal(0, 0.05) * bool(width), 0.02, 0.98)
            ),
        }
        for s in steps
    ]
    warnings = []
    if row["model"] == "base_rate":
        warnings = ["test: predictions have collapsed to the range 0.553 to 0.553."]
    return {"run": {}, "splits": {}, "reliability": {"test": bins, "calibration": []}, "warnings": warnings}


def findings() -> pl.DataFrame:
    days = [date(2001, 9, 11) + timedelta(days=i) for i in range(4)]
    rows = [
        ("warning", "^GSPC", day, "missing_session", None, f"no row on {day}, an exchange session")
        for day in days
    ]
    rows.append(("info", "^GSPC", None, "zero_volume", 3.0, "3 sessions without volume"))
    rows.append(("warning", "^GSPC", date(2008, 10, 13), "jump", 0.1158, "a move of 11.6 % in one session"))
    text = dict.fromkeys(("severity", "symbol", "date", "rule", "value", "message"), pl.String)
    schema = text | {"date": pl.Date, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


SEARCH = "results/hpo/base/Aa20/daily/direction/h5/patchtst-mixed/2M/search1"
SHARES = {"learning_rate": 0.61, "architecture": 0.27, "effective_batch": 0.12}


def search() -> tuple[dict[str, Any], pl.DataFrame]:
    """An architectural search whose best trial has the largest batch."""
    values = [0.6941, 0.6902, None, 0.6895, 0.6958, None, 0.6887, 0.6893]
    labels = ["d480_l1_h8_f960", "d240_l4_h8_f480", "d176_l8_h8_f352", "d96_l16_h8_f384"]
    frame = pl.DataFrame(
        {
            "number": list(range(8)),
            "state": ["complete" if v else "pruned" for v in values],
            "value": values,
            "architecture": [labels[i] for i in (0, 1, 2, 3, 0, 1, 2, 1)],
            "learning_rate": [3e-4, 1e-4, 8e-3, 5e-4, 2e-3, 1e-2, 6e-4, 7e-4],
            "effective_batch": [32, 64, 128, 256, 32, 64, 256, 128],
            "param_count": [2_021_953] * 8,
        }
    )
    best = {
        "parameters": {"learning_rate": 6e-4, "effective_batch": 256, "architecture": labels[2]},
        "space": {
            "architecture": {"type": "choice", "values": labels, "ordered": True},
            "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True},
            "effective_batch": {"type": "choice", "values": [32, 64, 128, 256], "ordered": True},
        },
        "architecture": None,
        "param_count": 2_021_953,
        "best_value": 0.6887,
        "median_value": 0.6899,
        "worst_value": 0.6958,
        "best_trial": 6,
        "n_trials": 8,
        "seconds": 41.0,
    }
    return best, frame


def full_study() -> ReportInputs:
    """Everything there, as the quickstart leaves it."""
    rows = all_rows()
    sized = [r for r in rows if r["budget"] != "none"]
    trees = [r for r in rows if r["model"] == "xgboost"]
    cost = {
        "train": (14, 212.0, 4890.0),
        "search_hyperparameters": (1, 41.0, 1200.0),
        "evaluate": (14, 18.3, 240.0),
        "discover_batch_size": (3, 64.0, 4700.0),
        "build_dataset": (2, 2.4, 310.0),
        "import_prices": (2, 1.9, 190.0),
        "fit_scaling": (1, 3.3, 260.0),
    }
    return ReportInputs(
        title="Do scaling laws hold on the S&P 500? (quickstart)",
        note="This is the quickstart: true model sizes, real market data, but a few dozen optimiser steps "
        "and one seed. It shows what the study will look like; it is far too little compute for a finding.",
        runs=runs_frame(rows),
        scaling=scaling(),
        histories={r["path"]: history(r["budget"], r["task"]) for r in sized}
        | {r["path"]: rounds(r["task"]) for r in trees},
        metrics={r["path"]: measures(r) for r in rows},
        params={r["path"]: {"role": r["role"]} for r in rows},
        findings=findings(),
        prices={
            "^GSPC": {
                "source": "embedded",
                "vintage": "embedded-2018",
                "rows": 5031,
                "first": "1999-01-04",
                "last": "2018-12-31",
                "sha256": "9f2c" * 16,
            }
        },
        splits={
            "train_end": "2012-12-31",
            "validation_start": "2013-01-01",
            "validation_end": "2015-12-31",
            "test_start": "2016-01-01",
            "test_end": "2018-12-31",
            "selection_share": 0.7,
            "embargo_days": 0,
        },
        hpo={SEARCH: search()},
        importances={SEARCH: {"method": "fANOVA", "n_trials": 8, "shares": SHARES, "reason": None}},
        cost=pl.DataFrame(
            [{"rule": k, "jobs": j, "seconds": s, "peak_memory_mb": m} for k, (j, s, m) in cost.items()]
        ),
        provenance={
            "git_commit": "5c297e6d3b1f4a0c9e8b7a6d5c4b3a2f1e0d9c8b",
            "date": "2026-11-20T22:41:00",
            "hardware": {"platform": "Linux x86_64", "cpu": "Xeon", "cores": 2, "memory_gb": 16, "gpu": None},
            "packages": {"torch": "2.15.0", "transformers": "5.23.0", "polars": "2.1.0", "optuna": "5.0.0"},
        },
        channel_correlation={
            "Aa20": pl.DataFrame(
                {
                    "channel": ["return_1", "rsi_14", "macd"],
                    "family": ["returns", "momentum", "momentum"],
                    "return_1": [1.0, 0.41, 0.12],
                    "rsi_14": [0.41, 1.0, 0.83],
                    "macd": [0.12, 0.83, 1.0],
                }
            )
        },
        environment={"python": "3.12.11", "snakemake": "9.27.1"},
    )


def with_missing(inputs: ReportInputs, position: int) -> ReportInputs:
    """The same study with one run not done."""
    rows = inputs.runs.to_dicts()
    rows[position] = missing(rows[position])
    return replace(inputs, runs=runs_frame(rows))

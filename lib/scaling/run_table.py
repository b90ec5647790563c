"""The run table: one row for every declared run, also for those without files.

Reads through a function that is passed in; judges nothing. Columns and their order are always the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from lib.config.base import split_dataset
from lib.data.io import read_json
from lib.data.manifest import read_params
from lib.errors import IntegrityError
from lib.metrics.ternary import CLASSES
from lib.scaling.run_columns import DECLARED, EXCESS, HOLDING, LEARNED, MEASURED, RUNS_SCHEMA, TRADING

RunFiles = Mapping[str, Mapping[str, Any]]
"""Contents of `metrics`, `params` and `provenance` of one run."""
_SPLITS = {"selection": "validation", "calibration": "calibration", "test": "test"}
"""Parts as metrics.json names them."""


def read_run(folder: Path) -> RunFiles | None:
    """The three small files of a finished run, or None if one is absent or damaged (which is logged)."""
    paths = {name: folder / name for name in ("metrics.json", "params.yaml", "provenance.json")}
    if not all(path.is_file() for path in paths.values()):
        return None
    out: dict[str, Mapping[str, Any]] = {}
    for name, path in paths.items():
        try:
            out[name.split(".")[0]] = read_json(path, dict) if path.suffix == ".json" else read_params(folder)
        except IntegrityError as error:
            logging.getLogger(__name__).warning("The run counts as missing: %s", error)
            return None
    return out


def collect_runs(
    declared: Iterable[Mapping[str, Any]],
    read: Callable[[str], RunFiles | None],
    problems: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """One row per declared run.

    Args:
        declared: per run its eight fields, `experiment, role, question, path`, what its variant stands for
            (`condition, fold, train_fraction, context_length, labels`), number and key of its search
            (`search, searched`) and, if known, `family` and `id`.
        read: given a run's `path`, its files (`metrics`, `params`, `provenance`) or None if they are missing;
            `lambda path: read_run(Path(path))` for runs on disk.
        problems: path of an existing run to why it cannot be used.

    Returns:
        A frame of schema `RUNS_SCHEMA`, in the order declared; `status` is `done`, `missing` or `failed`.
    """
    problems = problems or {}
    rows = []
    for run in declared:
        problem = problems.get(str(run["path"]))
        rows.append(_row(run, None if problem else read(str(run["path"])), problem))
    return pl.DataFrame(rows, schema=RUNS_SCHEMA, orient="row")


def _row(run: Mapping[str, Any], files: RunFiles | None, problem: str | None) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(RUNS_SCHEMA)
    row |= {name: run.get(name) for name in DECLARED}
    row["row"], row["column"], row["tier"] = split_dataset(str(run["dataset"]))
    if files is None:
        return row | {"status": "failed" if problem else "missing", "problem": problem}
    params, provenance, metrics = files["params"], files["provenance"], files["metrics"]
    row["status"] = "done"
    if ":" in str(params.get("model", "")):
        row["family"] = str(params["model"]).split(":", maxsplit=1)[0]
    row |= _shape(params, metrics.get("parameters") or provenance.get("parameters") or {})
    splits = metrics.get("splits", {})
    for split, name in _SPLITS.items():
        measures = splits.get(name) or {}
        row |= {f"{split}_{measure}": measures.get(measure) for measure in MEASURED}
    shares = metrics.get("training_shares") or [None]
    row["train_base_rate"] = shares[-1]
    if len(shares) == len(CLASSES):
        row["train_share_down"], row["train_share_neutral"] = shares[:2]
    return row | _derived(metrics) | _cost(params, provenance, splits)


def _derived(metrics: Mapping[str, Any]) -> dict[str, Any]:
    conformal, trading = metrics.get("conformal") or {}, metrics.get("trading") or {}
    calibration = metrics.get("calibration") or {}
    chosen = calibration.get("chosen")
    methods = {method["method"]: method for method in calibration.get("methods", [])}
    width = conformal.get("mean_width")
    hold, excess = trading.get("hold") or {}, trading.get("excess") or {}
    return {
        "too_good": metrics.get("too_good"),
        "calibration_method": chosen,
        "test_calibrated_log_loss": methods[chosen]["test_log_loss"] if chosen in methods else None,
        "test_conformal_level": conformal.get("level"),
        "test_conformal_coverage": conformal.get("coverage"),
        "test_conformal_width": conformal.get("mean_size") if width is None else width,
        "test_conformal_singletons": conformal.get("singletons"),
        **{f"trading_{name}": trading.get(name) for name in TRADING},
        **{f"trading_hold_{name}": hold.get(name) for name in HOLDING},
        **{f"trading_excess_{name}": excess.get(name) for name in EXCESS},
        **{name: (metrics.get("fit") or {}).get(name) for name in LEARNED},
    }


def _shape(params: Mapping[str, Any], counts: Mapping[str, Any]) -> dict[str, Any]:
    settings, architecture = params.get("settings") or {}, params.get("architecture") or {}
    # Other models, and plugins, use these for what is not a name: N-HiTS pools by three kernel sizes.
    named = {name: settings.get(name) for name in ("channel_mode", "normalisation", "pooling")}
    out = {name: value if isinstance(value, str) else None for name, value in named.items()}
    out |= {name: architecture.get(name) for name in ("d_model", "n_layers", "n_heads", "d_ff")}
    kinds = {"param_count": "total", "embedding_count": "embedding", "head_count": "head"}
    return out | {name: counts.get(kind) for name, kind in kinds.items()}


def _cost(
    params: Mapping[str, Any], provenance: Mapping[str, Any], splits: Mapping[str, Any]
) -> dict[str, Any]:
    recipe, fit = params.get("recipe") or {}, provenance.get("fit") or {}
    seconds, windows = provenance.get("seconds") or {}, params.get("windows") or {}
    out = {f"n_{split}": windows.get(split) for split in ("train", "selection", "calibration", "test")}
    for split, name in _SPLITS.items():
        if out[f"n_{split}"] is None:
            out[f"n_{split}"] = (splits.get(name) or {}).get("n")
    batches = ("effective_batch", "learning_rate", "weight_decay")
    out |= {"steps": fit.get("steps")}
    if fit.get("micro_batch") == 0:  # rounds, no batches: neither the study's recipe nor a speed applies
        out |= dict.fromkeys((*batches, "samples_per_second"))
        out["learning_rate"] = (params.get("settings") or {}).get("learning_rate")
    else:
        out |= {name: recipe.get(name) for name in batches}
        out["samples_per_second"] = fit.get("samples_per_second")
    return out | {
        "started": provenance.get("begun"),
        "hpo_trials": int((params.get("hpo") or {}).get("n_trials") or 0),
        "effective_n_test": (splits.get("test") or {}).get("effective_n"),
        "train_seconds": seconds.get("fit"),
        "total_seconds": seconds.get("total"),
        "peak_memory_mb": provenance.get("peak_memory_mb") or None,
        "device": fit.get("device") or (provenance.get("hardware") or {}).get("device"),
        "precision": fit.get("precision") or params.get("precision"),
        "micro_batch": fit.get("micro_batch") or params.get("micro_batch"),
    }

"""Promotes a run to a production model: a complete, hashed and numbered copy of all that forecasting needs.

Versions of a name never change; `current.json` names the one that forecasts. Runs that are incomplete,
altered or not meant to forecast (controls) are refused.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from lib.config.base import is_binary, is_name
from lib.config.run_key import NO_BUDGET
from lib.data.io import read_json, read_parquet, sha256_of, sync_folder, write_json_atomic
from lib.data.manifest import CHECKSUMS, PARAMS, PROVENANCE, read_params, verify_checksums, write_checksums
from lib.errors import ConfigError, IntegrityError, nearest
from lib.models import registry
from lib.scoring.calibration_map import CalibrationMap, fit_map

CURRENT, CALIBRATION, PROMOTION = "current.json", "calibration.json", "promotion.json"
METRICS = "metrics.json"
VALIDATION, TEST = "predictions/val.parquet", "predictions/test.parquet"
PLUGIN = "plugin.py"
"""Copy of the user's file that a model came from."""
_COPIED = (METRICS, PARAMS, PROVENANCE, VALIDATION, TEST)


@dataclass(frozen=True)
class Promoted:
    """A version of a production model."""

    name: str
    version: int
    folder: Path
    new: bool
    """False if the very same run was current already."""
    warnings: list[str]
    """What its evaluation warned of."""


def promote(run: Path, production: Path, name: str | None, now: datetime) -> Promoted:
    """Copy a finished run to `production/<name>/v<N>` and make it the current version.

    Args:
        run: the run's folder.
        production: the folder of all production models.
        name: of the production model; default: the part of the run key that names its model and target.
        now: recorded as the time of promotion.

    Raises:
        ConfigError: not a run, or a run that must not forecast.
        IntegrityError: something is missing or altered; everything that is, is named.
    """
    params, metrics = check_run(run)
    name = name or default_name(params["run"])
    if not is_name(name):
        raise ConfigError(
            f"NAME={name}: letters, digits, dots, dashes and underscores only, a letter or digit first."
        )
    home = production / name
    current = read_current(home)
    learned = learned_from(run)
    source = {file: sha256_of(run / file) for file in (*_COPIED, f"model/{CHECKSUMS}")}
    warnings = list(metrics.get("warnings", []))
    if current and current["source"] == source:
        version = int(current["version"])
        return Promoted(name, version, home / f"v{version}", False, warnings)
    version = 1 + max((int(p.name[1:]) for p in home.glob("v*") if p.name[1:].isdigit()), default=0)
    folder = home / f"v{version}"
    temporary = home / f".v{version}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(run / "model", temporary / "model")
    for file in _COPIED:
        (temporary / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run / file, temporary / file)
    if params.get("plugin"):
        shutil.copyfile(params["plugin"], temporary / PLUGIN)
    write_json_atomic(temporary / CALIBRATION, calibration_of(temporary, params, metrics).to_json())
    record = {
        "name": name,
        "version": version,
        "run": params["run"],
        "model": params["model"],
        "learned_from": learned,
        "promoted": now.isoformat(timespec="seconds"),
        "source": source,
    }
    write_json_atomic(temporary / PROMOTION, record | {"folder": run.as_posix()})
    write_checksums(temporary)
    sync_folder(temporary)
    temporary.replace(folder)
    write_json_atomic(home / CURRENT, record)
    return Promoted(name, version, folder, True, warnings)


def check_run(run: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and metrics of a run that is whole and may forecast.

    Raises:
        ConfigError, IntegrityError: as `promote`.
    """
    if not run.exists():
        known = next(parent for parent in run.parents if parent.is_dir())
        there = (path.parent.as_posix() for path in known.rglob(METRICS))
        if near := nearest(run.as_posix(), there):
            raise ConfigError(f"{run}: no such run.{near}")
    missing = [file for file in (*_COPIED, f"model/{CHECKSUMS}") if not (run / file).is_file()]
    if missing:
        raise IntegrityError(
            f"{run}: not a whole run, it lacks {', '.join(missing)}. "
            f"Make it whole first: snakemake --cores 1 {run.as_posix().rstrip('/')}/{METRICS}"
        )
    recorded = read_json(run / PROVENANCE, dict).get("files")
    if not recorded:
        raise IntegrityError(f"{run}: {PROVENANCE} holds no hashes of its files; train the run again.")
    altered = [f"model/{Path(m.path).name}: {m.problem}" for m in verify_checksums(run / "model")]
    for file, digest in recorded.items():
        if not (run / file).is_file():
            altered.append(f"{file}: missing")
        elif sha256_of(run / file) != digest:
            altered.append(f"{file}: its content differs from the record")
    if altered:
        raise IntegrityError(
            f"{run}: {'; '.join(altered)}. Delete the folder and make the run again; it is not promoted."
        )
    params, metrics = read_params(run), read_json(run / METRICS, dict)
    if metrics.get("run") != params["run"]:
        raise IntegrityError(f"{run / METRICS}: measures another run. Delete it and make it again.")
    if params.get("labels") != "true" or str(params.get("role", "question")).endswith("_control"):
        raise ConfigError(
            f"{run}: a control learned from shifted labels or planted channels; it forecasts nothing."
        )
    if params.get("role") == "meta_module":
        raise ConfigError(
            f"{run}: a meta-module's channels are forecasts of its base models, which no data set offers. "
            "Promote a base model, or read the meta-module's own signal.parquet."
        )
    if params.get("plugin"):
        check_plugin(Path(params["plugin"]), params["plugin_hash"], f"{run} was trained with")
    return params, metrics


def check_plugin(path: Path, wanted: str, by: str) -> None:
    """Refuse a user's file that is missing or has changed.

    Raises:
        IntegrityError: with `by`, whose file it should be.
    """
    if not path.is_file():
        raise IntegrityError(f"plugin {path}: not there; {by} it.")
    if registry.code_hash(path) != wanted:
        raise IntegrityError(
            f"plugin {path}: its code is not what {by}. Bring that file back, or train and promote again."
        )


def learned_from(run: Path) -> dict[str, Any]:
    """Source of the data, and identity of the features, that a run was trained on.

    Raises:
        IntegrityError: its provenance does not record it.
    """
    data = read_json(run / PROVENANCE).get("data", {})
    if not data.get("features"):
        raise IntegrityError(f"{run}: {PROVENANCE} does not say which features it saw; train the run again.")
    return {"source": data["source"], "features": data["features"]}


def default_name(run: dict[str, Any]) -> str:
    """What a run forecasts with what: ``xgboost-Aa20-daily-threshold_1pct-h1``; seeds are versions."""
    words = [run["model"], run["budget"], run["dataset"], run["timescale"], run["task"], f"h{run['horizon']}"]
    words += [run["variant"]] if run["variant"] != "base" else []
    return "-".join(str(word) for word in words if word != NO_BUDGET)


def calibration_of(folder: Path, params: dict[str, Any], metrics: dict[str, Any]) -> CalibrationMap:
    """The calibration map of a run's own calibration part; of its primary symbol where it has one."""
    if not is_binary(params["run"]["task"]):
        return CalibrationMap("none", 0)
    return fit_map(calibration_part(folder, metrics.get("primary")), int(params["run"]["horizon"]))


def calibration_part(folder: Path, primary: str | None) -> pl.DataFrame:
    """Predictions that nothing was chosen on, of the primary symbol where there is one."""
    frame = read_parquet(folder / VALIDATION).filter(pl.col("part") == "calibration")
    return frame if primary is None else frame.filter(pl.col("symbol") == primary)


def read_current(home: Path) -> dict[str, Any] | None:
    """The record of the current version of a production model; None if there is none."""
    path = home / CURRENT
    if not path.is_file():
        return None
    content: dict[str, Any] = read_json(path, dict)
    return content

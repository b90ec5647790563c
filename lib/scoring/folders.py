"""Evaluates runs on disk: from their folders to metrics.json and daily.parquet.

A process per run would spend more time starting than measuring, so one job evaluates all runs of a study in a
pool of processes. A run whose metrics.json matches its predictions, settings and version is skipped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from lib.config.workflow import EvaluationConfig
from lib.data.io import read_json, read_parquet, write_json_atomic, write_parquet_atomic
from lib.data.manifest import read_params, recorded_mismatches
from lib.errors import IntegrityError
from lib.scoring.json_values import plain
from lib.scoring.run_scores import evaluate_run, fit_facts

METRICS, DAILY = "metrics.json", "daily.parquet"
_NEEDED = ("predictions/val.parquet", "predictions/test.parquet", "params.yaml", "provenance.json")
_POOL_FROM = 8
"""Fewer runs than this finish before a pool of processes has started."""


@dataclass(frozen=True)
class RunFolder:
    """Location of a run, and what its evaluation needs besides its own files."""

    path: Path
    dataset: Path | None
    """Dataset table with `date, symbol, open, close`."""
    primary: str | None
    """Label of the symbol that is measured."""


def evaluate_folders(
    folders: Sequence[RunFolder], cfg: EvaluationConfig, version: int, processes: int
) -> dict[Path, str]:
    """Bring every run's metrics.json up to date.

    Returns:
        One sentence for each run that could not be evaluated; runs without files are left out.
    """
    present = [f for f in folders if all((f.path / name).is_file() for name in _NEEDED)]
    if processes > 1 and len(present) >= _POOL_FROM:
        from joblib import Parallel, delayed

        problems = Parallel(n_jobs=processes)(delayed(_attempt)(f, cfg, version) for f in present)
    else:
        problems = [_attempt(folder, cfg, version) for folder in present]
    return {f.path: text for f, text in zip(present, problems, strict=True) if text is not None}


def _attempt(folder: RunFolder, cfg: EvaluationConfig, version: int) -> str | None:
    """Evaluate one run and return its error: one damaged run must not hide the others."""
    try:
        evaluate_folder(folder, cfg, version)
    except IntegrityError as error:
        return f"its files are damaged ({error})"
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return f"its files cannot be evaluated ({type(error).__name__}: {reason})"
    return None


def evaluate_folder(folder: RunFolder, cfg: EvaluationConfig, version: int) -> bool:
    """Write metrics.json and daily.parquet of one run, unless they are up to date.

    Returns:
        Whether anything was written.

    Raises:
        IntegrityError: a file differs from what training recorded in provenance.json.
    """
    params = read_params(folder.path)
    provenance = read_json(folder.path / "provenance.json", dict)
    if altered := recorded_mismatches(folder.path, provenance):
        raise IntegrityError("; ".join(f"{file.path}: {file.problem}" for file in altered))
    path = folder.path / "history.parquet"
    history = read_parquet(path) if path.is_file() else None
    fingerprint = _fingerprint(folder, params, provenance, history, cfg, version)
    if _up_to_date(folder.path, fingerprint):
        return False
    result = evaluate_run(
        read_parquet(folder.path / "predictions" / "val.parquet"),
        read_parquet(folder.path / "predictions" / "test.parquet"),
        params,
        provenance,
        cfg,
        primary=folder.primary,
        prices=_prices(folder.dataset) if folder.dataset is not None and folder.dataset.is_file() else None,
        history=history,
    )
    write_parquet_atomic(result.daily, folder.path / DAILY)
    write_json_atomic(folder.path / METRICS, result.metrics | {"fingerprint": fingerprint})
    return True


def _fingerprint(
    folder: RunFolder, params: dict[str, Any], provenance: dict[str, Any], history: pl.DataFrame | None,
    cfg: EvaluationConfig, version: int,
) -> str:  # fmt: skip
    """Identity of everything that decides the result; no clocks, so a repeated run has the same."""
    content = {
        "run": params["run"],
        "rates": [params.get(f"training_{name}") for name in ("class_shares", "shares_by_symbol")],
        "splits": params.get("splits"),
        "parameters": provenance.get("parameters"),
        "fit": fit_facts(provenance, history),
        "dataset": (provenance.get("data") or {}).get("dataset_sha256"),
        "primary": folder.primary,
        "settings": cfg.model_dump(),
        "version": version,
    }
    digest = hashlib.sha256(json.dumps(plain(content), sort_keys=True).encode())
    for name in ("val", "test"):
        digest.update((folder.path / "predictions" / f"{name}.parquet").read_bytes())
    return digest.hexdigest()[:16]


def _up_to_date(path: Path, fingerprint: str) -> bool:
    try:
        content = read_json(path / METRICS, dict)
    except (OSError, IntegrityError):
        return False
    return content.get("fingerprint") == fingerprint and (path / DAILY).is_file()


@lru_cache(maxsize=4)
def _prices(dataset: Path) -> pl.DataFrame:
    return read_parquet(dataset, columns=["date", "symbol", "open", "close"])

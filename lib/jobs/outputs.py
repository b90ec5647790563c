"""The declared outputs of a training job, written whole and at the end."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from lib.config.resolve import ResolvedRun
from lib.data.io import (
    read_json,
    sha256_of,
    sync_folder,
    write_json_atomic,
    write_parquet_atomic,
    write_text_atomic,
)
from lib.data.manifest import CHECKSUMS
from lib.models.job import FinishedRun
from lib.study.data_plan import feature_identity
from lib.training.context import TrainingContext
from lib.training.provenance import git_commit, hardware, package_versions
from lib.training.tracking import Tracker

HISTORY = {
    "step": pl.Int64,
    "train_loss": pl.Float64,
    "validation_loss": pl.Float64,
    "selection_loss": pl.Float64,
    "learning_rate": pl.Float64,
    "seconds": pl.Float64,
    "samples_per_second": pl.Float64,
    "temperature": pl.Float64,
}

IMPORTANCE = {"channel": pl.String, "importance": pl.Float64}


def read_found(path: Any) -> dict[str, Any] | None:
    """Content of a found batch size or best trial; None where a run has none."""
    paths = [path] if isinstance(path, str) else list(path or [])
    return read_json(paths[0]) if paths else None


def write_run(
    snakemake: Any, resolved: ResolvedRun, finished: FinishedRun, context: TrainingContext, dataset_hash: str,
    begun: str | None,
) -> None:  # fmt: skip
    """Model, predictions, history, parameters and provenance of a run.

    `begun`: when the run first started; a prediction about it must be earlier.
    """
    output = snakemake.output
    model = Path(output.model)
    temporary = model.with_name(".model.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    finished.model.save(temporary)
    sync_folder(temporary)
    # Snakemake removed the old folder before the job; an orphan of a killed run may have made it again.
    shutil.rmtree(model, ignore_errors=True)
    temporary.replace(model)
    write_parquet_atomic(finished.validation, Path(output.validation))
    write_parquet_atomic(finished.test, Path(output.test))
    write_parquet_atomic(pl.DataFrame(finished.result.history, schema=HISTORY), Path(output.history))
    weights = finished.model.feature_importance() or {}
    importance = pl.DataFrame(
        {"channel": list(weights), "importance": list(weights.values())}, schema=IMPORTANCE
    )
    write_parquet_atomic(importance.sort("importance", descending=True), Path(output.importance))
    params = resolved.model_dump(mode="json") | {
        "windows": finished.windows,
        "training_base_rate": finished.training_base_rate,
        "training_class_shares": finished.training_class_shares,
        "training_shares_by_symbol": finished.training_shares_by_symbol,
    }
    write_text_atomic(Path(output.params), yaml.safe_dump(params, sort_keys=False))
    provenance = _provenance(snakemake, resolved, finished, context, dataset_hash) | {"begun": begun}
    write_json_atomic(Path(output.provenance), provenance)


def _provenance(
    snakemake: Any, resolved: ResolvedRun, finished: FinishedRun, context: TrainingContext, dataset_hash: str
) -> dict[str, Any]:
    result = finished.result
    fit = ("best_step", "best_loss", "steps", "stopped_early", "samples_per_second", "precision")
    return {
        "git_commit": git_commit(Path(snakemake.scriptdir)),
        "packages": package_versions(),
        "hardware": hardware() | {"device": result.device},
        "data": {
            "dataset_sha256": dataset_hash,
            "source": resolved.source,
            "vintage": resolved.vintage,
            "features": feature_identity(str(resolved.run["dataset"]), str(resolved.run["timescale"])),
        },
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": {name: round(value, 3) for name, value in finished.seconds.items()},
        "peak_memory_mb": round(result.peak_memory_bytes / 1e6, 1),
        "energy_kwh": result.kwh,
        "temperature_max": context.thermal.record.maximum,
        "temperature_pause_seconds": round(context.thermal.record.paused, 1),
        "temperatures": context.thermal.record.published(),
        "fit": {
            name: getattr(result, name) for name in (*fit, "device", "micro_batch", "threads", "resumed")
        },
        "parameters": finished.model.parameter_counts(),
        "files": _hashes(snakemake.output),
    }


def _hashes(output: Any) -> dict[str, str]:
    """SHA-256 of what training wrote, by path below the run's folder. The model has checksums of its own."""
    run = Path(output.provenance).parent
    names = ("validation", "test", "history", "importance", "params")
    paths = [Path(output.model) / CHECKSUMS, *(Path(output[name]) for name in names)]
    return {path.relative_to(run).as_posix(): sha256_of(path) for path in paths}


def track_run(snakemake: Any, finished: FinishedRun, tracker: Tracker) -> None:
    """Send a finished run's losses by round, size, time and small files to the trackers.

    Networks report their losses during training; other models have reported nothing yet.
    """
    for row in [] if finished.model.metadata.network else finished.result.history:
        tracker.log({k: v for k, v in row.items() if k != "step"}, int(row["step"]))
    summary = {f"seconds_{name}": value for name, value in finished.seconds.items()}
    counts = finished.model.parameter_counts() or {}
    summary |= {f"parameters_{name}": float(value) for name, value in counts.items()}
    summary |= {f"windows_{name}": float(value) for name, value in finished.windows.items()}
    tracker.log(summary | {"best_loss": finished.result.best_loss}, finished.result.steps)
    for name in ("params", "provenance", "history", "importance"):
        tracker.artifact(Path(snakemake.output[name]))

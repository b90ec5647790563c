"""Sends the measures of evaluated runs to the trackers, which know only what training reported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.config.run_key import Run
from lib.config.validation import validate
from lib.config.workflow import WorkflowConfig
from lib.data.io import read_json
from lib.training.tracking import publish


def publish_measures(snakemake: Any, runs: Sequence[Path]) -> None:
    """Measures of the test part, of finished runs by their folders; nothing where MLflow is off."""
    config = validate(WorkflowConfig, snakemake.config, "configuration").tracking
    if not config.mlflow:
        return
    measures = {}
    for path in (run / "metrics.json" for run in runs):
        if path.is_file():
            content = read_json(path, dict)
            numbers = content["splits"]["test"]
            measures[Run(**content["run"]).label()] = {
                f"test_{name}": float(value)
                for name, value in numbers.items()
                if isinstance(value, int | float) and not isinstance(value, bool)
            }
    publish(config, measures)

"""What a study set out to test, written down before it is run.

The record of an experiment is a list: each time its declaration changes, a new entry says what it is now,
when that was first run, and how many of its runs were finished by then (a declaration made after the results
is no declaration). Nothing is ever taken out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lib.config.experiment import Experiment
from lib.config.runs import Run
from lib.data.io import read_json, write_json_atomic
from lib.evaluation.axes import axes_of, grouped
from lib.planning.plan import Plan


def record_declarations(plan: Plan, folder: Path, finished: Callable[[Run], bool]) -> None:
    """Bring the records of all experiments up to date: one JSON file per experiment.

    Args:
        plan: the study.
        folder: of the records.
        finished: whether a run is done.
    """
    for name, experiment in plan.study.experiments.items():
        path = folder / f"{name}.json"
        entries = read_json(path, list) if path.is_file() else []
        own = _declared(plan, name)
        if entries and entries[-1]["hash"] == own["hash"]:
            continue
        runs = list(plan.grids[name])
        facts = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "runs": len(runs),
            "finished_before": sum(finished(run) for run in runs),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(path, [*entries, {"question": experiment.question} | own | facts])


def _declared(plan: Plan, name: str) -> dict[str, Any]:
    """What will be tested, and the hash of everything that decides it."""
    experiment = plan.study.experiments[name]
    runs = list(plan.grids[name])
    content = {
        "experiment": experiment.model_dump(mode="json", include=set(Experiment.model_fields)),
        "specification": plan.specification(runs[0]).model_dump(mode="json", exclude={"run"}),
        "evaluation": plan.config.evaluation.model_dump(mode="json"),
    }
    text = json.dumps(content, sort_keys=True)
    return {
        "hash": hashlib.sha256(text.encode()).hexdigest()[:12],
        "tests": _tests(experiment, runs) if experiment.role == "question" else [],
    }


def _tests(experiment: Experiment, runs: list[Run]) -> list[str]:
    """One sentence per axis along which the runs will be compared."""
    rows = [run.fields() for run in runs]
    found = []
    for axis in axes_of(rows):
        levels, cells = axis.levels(rows), len(grouped(axis, rows))
        measure = "slope of the loss" if axis.is_log else "gain in loss"
        found.append(
            f"{measure} over {axis.label}, {levels[0]} to {levels[-1]} ({len(levels)} levels), margin "
            f"{experiment.margin:g}, in {cells} {'cell' if cells == 1 else 'cells'}, adjusted by Holm"
        )
    if not found and len({(run.model, run.budget) for run in runs}) > 1:
        found.append("paired differences of all models from the one that is best on validation")
    return found

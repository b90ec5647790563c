"""Preregistration: what a study will test, recorded before it is run.

The record of an experiment is a list: each time its declaration changes, a new entry says what it is now,
when that was first run, and how many of its runs were finished by then (a declaration made after the results
is no declaration). Nothing is ever removed. The hypotheses come from the function that the evaluation uses
(`lib.scaling.hypotheses`), so that the two cannot differ.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from lib.config.experiment import Experiment
from lib.config.run_key import Run
from lib.data.io import read_json, write_json_atomic
from lib.scaling.hypotheses import Hypothesis, confirmatory_size, hypotheses_of, tests_of
from lib.scaling.run_index import Problem, RunIndex
from lib.study.plan import Plan


def record_declarations(plan: Plan, folder: Path, finished: Callable[[Run], bool]) -> None:
    """Bring the records of all experiments up to date: one JSON file per experiment.

    Args:
        plan: the study.
        folder: of the records.
        finished: whether a run is done.
    """
    tests = declared_tests(plan)
    for name, experiment in plan.study.experiments.items():
        path = folder / f"{name}.json"
        entries = read_json(path, list) if path.is_file() else []
        own = {"hash": declaration_hash(plan, name, tests[name]), "tests": tests[name]}
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


def record_opening(plan: Plan, path: Path, finished: Callable[[Run], bool]) -> None:
    """Record when the confirmation was first opened, and how many runs in folds were finished by then.

    Closing it again removes nothing.
    """
    folded = [run for run in plan.runs if plan.facts(run)["fold"] is not None]
    if plan.config.evaluation.confirmation == "closed" or not folded or path.is_file():
        return
    opened = datetime.now(UTC).isoformat(timespec="seconds")
    done = sum(finished(run) for run in folded)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json_atomic(path, {"opened": opened, "runs_in_folds": len(folded), "finished_before": done})


def hypotheses_in(plan: Plan) -> list[Hypothesis]:
    """Hypotheses of a study from its plan; the path of a row is its run's label."""
    rows = [run.fields() | plan.facts(run) | {"path": run.label()} for run in plan.runs]
    return hypotheses_of(plan.study.experiments, RunIndex(pl.DataFrame(rows, infer_schema_length=None)))


def confirmatory_contrasts(plan: Plan) -> int:
    """Gains and interactions of all confirmatory questions of a study: the size of their one family."""
    return confirmatory_size(hypotheses_in(plan))


def declared_tests(plan: Plan) -> dict[str, list[str]]:
    """By experiment, one sentence per family of tests; none for controls, which have a rule of their own."""
    experiments = plan.study.experiments
    tests: dict[str, list[str]] = {name: [] for name in experiments}
    for hypothesis in hypotheses_in(plan):
        for name in hypothesis.planned:
            tests[name] += tests_of(hypothesis)
    models = _models_by_problem(plan)
    for name, experiment in experiments.items():
        if experiment.role == "question":
            tests[name] += _tables(plan, name, models)
    return tests


def declaration_hash(plan: Plan, name: str, tests: list[str]) -> str:
    """Of everything that decides what an experiment's runs are and how they are judged."""
    runs = list(plan.grids[name])
    keys = {json.dumps(key, sort_keys=True): key for run in runs if (key := plan.searches.key(run))}
    content = {
        "experiment": plan.study.experiments[name].model_dump(
            mode="json", include=set(Experiment.model_fields)
        ),
        "runs": [plan.specification(run).model_dump(mode="json") for run in runs],
        "searches": {search: json.loads(plan.searches.declaration(key)) for search, key in keys.items()},
        # Opening the confirmation changes nothing that was declared.
        "evaluation": plan.config.evaluation.model_dump(mode="json", exclude={"confirmation"}),
        "tests": tests,
    }
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _problem(run: Run) -> Problem:
    return run.variant, run.dataset, run.timescale, run.task, run.horizon


def _models_by_problem(plan: Plan) -> Mapping[Problem, int]:
    """Number of models (at each budget) of every prediction problem, whichever experiment declares them."""
    return Counter(problem for problem, _ in {(_problem(run), (run.model, run.budget)) for run in plan.runs})


def _tables(plan: Plan, name: str, models: Mapping[Problem, int]) -> list[str]:
    """What the tables of models will compare."""
    problems = {_problem(run) for run in plan.grids[name]}
    several = sum(models[problem] > 1 for problem in problems)
    if not several:
        return []
    where = "" if len(problems) == 1 else f", in {several} of {len(problems)} problems"
    return [f"paired differences of all models from the one that is best on validation{where}"]

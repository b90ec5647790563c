"""Refuses a target that no rule makes, or that this study does not declare, with the nearest one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from lib.errors import ConfigError
from lib.jobs.arguments import command_line
from lib.jobs.paths import PATHS, PRODUCTION
from lib.study.plan import Plan

_ALIKE = 0.6
"""Likeness from which on one path is offered for another."""


def check_targets(rules: Iterable[Any], plan: Plan) -> None:
    """Check the targets of the command line before Snakemake does.

    Args:
        rules: Snakemake's, all of the workflow.
        plan: of the study.

    Raises:
        ConfigError: the first that cannot be made.
    """
    rules = list(rules)
    for target in command_line().targets:
        if target in {rule.name for rule in rules}:
            continue
        makers = [rule for rule in rules if rule.is_producer(target)]
        if not makers and not Path(target).exists():
            raise ConfigError(f"{target}: no rule makes it.{_meant(target, _known(rules, plan))}")
        for rule in makers:
            _check_words(plan, rule.get_wildcards(target))


def datasets_asked_for(plan: Plan, targets: Iterable[str]) -> list[tuple[str, str, str]]:
    """Datasets, each (vintage, dataset, timescale), of the phases that the targets name; else all."""
    phases = [
        next((part for part in Path(target).parts if part in plan.config.phases), None) for target in targets
    ]
    if not phases or None in phases:
        return list(plan.datasets)
    return sorted({words for phase in phases for words in plan.scope(phase).datasets})


def _check_words(plan: Plan, words: dict[str, str]) -> None:
    """Refuse a run, a phase or a production model that a path names and the study does not declare."""
    if "seed" in words:
        plan.run(words)
    elif "phase" in words:
        plan.scope(words["phase"])
    elif {"name"} <= set(words) <= {"name", "day"}:
        plan.production_dataset(PRODUCTION, words["name"])


def _known(rules: list[Any], plan: Plan) -> list[str]:
    """Targets that can be made: rules and files without wildcards, phases, named parts, runs."""
    rules = [rule for rule in rules if not rule.has_wildcards()]
    known = [rule.name for rule in rules] + [str(path) for rule in rules for path in rule.products()]
    for phase in plan.config.phases:
        known += [f"{PATHS.phase.format(phase=phase)}{end}" for end in ("/report.html", ".done")]
    known += [f"results/ids/{name}.done" for name in plan.ids]
    folders = [PATHS.run.format(**run.fields()) for run in plan.runs]
    return known + [f"{folder}/{name}" for folder in folders for name in ("metrics.json", "model")]


def _meant(given: str, known: Iterable[str]) -> str:
    """` Did you mean X?` for the known path whose parts are most like those of a given one, or nothing."""
    parts = given.split("/")

    def likeness(path: str) -> float:
        others = path.split("/")
        pairs = zip(parts, others, strict=False)
        return sum(_likeness(a, b) for a, b in pairs) / max(len(parts), len(others))

    best = max(known, key=likeness, default="")
    return f" Did you mean {best}?" if best and likeness(best) >= _ALIKE else ""


@lru_cache(maxsize=10_000)
def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()

"""All preflight checks in one list. Runs nothing and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from lib.config.run_key import Run
from lib.errors import StudyError
from lib.study.plan import Plan
from lib.study.preflight import environment as surroundings
from lib.study.preflight import machine
from lib.study.preflight.check import Check
from lib.study.preflight.needs import needs
from lib.training.heartbeat import read_statuses

HASHED_AT_ONCE = 500_000_000
"""Bytes of data that are hashed in about a second."""


@dataclass(frozen=True)
class Places:
    """Where the workflow keeps what the checks read."""

    work: Path
    state: Path
    locks: Path
    """Snakemake's own."""
    manifests: tuple[Path, ...]
    lock: Path
    """The file of locked package versions."""
    series: str
    """Pattern of the raw file of a series, with {vintage} and {series}."""


def preflight(
    plan: Plan,
    pending: Collection[Run],
    datasets: Collection[tuple[str, str, str]],
    places: Places,
    ask_torch: bool = False,
) -> list[Check]:
    """All checks of a study.

    Args:
        plan: the study, already validated.
        pending: runs that are still to be trained.
        datasets: (vintage, dataset, timescale) of the dataset files that are still to be built.
        places: of the workflow.
        ask_torch: let PyTorch say what it would compute on, and compare an accelerator with the CPU; takes
            seconds without one, up to minutes with one.
    """
    config, sources = plan.config, _sources_in_use(plan, places)
    need = needs(plan, pending, datasets)
    study = f"valid: {len(plan.runs)} runs, {len(pending)} of them still to be trained"
    return [
        Check("configuration", "pass", study),
        machine.disk(places.work, need),
        machine.memory(need, config.training.runtime()),
        machine.power(),
        machine.accelerator(config.training.runtime(), ask_torch),
        *(_steps(plan) if ask_torch else ()),
        machine.sensor(config.thermal),
        machine.clock([*places.manifests, places.state, places.lock]),
        surroundings.packages(places.lock),
        *surroundings.keys(config, sources),
        *surroundings.folders(places.work, config.data, sources),
        surroundings.hashes(places.work, places.manifests, HASHED_AT_ONCE),
        surroundings.left_behind(read_statuses(places.state), places.locks),
    ]


def _steps(plan: Plan) -> list[Check]:
    """Steps of every size of the study, on its device and on the CPU."""
    from lib.study.preflight.accelerator import compare
    from lib.training.devices import Device

    try:
        device = Device.choose(plan.config.training.runtime())
    except StudyError:  # the line above gives the reason
        return []
    return compare(plan.study.architectures, device)


def _sources_in_use(plan: Plan, places: Places) -> set[str]:
    """Sources that will be queried for series: those preferred for what is not here yet."""
    found = set(plan.config.data.compare_with)
    for vintage in plan.vintages:
        for name in plan.data.series(vintage):
            if not (places.work / places.series.format(vintage=vintage, series=name)).exists():
                origins = json.loads(plan.data.series_settings(vintage, name))["origins"]
                found |= {source for source, _ in origins[:1]}
    return found

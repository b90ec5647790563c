"""Jobs by rule, phases, a forecast of the compute, and what it can show (`make preview`). Runs nothing."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

from lib.config.places import own_folders
from lib.data.io import read_json
from lib.jobs.command import Parser, command, console
from lib.jobs.current_study import is_imported, open_study, planned
from lib.jobs.paths import PATHS
from lib.jobs.planned_jobs import planned_jobs
from lib.jobs.snakemake_targets import datasets_asked_for
from lib.study.checks import uncontrolled_models
from lib.study.cost import BARS_PER_YEAR, forecast
from lib.study.jobs import Job, everything, jobs_by_phase, key_of, pending_of
from lib.study.missing_files import check_files
from lib.study.past_noise import Past, past_noise
from lib.study.plan import Plan
from lib.study.preview import (
    Known,
    cost_table,
    dearest,
    gigabytes,
    phase_table,
    reach_table,
    remedies,
    sparse_problems,
)
from lib.study.reach import Samples, reaches


def job_table(jobs: list[Job]) -> str:
    """Number of jobs by rule."""
    if not jobs:
        return "Nothing to be done: everything is there."
    counted = sorted(Counter(rule for rule, _ in jobs).items())
    width = max(len(rule) for rule, _ in counted)
    lines = [f"{rule:{width}}  {number:>6,}" for rule, number in (*counted, ("total", len(jobs)))]
    return "\n".join(["Jobs by rule", *lines])


def found_in(path: Path) -> Any:
    """Content of a JSON file, None if it is not there."""
    return read_json(path) if path.is_file() else None


def counted(plan: Plan) -> Samples:
    """Samples of the data that are here."""
    pattern, words = f"{PATHS.dataset}.samples.json", ("vintage", "dataset", "timescale")
    return {
        key: found
        for key in plan.datasets
        if (found := found_in(Path(pattern.format(**dict(zip(words, key, strict=True))))))
    }


def measured(plan: Plan) -> Known:
    """Speeds that have been measured here, and what finished searches have found."""
    speeds = {
        (run.dataset, run.timescale, run.model, run.budget): found["samples_per_second"]
        for run in plan.runs
        if (found := found_in(Path(PATHS.batch_size.format(**run.fields()))))
    }
    best = {
        search: found["parameters"]
        for search in everything(plan, plan.experiment_of).searches
        if (found := found_in(Path(PATHS.search.format(**key_of(search)), "best.json")))
    }
    return speeds, best


def noise_so_far(plan: Plan) -> Past:
    """Noise of the gains that this study has measured here, the whole study's after those of its phases."""
    folders = [Path(PATHS.phase.format(phase=phase)) for phase in plan.config.phases]
    found = [found_in(folder / "scaling.json") for folder in (*folders, Path("results"))]
    return past_noise(summary for summary in found if summary)


def with_selections(plan: Plan, configuration: dict[str, Any]) -> dict[str, Plan]:
    """The study as it would be with the costliest selection of every budget; none if nothing waits."""
    plans = {}
    # Selections lie in the study's folder.
    with tempfile.TemporaryDirectory(prefix="preview-", dir=".") as folder:
        file = Path(Path(folder).name, "selection.yaml")
        for name, chosen in dearest(plan).items() if plan.study.waiting else ():
            content = deepcopy(configuration)
            content["selection"]["file"] = str(file)
            content["evaluation"] = content.get("evaluation", {}) | {"confirmation": "open"}  # for phase 6
            file.write_text(json.dumps({"chosen": chosen}), encoding="utf-8")
            plans[name] = planned(content)
    return plans


def preview(configfile: Path | None, target: str) -> None:
    """Print what a target takes and can show."""
    terminal = console(130)
    configfile, content = open_study(configfile)
    given = deepcopy(content)
    plan = planned(content)
    check_files(plan.data, is_imported, datasets_asked_for(plan, [target]))
    jobs = planned_jobs(configfile, target, main=own_folders()[-1])
    terminal.print(job_table(jobs))
    pending = pending_of(plan, jobs, PATHS)
    samples = counted(plan)
    known = measured(plan)
    costs = forecast(plan, pending, *known)
    phase = next((p for p in plan.config.phases if p in Path(target).parts), None)
    found = reaches(plan, samples, date.today(), noise_so_far(plan), phase)
    expanded = with_selections(plan, given)
    phases = phase_table(plan, pending, known, jobs_by_phase(plan, jobs, PATHS), expanded)
    there = [run for run in plan.runs if Path(PATHS.run.format(**run.fields()), "provenance.json").is_file()]
    if there:
        terminal.print(f"\n{len(there)} of {len(plan.runs)} runs of this study are there.")
    reach = reach_table(found, plan.config.evaluation.power)
    for table in (phases, cost_table(costs) if costs else None, reach):
        if table is not None:
            terminal.print("", table, sep="\n")
    if phase and not found:
        terminal.print(f"\n{phase} asks no question about sizes, features or data: nothing to show for it.")
    if weaker := remedies(found, BARS_PER_YEAR):
        terminal.print("\nWhat would let a question show its margin, each by itself:", *weaker, sep="\n  ")
    if lacking := uncontrolled_models(plan.study):
        lines = [f"{model}: {', '.join(missing)}" for model, missing in lacking.items()]
        terminal.print("\nVerdicts will be weaker for lack of a control:", *lines, sep="\n  ")
    if weak := sparse_problems(samples):
        terminal.print("\nToo few samples of a class to say much:", *weak, sep="\n  ")
    if not costs:
        terminal.print("\nNo training is left to do.")
        return
    need = sum(cost.result_bytes for cost in costs) + max(cost.checkpoint_bytes for cost in costs)
    free = gigabytes(shutil.disk_usage(Path.cwd()).free)
    terminal.print(
        f"\nDisk: up to {gigabytes(need)} for weights and the checkpoints of one job. Free: {free}."
    )
    if unmeasured := [(cost.model, cost.budget) for cost in costs if cost.hours is None]:
        terminal.print(
            "\nHours are known once a batch-size discovery has measured this machine, for example:"
        )
        for words in unmeasured:
            run = next(run for run in plan.runs if (run.model, run.budget) == words)
            terminal.print(f"  snakemake --cores 1 {PATHS.batch_size.format(**run.fields())}")


def main() -> None:
    """Print the preview of a target."""
    parser = Parser(__doc__, configfile=True)
    parser.add_argument("target", nargs="?", default="results/report.html", help="of Snakemake")
    given = parser.parse_args()
    with command(given):
        preview(given.configfile, given.target)


if __name__ == "__main__":
    main()

"""`make preview`: jobs by rule, samples by cell, and a forecast of the compute. Runs and changes nothing."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rich.console import Console
from rich.table import Table

from lib.config.load import read_yaml
from lib.errors import StudyError
from lib.planning.forecast import Cost, forecast
from lib.planning.plan import Plan, plan_study
from lib.planning.reach import reaches

REACHES_SHOWN = 20
RUN = "results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}"


def job_table(configfile: Path, target: str) -> str:
    """Snakemake's own table of jobs, from a dry run."""
    command = [sys.executable, "-m", "snakemake", "-n", target, "--snakefile", str(ROOT / "Snakefile")]
    command += ["--configfile", str(configfile)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    if done.returncode != 0:
        raise StudyError(text.strip())
    if "Job stats:" not in text:
        return "Nothing to be done: everything is there."
    return "Jobs by rule\n" + text.split("Job stats:\n", 1)[1].split("\n\n", 1)[0]


def read_json(path: Path) -> Any:
    """Content of a JSON file, None if it is not there."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def measured(plan: Plan) -> tuple[dict[Any, int], dict[Any, float]]:
    """Training windows of the data that are here, and speeds that have been measured here."""
    windows, speeds = {}, {}
    for vintage, dataset, timescale in plan.datasets:
        for cell in read_json(Path(f"data/processed/{vintage}/{dataset}/{timescale}.samples.json")) or []:
            key = (vintage, dataset, timescale, cell["task"], cell["horizon"])
            windows[key] = cell["splits"]["train"]["n"]
    for run in plan.runs:
        path = Path(f"results/batch_sizes/{run.dataset}/{run.timescale}/{run.model}/{run.budget}.json")
        if found := read_json(path):
            speeds[run.dataset, run.timescale, run.model, run.budget] = found["samples_per_second"]
    return windows, speeds


def cost_table(costs: list[Cost]) -> Table:
    """The forecast as a table."""
    table = Table(
        title="Compute still to come, at most (early stopping usually ends sooner)", title_justify="left"
    )
    for name in ("model", "budget", "runs", "trials", "samples", "PFLOP", "hours here"):
        table.add_column(name, justify="left" if name in ("model", "budget") else "right")
    for cost in costs:
        table.add_row(
            cost.model,
            cost.budget,
            str(cost.runs),
            str(cost.trials),
            "not known yet" if cost.samples is None else f"{cost.samples:,}",
            "not known yet" if cost.flops is None else f"{cost.flops / 1e15:,.2f}",
            "not measured yet" if cost.hours is None else f"{cost.hours:,.2f}",
        )
    return table


def reach_table(plan: Plan) -> Table | None:
    """The smallest effects that the test sets can show; None before samples have been counted."""
    samples = {
        (vintage, dataset, timescale): found
        for vintage, dataset, timescale in plan.datasets
        if (found := read_json(Path(f"data/processed/{vintage}/{dataset}/{timescale}.samples.json")))
    }
    found = reaches(plan, samples)
    if not found:
        return None
    title = "What the test sets can show with a chance of " + f"{plan.config.evaluation.power:.0%}"
    table = Table(title=f"{title} (a measured noise may differ)", title_justify="left")
    for name in ("problem", "labels", "independent", "AUC from", "log loss", "margin", "enough"):
        table.add_column(name, justify="left" if name == "problem" else "right")
    words = {True: "yes", False: "no", None: "–"}
    for reach in found[:REACHES_SHOWN]:
        shows = reach.shows
        table.add_row(
            f"{reach.dataset} {reach.timescale} {reach.task} h{reach.horizon}",
            str(reach.n),
            f"{shows.effective_n:.0f}",
            "–" if shows.auc is None else f"{shows.auc:.3f}",
            "–" if shows.log_loss is None else f"{shows.log_loss:.4f}",
            "–" if reach.margin is None else f"{reach.margin:g}",
            words[reach.enough],
        )
    if len(found) > REACHES_SHOWN:
        table.caption = f"The {REACHES_SHOWN} weakest of {len(found)}."
    return table


def main() -> None:
    """Print the preview of a target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, default=ROOT / "config" / "config.yaml")
    parser.add_argument("target", nargs="?", default="results/report.html")
    arguments = parser.parse_args()
    console = Console(width=int(os.environ.get("COLUMNS", "110")))
    try:
        plan = plan_study(read_yaml(arguments.configfile), ROOT / "config")
        console.print(job_table(arguments.configfile, arguments.target), highlight=False)
        pending = [
            run for run in plan.runs if not Path(RUN.format(**run.fields()), "provenance.json").is_file()
        ]
        costs = forecast(plan, pending, *measured(plan))
    except StudyError as error:
        sys.exit(str(error))
    console.print()
    console.print(cost_table(costs) if costs else "No training is left to do.")
    if (table := reach_table(plan)) is not None:
        console.print()
        console.print(table)
    if any(cost.hours is None for cost in costs):
        console.print("Hours are known once a batch-size discovery has measured this machine, for example:")
        run = next(run for run in pending if run.budget != "none")
        path = f"results/batch_sizes/{run.dataset}/{run.timescale}/{run.model}/{run.budget}.json"
        console.print(f"  snakemake --cores 1 {path}", highlight=False)


if __name__ == "__main__":
    main()

"""What is left of the machine in a result: the same run at several micro-batches.

`python -m tests.benchmarks.rounding` trains one run of the quickstart (whose dataset must be there: `make
report`, or `snakemake --cores 1 data/processed/embedded-2018/Aa20/daily.parquet`) with the same seed, batches
and dropout, and prints how far its forecasts and its test loss move. Nothing is written.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from lib.config.resolve import resolve
from lib.config.training import Runtime
from lib.data.io import read_parquet
from lib.models.job import train_run
from lib.study.plan import plan_study
from lib.training.context import TrainingContext

ROOT = Path(__file__).resolve().parents[2]

DATASET = Path("data/processed/embedded-2018/Aa20/daily.parquet")


def forecasts(budget: str, steps: int, batch: int, micro_batch: int, runtime: Runtime) -> pl.DataFrame:
    """Test forecasts of task threshold_1pct."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    plan = plan_study(config, ROOT / "config", {})
    wanted = ("base", "threshold_1pct", "patchtst-mixed", budget)
    run = next(run for run in plan.runs if (run.variant, run.task, run.model, run.budget) == wanted)
    resolved = resolve(plan.specification(run))
    changes = {"max_steps": steps, "validate_every_steps": steps // 3, "effective_batch": batch}
    resolved = resolved.model_copy(update={"recipe": resolved.recipe.model_copy(update=changes)})
    with tempfile.TemporaryDirectory() as folder:
        context = TrainingContext(
            seed=run.seed, state_dir=Path(folder) / "state", runtime=runtime, micro_batch=micro_batch
        )
        return train_run(resolved, read_parquet(DATASET), context).test


def log_loss(frame: pl.DataFrame) -> float:
    """Of the test part, in nats."""
    chance, target = frame["probability_1"].to_numpy(), frame["target"].to_numpy()
    return float(-np.log(np.where(target == 1, chance, 1 - chance)).mean())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", default="2M", choices=("2M", "20M", "200M"))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=16, help="windows per optimiser step")
    parser.add_argument("--micro-batches", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--threads", type=int, default=1)
    own = parser.parse_args()
    runtime = Runtime(precision=own.precision, threads=own.threads)
    first: np.ndarray | None = None
    for micro_batch in own.micro_batches:
        frame = forecasts(own.budget, own.steps, own.batch, micro_batch, runtime)
        chance = frame["probability_1"].to_numpy()
        first = chance if first is None else first
        print(
            f"micro-batch {micro_batch:>3}: test log loss {log_loss(frame):.7f}, "
            f"forecasts up to {np.abs(chance - first).max():.1e} from the first",
            flush=True,
        )

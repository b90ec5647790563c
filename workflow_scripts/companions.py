"""The runs of the same shape that a job trains on the way when `training.pack` asks for it.

Their own jobs find them finished and only predict. A run that is done, or that another job holds, is left
alone. A pack that was interrupted goes on with the members it had, and with no others: what a run computes
depends in the last bit on the company it keeps.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lib.config.resolve import ResolvedRun, resolve
from lib.config.workflow import WorkflowConfig
from lib.errors import TrainingStopped
from lib.models.job import keep_machine_choice
from lib.planning.plan import plan_study
from lib.training.context import TrainingContext
from lib.training.progress import say
from lib.training.retention import FINISHED
from lib.training.state import open_state
from lib.training.threads import first_threads
from workflow_scripts.paths import PATHS, predictions_of, state_of


def join_companions(
    snakemake: Any,
    config: WorkflowConfig,
    resolved: ResolvedRun,
    context: TrainingContext,
    found: tuple[Any, Any],
    dataset_hash: str,
    held: ExitStack,
) -> list[tuple[ResolvedRun, TrainingContext]]:
    """At most `pack - 1` companions; their state directories are held until `held` is closed."""
    if resolved.architecture is None:
        return []
    from lib.training.pack_state import partners  # brings torch, which jobs without a network never need

    before, room = partners(context.state_dir, context.fingerprint), config.training.pack - 1
    if room == 0 and len(before) < 2:
        return []
    if (context.state_dir / FINISHED).exists():  # another job's pack has done the work
        return []
    plan = plan_study(snakemake.config, Path(snakemake.scriptdir).parent / "config")
    leader_threads = first_threads(context.runtime, context.job_threads)
    joined: list[tuple[ResolvedRun, TrainingContext]] = []
    missing = 0
    for run in plan.companions(plan.run({k: str(v) for k, v in resolved.run.items()})):
        state = state_of(Path(PATHS.run.format(**run.fields())))
        if len(joined) == room and not before:
            break
        if predictions_of(state).exists() or (state / FINISHED).exists():
            continue
        other = resolve(plan.specification(run), *found)
        fingerprint = other.fingerprint(dataset_hash, str(snakemake.params.version))
        theirs = partners(state, fingerprint)
        again = fingerprint in before and context.fingerprint in theirs
        if (before or theirs) and not again:
            continue
        if len(joined) == room or not _hold(state, fingerprint, held):
            missing += again
            continue
        own, threads = keep_machine_choice(other, state, leader_threads)
        if threads != leader_threads:  # begun with others, it would end in other bytes
            missing += again
            continue
        joined.append((own, _context(context, other, state, fingerprint)))
    if missing:
        say(
            f"WARNING: {missing} of the runs that this one was begun with are not trained with it any more "
            "(another job holds them, or training.pack is smaller now). Its results equal those of an "
            "uninterrupted pack up to rounding, not in every byte."
        )
    if joined:
        names = ", ".join(f"{other.run['task']} seed {other.run['seed']}" for other, _ in joined)
        say(f"Trained together with {names}.")
    return joined


def _hold(state: Path, fingerprint: str, held: ExitStack) -> bool:
    """Whether no other job holds it."""
    try:
        held.enter_context(open_state(state, fingerprint, timeout=0))
    except TrainingStopped:
        return False
    return True


def _context(leader: TrainingContext, other: ResolvedRun, state: Path, fingerprint: str) -> TrainingContext:
    return TrainingContext(
        seed=int(other.run["seed"]),
        state_dir=state,
        runtime=leader.runtime,
        fingerprint=fingerprint,
        micro_batch=leader.micro_batch,
        precision=leader.precision,
        job_threads=leader.job_threads,
    )

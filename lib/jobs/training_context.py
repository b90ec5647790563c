"""The context of a training job from its configuration: sensors, trackers, progress, threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lib.config.resolve import ResolvedRun
from lib.config.run_key import Run
from lib.config.training import ThermalConfig
from lib.config.workflow import WorkflowConfig
from lib.jobs.cores import cores_of_all_jobs
from lib.models import registry
from lib.training.context import TrainingContext
from lib.training.progress import Progress
from lib.training.temperatures import TemperatureRecord
from lib.training.thermal import ThermalGuard
from lib.training.threads import kept_threads
from lib.training.tracking import Group, open_tracker


def job_threads(snakemake: Any, config: WorkflowConfig) -> int | None:
    """Threads of this job: None (all cores) when Snakemake runs one job at a time.

    With several jobs at once each keeps to its own: two that both use all cores hinder each other badly.
    """
    if isinstance(config.training.threads, int):
        return config.training.threads
    own, all_jobs = int(snakemake.threads), cores_of_all_jobs()
    return None if own == 1 and all_jobs == 1 else own


def context_for(
    snakemake: Any,
    config: WorkflowConfig,
    resolved: ResolvedRun,
    state_dir: Path,
    fingerprint: str,
    group: Group | None = None,
    label: str | None = None,
    threads: int | None = None,
) -> TrainingContext:
    """Where and how one run is trained. Models that train in a moment need no thermal guard.

    Trials of a search belong to a `group` in the trackers; `label` names one (default: the run's path).
    `threads` are those that a run started with; by default those of the configuration and this job.
    """
    label = label or Run(**resolved.run).label()  # type: ignore[arg-type]
    if resolved.plugin:
        registry.add_plugin(Path(resolved.plugin))
    long_job = registry.get(resolved.model).metadata.network
    runtime = config.training.runtime()
    if threads is not None and long_job:
        runtime = kept_threads(runtime, threads, str(state_dir))
    return TrainingContext(
        seed=int(resolved.run["seed"]),
        state_dir=state_dir,
        runtime=runtime,
        fingerprint=fingerprint,
        micro_batch=resolved.micro_batch,
        precision=resolved.precision,
        compile=resolved.compiled,
        job_threads=job_threads(snakemake, config),
        thermal=ThermalGuard.from_config(
            config.thermal if long_job else ThermalConfig(sensor="off"), record=TemperatureRecord(state_dir)
        ),
        tracker=open_tracker(
            config.tracking,
            label,
            resolved.model_dump(mode="json"),
            {"fingerprint": fingerprint},
            group,
        ),
        progress=Progress(resolved.recipe.max_steps, label, state_dir=state_dir),
    )

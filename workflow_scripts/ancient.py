"""Snakemake passes over jobs that must run when an `ancient` input of theirs is re-made; this mends it.

In Snakemake 9.19–9.27 (`DAG.update_needrun`) a job that must run hides every job downstream of it from the
search for reasons, since they will run because of it. Along `ancient` inputs they do not, and so a missing
output, a changed parameter or another set of inputs goes unnoticed: the workflow ends well, with old results.
Reported as https://github.com/snakemake/snakemake/issues/4166. To be removed when that is closed;
tests/workflow/test_study.py asks a further question of a finished study.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from snakemake.dag import DAG

_every_downstream = DAG.bfs


def _never(job: Any) -> bool:
    return False


def _walk(dag: Any, direction: Any, *jobs: Any, stop: Callable[[Any], bool] = _never) -> Iterator[Any]:
    """`DAG.bfs`; downstream, only along inputs that pass a re-run on."""
    if direction is not dag.depending or dag.omitrules or dag.omitfiles:
        yield from _every_downstream(dag, direction, *jobs, stop=stop)
        return
    queue, seen = list(jobs), set(jobs)
    for job in queue:  # grows while it is walked
        if stop(job):
            continue
        yield job
        for other, files in direction[job].items():
            if other not in seen and not all(file.is_ancient for file in files):
                seen.add(other)
                queue.append(other)


def look_behind_ancient_inputs() -> None:
    """For the workflow, before the graph of jobs is made; a second call changes nothing."""
    DAG.bfs = _walk

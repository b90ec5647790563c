"""Corrects two behaviours of Snakemake with `ancient` inputs.

Snakemake skips jobs that must run when one of their `ancient` inputs is re-made; `look_behind_ancient_inputs`
fixes that.

In Snakemake 9.19–9.27 (`DAG.update_needrun`) a job that must run hides every job downstream of it from the
search for reasons, since they will run because of it. Along `ancient` inputs they do not, and so a missing
output, a changed parameter or another set of inputs goes unnoticed: the workflow ends well, with old results.
Reported as https://github.com/snakemake/snakemake/issues/4166. To be removed when that is closed;
tests/workflow/test_study.py adds a question to a finished study.

It also runs a job again when it has one `ancient` input more or less than before, though the content of none
would be a reason. `overlook_among_recorded_inputs` takes some out of that comparison;
tests/workflow/test_predictions.py adds a question about finished runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from snakemake.dag import DAG
from snakemake.persistence import PersistenceBase

_every_downstream = DAG.bfs
_every_input = PersistenceBase._input


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


def overlook_among_recorded_inputs(folder: str) -> None:
    """Leave files of a folder out of what is recorded, and later compared, as the set of a job's inputs."""

    def others(persistence: Any, job: Any) -> list[str]:
        return [path for path in _every_input(persistence, job) if not path.startswith(folder)]

    PersistenceBase._input = others

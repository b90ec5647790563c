"""Finding the micro-batch: how many windows per forward pass are safe, and how many are fastest.

Candidates are tried with real training steps in a process of their own, so that running out of memory costs a
candidate and not the workflow. The effective batch, which decides results, is never changed: it is reached by
accumulating gradients. Precision, which also affects results, is the study's and not measured here. Writes
nothing to disk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.config.training import Recipe, Runtime
from lib.data.io import read_json
from lib.errors import ModelError
from lib.training.progress import say
from lib.tuning.child import Child
from lib.tuning.hardware import hardware_fingerprint
from lib.tuning.probe import Candidate, Setup

if TYPE_CHECKING:
    from torch import nn

_IMPROVEMENT = 1.05
"""A larger micro-batch must bring this much to count as an improvement; two without one end the search."""
_DISTURBED = 0.7
"""Below this share of the best speed so far it was other work on the machine that slowed a candidate, not its
size: it says nothing about whether larger ones gain."""
_BUSY = 1.5
"""Load per core from which measurements are not to be trusted."""
_CLOSE_ENOUGH = 0.90
"""The smallest micro-batch within this share of the best speed is taken: repeated measurements differ by some
per cent, so that the fastest of all would be chosen by noise, and it leaves more memory free."""
_WORTH_COMPILING = 1.10


@dataclass
class _Table:
    """What was measured, in the study's precision."""

    precision: str
    rows: list[dict[str, Any]] = field(default_factory=list)

    def measured(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["status"] == "ok"]

    def best(self) -> dict[str, Any]:
        fastest = max(row["samples_per_second"] for row in self.measured())
        return next(row for row in self.measured() if row["samples_per_second"] >= _CLOSE_ENOUGH * fastest)

    def add(self, row: dict[str, Any], effective_batch: int, optimizer_seconds: float) -> None:
        """Put a measured row into the table and bring all speeds up to date.

        A larger batch never takes less time than a smaller one, so a shorter time further up shows that a
        measurement below it was disturbed by other work on the machine.
        """
        self.rows.append(row)
        seconds = float("inf")
        for each in reversed(self.measured()):
            seconds = min(seconds, each["seconds_per_pass"])
            each["seconds_per_pass"] = seconds
            passes = effective_batch / each["micro_batch"]
            each["samples_per_second"] = effective_batch / (passes * seconds + optimizer_seconds)

    def predicted_memory(self, micro_batch: int, static: int) -> int:
        """Linear in the micro-batch, through the last two measurements."""
        points = [(0, static), *((row["micro_batch"], row["peak_memory"]) for row in self.measured())]
        if len(points) == 1:
            return static
        (n0, m0), (n1, m1) = points[-2:]
        growth = max(0.0, (m1 - m0) / (n1 - n0))
        return int(m1 + growth * (micro_batch - n1))


def discover(
    factory: Callable[[], nn.Module],
    *,
    context_length: int,
    channels: int,
    effective_batch: int,
    runtime: Runtime,
    recipe: Recipe | None = None,
    loss: str = "bce",
    job_threads: int | None = None,
    time_limit_seconds: float = 180.0,
) -> dict[str, Any]:
    """Largest safe and fastest micro-batch of one network on this machine.

    Powers of two up to `effective_batch` are tried from 1 upwards, each with one untimed and at least two
    timed passes, until memory, time or the gain in speed ends.

    Args:
        factory: builds the network, (batch, context_length, channels) to (batch,). Must be picklable and
            importable from a fresh process (a module's function or a `functools.partial` of one).
        context_length: bars per window.
        channels: input channels.
        effective_batch: windows per optimiser step.
        runtime: device, precision, compile, threads and memory share.
        recipe: for the optimiser; default the default recipe.
        loss: ``bce`` or ``mse``.
        job_threads: threads this job may use with `threads: auto`; None when it runs alone.
        time_limit_seconds: for measuring; no further candidate is begun that would probably end later.

    Returns:
        Content of the batch-size file: micro_batch, effective_batch, samples_per_second (with the optimiser
        step's share), precision, compile, largest_safe (predicted from measured memory where not tried
        itself), param_count, flops_per_sample (forward and backward; None if unknown), memory in bytes,
        candidates, hardware, device, seconds, discovered_on, load_per_core (when it began).

    Raises:
        ModelError: the network cannot be built, or not even one window fits.
    """
    begin = time.monotonic()
    load = _load_per_core()
    if load > _BUSY:
        say(
            f"batch size: the machine is busy (load {load:.1f} per core), so what is found may be too small. "
            "Delete the file and run again when it is idle."
        )
    setup = Setup(
        factory, context_length, channels, effective_batch, loss, recipe or Recipe(), runtime, job_threads
    )
    child = Child(setup)
    try:
        child.start()
        table = _Table(child.facts["precision"])
        _climb(child, table, time.monotonic() + time_limit_seconds)
        if not table.measured():
            raise ModelError(
                f"batch size: not even one window fits into memory (limit "
                f"{child.facts['memory_limit'] / 1e9:.1f} GB, training.memory_share of what is free). "
                "Choose a smaller budget or close other programs."
            )
        result = _result(child, table, _try_compiled(child, table, runtime))
        facts = {"seconds": time.monotonic() - begin, "discovered_on": date.today().isoformat()}
        return result | facts | {"load_per_core": round(load, 2)}
    finally:
        child.close()


def precision_begun(folder: Path) -> str | None:
    """Precision in which a study's first batch size was found; None before that.

    Args:
        folder: of the study's batch sizes.

    Raises:
        IntegrityError: a file there is torn.
    """
    found = sorted(folder.rglob("*.json"), key=lambda path: path.stat().st_mtime)
    return str(read_json(found[0], dict)["precision"]) if found else None


def _load_per_core() -> float:
    """Processes that want to run, per core, over the last minute; 0 where the system does not say."""
    if not hasattr(os, "getloadavg"):
        return 0.0
    return os.getloadavg()[0] / (os.cpu_count() or 1)


def _climb(child: Child, table: _Table, deadline: float) -> None:
    """Try micro-batches upwards; fills the table."""
    best, without_gain, last_duration = 0.0, 0, 0.0
    for micro_batch in _powers_of_two(child.setup.effective_batch):
        if table.measured() and time.monotonic() + 2 * last_duration > deadline:
            table.rows.append(_row(micro_batch, table.precision, "not tried: out of time"))
            return
        if table.predicted_memory(micro_batch, child.facts["static_memory"]) > child.facts["memory_limit"]:
            status = "not tried: predicted memory is above the limit"
            table.rows.append(_row(micro_batch, table.precision, status))
            return
        begin = time.monotonic()
        row = _measure(child, table, micro_batch)
        last_duration = time.monotonic() - begin
        if row["status"] != "ok":
            return
        speed = row["samples_per_second"]
        if speed > _IMPROVEMENT * best:
            without_gain = 0
        elif speed > _DISTURBED * best:
            without_gain += 1
        best = table.best()["samples_per_second"]
        if without_gain == 2:
            return


def _row(micro_batch: int, precision: str, status: str, compiled: bool = False) -> dict[str, Any]:
    return {"micro_batch": micro_batch, "precision": precision, "compile": compiled, "status": status}


def _measure(child: Child, table: _Table, micro_batch: int, compiled: bool = False) -> dict[str, Any]:
    """Try one candidate and put it into the table."""
    answer = child.ask(Candidate(micro_batch, table.precision, compiled, count_flops=micro_batch == 1))
    row = _row(micro_batch, table.precision, answer["status"], compiled)
    if answer["status"] == "error" and not compiled:
        raise ModelError(f"batch size: a training step failed: {answer['reason']}")
    if answer["status"] == "ok":
        if answer["peak_memory"] > child.facts["memory_limit"]:
            row["status"] = "above the memory limit"
        row["seconds_per_pass"] = answer["seconds"]
        row["samples_per_second"] = None
        row["peak_memory"] = answer["peak_memory"]
        row["flops_per_sample"] = answer["flops"] // micro_batch if answer["flops"] else None
    else:
        row["reason"] = answer.get("reason")
    table.add(row, child.setup.effective_batch, child.facts["optimizer_seconds"])
    return row


def _try_compiled(child: Child, table: _Table, runtime: Runtime) -> dict[str, Any] | None:
    """The row of the compiled network where it is to be used, else None.

    On CPU `auto` does not even try: compiling there takes longer than it saves in all but the longest runs.
    """
    if runtime.compile == "off" or (runtime.compile == "auto" and child.facts["device"] != "cuda"):
        return None
    best = table.best()
    row = _measure(child, _Table(table.precision), best["micro_batch"], compiled=True)
    if row["status"] != "ok":
        say(f"batch size: the compiled network cannot be used ({row.get('reason') or row['status']}).")
        return None
    gain = row["samples_per_second"] / best["samples_per_second"]
    return row if runtime.compile == "on" or gain >= _WORTH_COMPILING else None


def _result(child: Child, table: _Table, compiled: dict[str, Any] | None) -> dict[str, Any]:
    setup = child.setup
    best = compiled or table.best()
    rows = table.rows + ([compiled] if compiled else [])
    return {
        "micro_batch": best["micro_batch"],
        "effective_batch": setup.effective_batch,
        "samples_per_second": best["samples_per_second"],
        "precision": best["precision"],
        "compile": compiled is not None,
        "largest_safe": _largest_safe(child, table),
        "param_count": child.facts["param_count"],
        "flops_per_sample": next((r["flops_per_sample"] for r in rows if r.get("flops_per_sample")), None),
        "optimizer_seconds": child.facts["optimizer_seconds"],
        "memory_limit": child.facts["memory_limit"],
        "memory": best["peak_memory"],
        "context_length": setup.context_length,
        "channels": setup.channels,
        "device": child.facts["device"],
        "device_name": child.facts["device_name"],
        "threads": child.facts["threads"],
        "candidates": rows,
        "hardware": hardware_fingerprint(),
    }


def _largest_safe(child: Child, table: _Table) -> int:
    """Where the climb ended for lack of speed, larger ones are judged by the memory measured so far."""
    failed = [row["micro_batch"] for row in table.rows if row["status"] in _UNSAFE]
    predicted = [
        size
        for size in _powers_of_two(child.setup.effective_batch)
        if all(size < unsafe for unsafe in failed)
        and table.predicted_memory(size, child.facts["static_memory"]) <= child.facts["memory_limit"]
    ]
    return max(predicted + [row["micro_batch"] for row in table.measured()])


_UNSAFE = ("out of memory", "killed", "timed out", "above the memory limit")


def _powers_of_two(largest: int) -> list[int]:
    return [2**power for power in range(largest.bit_length())]

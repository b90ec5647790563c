"""Which machine this is, as far as a found batch size depends on it. Imports no torch."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from lib.errors import ConfigError
from lib.training.progress import say_once
from lib.training.provenance import hardware

_MEMORY_TOLERANCE = 0.1


def hardware_fingerprint() -> dict[str, Any]:
    """Processor, cores, memory in GB (10⁹ bytes) and the graphics card that a job uses here."""
    facts = hardware()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": facts["cpu"],
        "cores": facts["cores"],
        "memory_gb": facts["memory_gb"],
        "gpu": _nvidia_card(),
    }


def matches_hardware(result: Mapping[str, Any]) -> bool:
    """Whether a batch-size result was found on a machine like this one.

    Memory may differ by a tenth (firmware and drivers take varying shares of it).
    """
    there, here = result.get("hardware"), hardware_fingerprint()
    if not isinstance(there, Mapping):
        return False
    if any(there.get(name) != here[name] for name in ("system", "cpu", "cores", "gpu")):
        return False
    memory = there.get("memory_gb")
    return isinstance(memory, int | float) and abs(memory - here["memory_gb"]) <= (
        _MEMORY_TOLERANCE * here["memory_gb"]
    )


def require_hardware(result: Mapping[str, Any], path: Path) -> None:
    """Refuse a batch size that was found on a machine with another card or more memory; warn of other cores.

    Args:
        result: content of the batch-size file.
        path: of that file, for the message.

    Raises:
        ConfigError: what was safe there may not fit here.
    """
    if matches_hardware(result):
        return
    there, here = dict(result.get("hardware") or {}), hardware_fingerprint()
    again = f"Find it again on this machine: snakemake --cores 1 --force {path}"
    less = here["memory_gb"] < (1 - _MEMORY_TOLERANCE) * float(there.get("memory_gb") or 0)
    if there.get("gpu") != here["gpu"] or less:
        raise ConfigError(
            f"{path}: found on another machine ({_words(there)}; here {_words(here)}): what was safe there "
            f"may not fit here. {again}"
        )
    say_once(
        str(path),
        f"WARNING: {path} was found on {_words(there)}, this is {_words(here)}: another micro-batch may be "
        f"faster here. {again}",
    )


def _words(facts: Mapping[str, Any]) -> str:
    cards = ", ".join(facts.get("gpu") or []) or "no GPU"
    return f"{facts.get('cpu')}, {facts.get('cores')} cores, {facts.get('memory_gb')} GB, {cards}"


def free_memory() -> int:
    """Bytes that this process may still take: of the machine, or of its control group if that is less."""
    free = int(psutil.virtual_memory().available)
    for folder, limit, used in (
        (Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        # "max" stands there when nothing is limited; outside Linux there are no such files.
        with contextlib.suppress(OSError, ValueError):
            taken = int((folder / used).read_text()) - _reclaimable(folder / "memory.stat")
            free = min(free, int((folder / limit).read_text()) - taken)
    return max(0, free)


def _reclaimable(statistics: Path) -> int:
    """File cache that the system frees when memory is needed; it counts as used in a control group."""
    for line in statistics.read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == "inactive_file":
            return int(value)
    return 0


def _nvidia_card() -> list[str]:
    """Name of the card that a training takes here: the first that CUDA shows; empty without one."""
    try:
        from lib.training.nvidia import card_name, visible_cards

        return [card_name(card) for card in visible_cards()[:1]]
    except Exception:  # no library, no driver, no permission: no card that could be used
        return []

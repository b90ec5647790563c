"""Provenance of a result: code, packages and hardware, as plain facts for provenance.json."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = (
    "snakemake",
    "torch",
    "transformers",
    "optuna",
    "polars",
    "numpy",
    "scikit-learn",
    "xgboost",
    "TA-Lib",
)


def git_commit(folder: Path) -> str | None:
    """Commit of the code in `folder`, with ``-dirty`` when it was changed; None outside a repository."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    return _answer(command)


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that decide results."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """Processor, cores and memory in GB (10⁹ bytes); accelerators are named by the training engine."""
    return {
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }


def _cpu_name() -> str:
    """Model of the processor, as far as the system shows it."""
    if platform.system() == "Darwin":  # where `platform` only knows the instruction set: arm
        return _answer(["sysctl", "-n", "machdep.cpu.brand_string"]) or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _answer(command: list[str]) -> str | None:
    """Output of a system command; None if it fails or prints nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None

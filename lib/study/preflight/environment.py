"""Checks besides the machine: packages, keys, folders, sound data, unfinished work.

Only the presence of keys is checked; they are never shown or tried against a server.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import distributions
from itertools import islice
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from lib.config.data import DataConfig
from lib.config.workflow import WorkflowConfig
from lib.data.manifest import read_manifest, verify
from lib.data.sources.fred import KEY as FRED_KEY
from lib.errors import IntegrityError
from lib.study.preflight.check import Check
from lib.study.preview import gigabytes
from lib.training.heartbeat import Status
from lib.training.provenance import PACKAGES
from lib.training.tracker_backends import has_wandb_key

NAMED = 4
"""Examples in one line."""
COUNTED = 1000
"""Files of a folder that are counted at most: it may be a large disk."""
REPAIR = "Restore them from a backup, or delete them: what can be made again will be."


def packages(lock: Path) -> Check:
    """Installed versions against the lock file, for this platform and Python."""
    if not lock.is_file():
        return Check("packages", "warn", f"no {lock.name}", "Versions cannot be compared.")
    wanted = locked_versions(lock.read_text(encoding="utf-8"))
    installed = [(d.metadata["Name"], d.version) for d in distributions()]
    here: dict[str, str] = {canonicalize_name(name): version for name, version in installed if name}
    missing = sorted(name for name in wanted if name not in here)
    different = sorted(name for name in wanted if name in here and here[name] != wanted[name])
    decisive = {canonicalize_name(name) for name in PACKAGES}
    found = f"{len(wanted) - len(missing) - len(different)} of {len(wanted)} as locked"
    if missing:
        found += f"; missing: {_some(missing)}"
    if different:
        found += f"; other versions: {_some(f'{n} {here[n]} ({wanted[n]})' for n in different)}"
    if decisive & set(missing):
        return Check("packages", "fail", found, "Run make setup.")
    if missing or different:
        return Check(
            "packages", "warn", found, "make setup installs what is locked; others may differ in results."
        )
    return Check("packages", "pass", found)


def locked_versions(text: str) -> dict[str, str]:
    """Package to version from a requirements file, as far as its markers hold here."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line or line[0] in " #-":
            continue
        try:
            requirement = Requirement(re.sub(r"\s*\\$", "", line))
        except InvalidRequirement:
            continue
        versions = [item.version for item in requirement.specifier if item.operator == "=="]
        if versions and (requirement.marker is None or requirement.marker.evaluate()):
            found[canonicalize_name(requirement.name)] = versions[0]
    return found


def keys(
    config: WorkflowConfig, sources: Collection[str], environment: Mapping[str, str] = os.environ
) -> list[Check]:
    """Keys that this configuration uses, and no others.

    Args:
        config: the configuration.
        sources: of data that have still to be fetched.
        environment: where keys are looked for.
    """
    checks = []
    needed = "fred" in sources
    there = bool(environment.get(FRED_KEY, "").strip())
    if needed or there:
        advice = f"Set the environment variable {FRED_KEY} (free at fred.stlouisfed.org)."
        checks.append(_key("key of FRED", needed, there, advice))
    online = config.tracking.wandb == "online"
    if online:
        advice = "Run wandb login, set WANDB_API_KEY, or say tracking.wandb: offline."
        checks.append(_key("key of W&B", online, has_wandb_key(), advice))
    if name := config.search.storage_from:
        there = bool(environment.get(name, "").strip())
        advice = f"Export {name}, or leave search.storage_from out: each search is then a file of its own."
        checks.append(_key("address of the searches", True, there, advice))
    return checks or [Check("keys", "pass", "this configuration needs none")]


def _key(subject: str, needed: bool, there: bool, advice: str) -> Check:
    if there:
        words = "is set" if needed else "is set, not needed here"
        return Check(subject, "pass", words, unchecked=f"whether the {subject} is valid" if needed else "")
    return Check(subject, "fail", "is not set", advice)


def folders(work: Path, data: DataConfig, sources: Collection[str] = ()) -> list[Check]:
    """The folders that the study reads from and writes to.

    Args:
        work: where the workflow runs.
        data: the configuration.
        sources: of data that have still to be fetched.
    """
    checks = []
    if "trends" in sources and data.trends_folder is None:
        advice = "Export the keywords from Google Trends and name their folder; docs/data.md says how."
        checks.append(Check("data.trends_folder", "fail", "is not named", advice))
    for name, folder in (("data.folder", data.folder), ("data.trends_folder", data.trends_folder)):
        if folder is None:
            continue
        path = Path(os.path.expandvars(str(folder))).expanduser()
        if not path.is_dir():
            checks.append(
                Check(name, "fail", f"{path}: no such folder", f"Correct {name}, or mount the disk.")
            )
        elif not os.access(path, os.R_OK | os.X_OK):
            checks.append(Check(name, "fail", f"{path}: may not be read", "Change its permissions."))
        else:
            files = (item for item in path.rglob("*") if item.is_file())
            number = sum(1 for _ in islice(files, COUNTED))
            words = f"{path}: {number}{' or more' if number == COUNTED else ''} files"
            found = Check(name, "pass", words)
            checks.append(found if number else Check(name, "warn", words, "Is the disk mounted?"))
    if not os.access(work, os.W_OK | os.X_OK):
        return [*checks, Check("working folder", "fail", f"{work}: may not be written", "Work elsewhere.")]
    return [*checks, Check("working folder", "pass", f"{work}: may be written")]


def hashes(root: Path, manifests: Iterable[Path], at_most: int) -> Check:
    """Recorded data against their hashes, as `make verify` does it, up to a size that takes a second.

    Args:
        root: what the paths in manifests are relative to.
        manifests: those to check; missing ones have nothing to check yet.
        at_most: bytes; larger data are left to `make verify`.
    """
    others = "models and checkpoints (make verify)"
    present = [path for path in manifests if path.is_file()]
    if not present:
        return Check("data", "pass", "none yet: the study will make them", unchecked=others)
    try:
        paths = {root / entry.path for path in present for entry in read_manifest(path)}
    except IntegrityError as error:
        return Check("data", "fail", "a manifest cannot be read", str(error))
    size = sum(path.stat().st_size for path in paths if path.is_file())
    if size > at_most:
        if missing := [path for path in paths if not path.is_file()]:
            found = f"{len(missing)} recorded files are missing: {_some(missing)}"
            return Check("data", "fail", found, REPAIR)
        found = f"{len(paths)} files are there, {gigabytes(size)}"
        return Check("data", "pass", found, unchecked=f"hashes of data; {others}")
    checked, wrong = verify(root, present)
    if wrong:
        found = f"{len(wrong)} of {checked} differ: {_some(item.path for item in wrong)}"
        return Check("data", "fail", found, REPAIR)
    return Check("data", "pass", f"{checked} files match their hashes", unchecked=others)


def left_behind(statuses: Iterable[Status], locks: Path) -> Check:
    """Trainings that run or wait, and whether Snakemake believes that it is still running."""
    running = sum(status.running for status in statuses)
    waiting = sum(not status.running for status in statuses)
    found = f"{running} running, {waiting} waiting to be continued"
    if running:
        return Check("trainings", "warn", found, "A second start waits for the first. See make status.")
    if locks.is_dir() and any(locks.iterdir()):
        advice = "If no snakemake runs here, it was killed: snakemake --unlock, then the same command."
        return Check("trainings", "warn", f"{found}; the folder is locked", advice)
    return Check("trainings", "pass", found if waiting else "none is left hanging")


def _some(names: Iterable[object]) -> str:
    words = [str(name) for name in names]
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return ", ".join(words[:NAMED]) + more

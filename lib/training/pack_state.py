"""What a pack leaves in the state directories of its members: who belongs together, and where all can go on.

What a member computes depends in the last bit on how many are computed with it. So that an interrupted pack
ends in the same bytes, the same members go on together, from a place that each of them has saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lib.data.io import read_json, write_json_atomic
from lib.training.checkpoint import CheckpointStore, place_of
from lib.training.context import TrainingContext
from lib.training.progress import say
from lib.training.retention import FINISHED

PACK = "pack.json"
Place = tuple[int, int]
"""Finished epochs, and optimiser steps in all."""


def partners(folder: Path, fingerprint: str) -> frozenset[str]:
    """Fingerprints of the runs that a run was last trained with, its own among them.

    Nothing if it was never in a pack (what lies there may also be another run's). A run that left its pack
    because it diverged has itself alone.
    """
    path = folder / PACK
    members = frozenset(read_json(path)["members"]) if path.exists() else frozenset[str]()
    return members if fingerprint in members else frozenset()


def record_pack(members: Sequence[TrainingContext]) -> None:
    """Write down in each state directory who belongs together from now on."""
    fingerprints = sorted(member.fingerprint for member in members)
    for member in members:
        if partners(member.state_dir, member.fingerprint) != frozenset(fingerprints):
            write_json_atomic(member.state_dir / PACK, {"members": fingerprints})


def go_back_to_common_place(stores: Sequence[CheckpointStore]) -> None:
    """Delete what members have saved beyond the newest place that all of them can go on from.

    Those that are finished are left alone. Where there is no such place (a run that was begun alone, or
    damaged files) nothing is deleted and that is said: those behind then catch up by themselves.
    """
    begun = [store for store in stores if not (store.folder / FINISHED).exists()]
    files = [{place_of(path): path for path in store.checkpoints()} for store in begun]
    reached = [max(own, default=(0, 0)) for own in files]
    if len(begun) < 2:
        return
    places = _common_places(files)
    usable = (
        place
        for place in places
        if all(
            place not in own or store.is_whole(own[place]) for store, own in zip(begun, files, strict=True)
        )
    )
    place = next(usable, None)
    if place is None:
        say(
            f"WARNING: {', '.join(str(store.folder) for store in begun)}: no checkpoint is common to these "
            "runs that are trained together. Those behind catch up alone, so the results equal those of an "
            "uninterrupted pack up to rounding, not in every byte."
        )
        return
    for store, own, last in zip(begun, files, reached, strict=True):
        if last > place:
            say(f"{store.folder}: goes back from step {last[1]} to {place[1]}, saved by its whole pack.")
        for path in (path for other, path in own.items() if other > place):
            store.discard(path)


def _common_places(files: Sequence[dict[Place, Path]]) -> list[Place]:
    """Newest first. A member without checkpoints stands at the beginning."""
    common = set.intersection(*(set(own) or {(0, 0)} for own in files))
    return sorted(common, reverse=True)

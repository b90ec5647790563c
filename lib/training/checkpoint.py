"""Checkpoints on disk: written whole or not at all, checked for damage on reading, and executing no code.

A checkpoint is a file of tensors, numbers, texts, lists and dictionaries with its SHA-256 beside it. This
module knows files and their retention; the engine decides what goes into a checkpoint.

The best weights so far are a file of their own (weights only), written together with a checkpoint and only
if they have changed since the last one and are not the checkpoint's own weights: between checkpoints they
live in memory, because a crash falls back to the last checkpoint anyway and finds them again.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from lib.data.io import atomic_path, flush_to_disk, sha256_of, write_text_atomic
from lib.errors import IntegrityError, StudyError
from lib.training.progress import say
from lib.training.retention import FINISHED, checkpoint_bytes, kept_checkpoints

Payload = dict[str, Any]
FORMAT = 3
_FULL = 4_000_000
"""Bytes; with less free than this, PyTorch's message about a failed write is misleading."""
_NAME = re.compile(r"checkpoint-s(\d+)-b(\d+)\.pt")


@dataclass
class Position:
    """Where training is: everything of its state that is not a tensor."""

    step: int = 0
    """Optimiser steps."""
    loss_sum: float = 0.0
    """Sum of the steps' mean losses since the last validation."""
    steps_seen: int = 0
    """Steps since the last validation."""
    train_seconds: float = 0.0
    """In them."""
    first_loss: float | None = None
    """Mean training loss until the first validation."""
    best_step: int = 0
    """0 before the first validation."""
    best_loss: float = float("inf")
    decay_from: int | None = None
    """Step with which annealing began; None while the rate has not begun to fall."""
    history: list[dict[str, Any]] = field(default_factory=list)
    stopped_early: bool = False

    def plain(self) -> Payload:
        """As numbers, lists and dictionaries."""
        return asdict(self)


def write_checkpoint(path: Path, payload: Mapping[str, Any]) -> None:
    """Write a file atomically, then its hash (`NAME.sha256`, readable by sha256sum).

    Raises:
        StudyError: it cannot be written, for example because the disk is full. An earlier file stays.
    """
    try:
        with atomic_path(path) as temporary:
            torch.save(dict(payload), temporary)
            digest = sha256_of(temporary)
        write_text_atomic(_hash_file(path), f"{digest}  {path.name}\n")
        _sync_folder(path.parent)
    except (OSError, RuntimeError) as error:  # PyTorch's writer turns some OSErrors into RuntimeErrors
        free = shutil.disk_usage(path.parent).free if path.parent.exists() else 0
        reason = "no space is left" if free < _FULL else str(error).splitlines()[0]
        raise StudyError(
            f"{path}: the checkpoint could not be written ({reason}); free: {free / 1e9:.2f} GB."
        ) from error


def read_checkpoint(path: Path) -> Payload:
    """Read a file if it matches its hash. Tensors come to the CPU; no code in the file is run.

    Raises:
        IntegrityError: hash missing or different, or the content is not plain data.
    """
    try:
        expected = _hash_file(path).read_text(encoding="utf-8").split()[0]
        found = sha256_of(path)
    except (OSError, IndexError) as error:
        raise IntegrityError(f"{path}: not whole, file or hash is missing ({error}).") from error
    if found != expected:
        raise IntegrityError(f"{path}: damaged, its SHA-256 is {found[:12]}…, recorded is {expected[:12]}….")
    try:
        payload = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch each raise their own kinds
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise IntegrityError(f"{path}: refused, it is not a file of plain tensors ({first_line}).") from error
    if not isinstance(payload, dict) or payload.get("format") != FORMAT:
        raise IntegrityError(f"{path}: refused, it is not a checkpoint of this version.")
    return payload


class CheckpointStore:
    """The checkpoints of one run.

    Args:
        folder: used by this class alone.
        keep: how many checkpoints to keep.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self.keep = keep
        self._proven: set[Path] = set()
        """Files that this process wrote or read whole; that a file exists says nothing of its content."""

    @classmethod
    def of(cls, network: nn.Module, folder: Path, configured: int) -> Self:
        """The store of a network: fewer checkpoints than configured are kept of a large one."""
        n_parameters = sum(parameter.numel() for parameter in network.parameters())
        return cls(folder, kept_checkpoints(n_parameters, configured))

    def save(self, payload: Payload, position: Position, best: Mapping[str, torch.Tensor] | None) -> Path:
        """Add a checkpoint and delete those beyond the newest `keep`.

        Args:
            payload: what `latest` gives back.
            position: names the file.
            best: the best weights; None if the checkpoint's own weights are the best, or if there
                was no validation yet.

        Raises:
            StudyError: it cannot be written; the earlier ones stay.
        """
        best_step = position.best_step if best is not None else 0
        if best is not None:
            self._write_once(self._best_file(best_step), {"format": FORMAT, "model": dict(best)})
        name = f"checkpoint-s{position.step:08d}-b{best_step:08d}.pt"
        path = self.folder / name
        # Stopped again before the first step: overwriting would risk the only good file for nothing.
        self._write_once(path, payload | {"format": FORMAT})
        self._retain()
        return path

    def save_finished(self, payload: Payload) -> Path:
        """Keep the result of a finished training; the checkpoints on the way to it are deleted."""
        write_checkpoint(self.folder / FINISHED, payload | {"format": FORMAT})
        for path in [*self.checkpoints(), *self.folder.glob("best-*.pt"), *self._aside()]:
            _delete(path)
        return self.folder / FINISHED

    def latest(self) -> tuple[Payload, dict[str, torch.Tensor] | None] | None:
        """The newest checkpoint that is whole, with the best weights if they are kept apart.

        A damaged file is reported and renamed to `NAME.damaged`. Without the best weights that it names, a
        checkpoint could only lead to another result, so whole ones that name lost weights are reported and
        renamed to `NAME.without-best`. Renamed files are never read again.
        """
        self._delete_leftovers()
        finished, lost = self.folder / FINISHED, set[int]()
        candidates = [*([finished] if finished.exists() else []), *reversed(self.checkpoints())]
        for path in candidates:
            payload, step = self._read(path), _best_step(path)
            if payload is None:
                continue
            if not step:
                return payload, None
            best = None if step in lost else self._read(self._best_file(step))
            if best is not None:
                return payload, best["model"]
            lost.add(step)
            say(f"WARNING: {path}: set aside; it is whole, but useless without the weights of step {step}.")
            _set_aside(path, "without-best")
        if candidates:
            say(f"WARNING: {self.folder}: no usable checkpoint is left. Training starts from the beginning.")
        return None

    def checkpoints(self) -> list[Path]:
        """All checkpoint files, oldest first, whole or not."""
        return sorted(path for path in self.folder.glob("checkpoint-*.pt") if _NAME.fullmatch(path.name))

    def require_space(self, network: nn.Module, averaged: bool = False) -> int:
        """Check that the disk can hold what this store will keep at most; returns that need in bytes.

        Args:
            network: whose checkpoints they are.
            averaged: whether an average of its weights is kept as well.

        Raises:
            StudyError: it cannot.
        """
        weights = sum(t.numel() * t.element_size() for t in network.state_dict().values())
        trained = sum(p.numel() * p.element_size() for p in network.parameters() if p.requires_grad)
        need = checkpoint_bytes(weights, trained, self.keep, averaged)
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if free < need:
            raise StudyError(
                f"{self.folder}: the checkpoints of this run need up to {need / 1e9:.2f} GB, free are "
                f"{free / 1e9:.2f} GB. Make space, or keep fewer (training.keep_checkpoints: {self.keep})."
            )
        return need

    def _best_file(self, step: int) -> Path:
        return self.folder / f"best-s{step:08d}.pt"

    def _aside(self) -> list[Path]:
        return [path for kind in ("damaged", "without-best") for path in self.folder.glob(f"*.{kind}")]

    def _read(self, path: Path) -> Payload | None:
        """The content of a file; None if it is not whole: then it is reported and set aside."""
        try:
            payload = read_checkpoint(path)
        except IntegrityError as error:
            say(f"WARNING: {error} Set aside; falling back to what was saved before it.")
            _set_aside(path, "damaged")
            return None
        self._proven.add(path)
        return payload

    def _write_once(self, path: Path, payload: Payload) -> None:
        if path not in self._proven or not path.exists():
            write_checkpoint(path, payload)
            self._proven.add(path)

    def _retain(self) -> None:
        existing = self.checkpoints()
        for path in existing[: -self.keep]:
            _delete(path)
        needed = {self._best_file(_best_step(path)) for path in existing[-self.keep :]}
        for path in set(self.folder.glob("best-*.pt")) - needed:
            _delete(path)

    def _delete_leftovers(self) -> None:
        """Temporary files of a process that was killed while writing (we hold the lock: it is gone)."""
        for path in self.folder.glob(".*.tmp"):
            with contextlib.suppress(OSError):
                path.unlink()


def _best_step(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    return int(match.group(2)) if match else 0


def _hash_file(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _set_aside(path: Path, kind: str) -> None:
    """Rename a file to `NAME.KIND`, so that a good one can take its place; its hash goes."""
    with contextlib.suppress(FileNotFoundError):  # best weights that are lost altogether
        path.replace(path.with_name(f"{path.name}.{kind}"))
    _hash_file(path).unlink(missing_ok=True)


def _delete(path: Path) -> None:
    for file in (path, _hash_file(path)):
        with contextlib.suppress(OSError):
            file.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the renames themselves survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        flush_to_disk(descriptor)
    finally:
        os.close(descriptor)

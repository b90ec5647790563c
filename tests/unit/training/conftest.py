"""What many tests of the training engine begin with."""

from __future__ import annotations

import pytest

from lib.training import progress
from tests.unit.training_samples import fit, rows, weights_hash


@pytest.fixture(autouse=True)
def _fresh_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said only once may be said again in each test."""
    monkeypatch.setattr(progress, "_said", set())


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory):
    """Weights and history that every interrupted training must end with."""
    network, result = fit(tmp_path_factory.mktemp("whole"))
    return weights_hash(network), rows(result)

"""What several rooms' tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.shipped import named_files


@pytest.fixture(scope="session")
def named_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of the right name for all that source `files` may be asked for."""
    return named_files(tmp_path_factory.mktemp("market"))

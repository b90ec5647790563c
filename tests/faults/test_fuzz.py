"""Configurations and data files made by chance: a message or a result, never a traceback."""

from __future__ import annotations

import copy
import os
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.config.data import ValidationConfig
from lib.config.yaml_files import read_yaml
from lib.data.calendar import sessions_of
from lib.data.sources.files import FilesSource
from lib.data.validation.findings import raise_on_errors
from lib.data.validation.price_checks import validate_prices
from lib.errors import StudyError
from lib.study.plan import plan_study
from tests.conftest import RECORDS, ROOT

CONFIG = ROOT / "config"
MESSAGE = "a message with file and line or key; never a traceback, nothing written"
MORE = 5 if RECORDS in os.environ else 1
"""`make faults` tries more often than `make test`."""
QUICK = settings(max_examples=100 * MORE, deadline=None, suppress_health_check=list(HealthCheck))

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.dates()
    | st.sampled_from(["Aa20", "daily", "direction", "${HOME}", "${NO_SUCH}", "2M", "-1", "1e400", "\x00"])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every key and position of a nested content."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    found = []
    for key, value in pairs:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += places(value, (*path, key))
    return found


def changed(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    out = copy.deepcopy(content)
    parent = out
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    return out


QUICKSTART = read_yaml(CONFIG / "config.yaml")


@pytest.mark.faults("Configurations with random values in random places (fuzz)", happens=MESSAGE, user="correct the named line")  # fmt: skip  # noqa: E501
def test_any_value_anywhere_in_the_configuration_ends_in_a_message(record_property) -> None:
    tried = {"refused": 0, "accepted": 0}

    @QUICK
    @given(place=st.sampled_from(places(QUICKSTART)), value=VALUES)
    def attempt(place: tuple[Any, ...], value: Any) -> None:
        try:
            plan_study(changed(QUICKSTART, place, value), CONFIG, {"HOME": "/home/x"})
            tried["accepted"] += 1
        except StudyError as error:
            tried["refused"] += 1
            assert str(error)

    attempt()
    record_property("times", sum(tried.values()))
    assert tried["refused"] > 10


@pytest.mark.parametrize("kind", ["experiments", "models", "hpo", "architectures", "data"])
@pytest.mark.faults("Experiment, model, search, architecture, asset and series files with random values (fuzz)", happens=MESSAGE, user="correct the named line")  # fmt: skip  # noqa: E501
def test_any_value_anywhere_in_the_files_of_a_study_ends_in_a_message(
    tmp_path, record_property, kind
) -> None:
    import shutil

    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    names = {
        "experiments": ["quickstart"], "models": ["patchtst-mixed", "logistic"], "hpo": ["quickstart_search"],
        "architectures": ["patchtst_2m"], "data": ["assets", "series"],
    }[kind]  # fmt: skip
    whole = {name: read_yaml(folder / kind / f"{name}.yaml") for name in names}
    every = [(name, place) for name, content in whole.items() for place in places(content)]
    tried = []

    @settings(QUICK, max_examples=25 * MORE)
    @given(where=st.sampled_from(every), value=VALUES)
    def attempt(where: tuple[str, tuple[Any, ...]], value: Any) -> None:
        name, place = where
        path = folder / kind / f"{name}.yaml"
        tried.append(name)
        try:
            path.write_text(yaml.safe_dump(changed(whole[name], place, value)), encoding="utf-8")
            plan_study(copy.deepcopy(QUICKSTART), folder, {})
        except StudyError as error:
            assert str(error)
        finally:
            path.write_text(yaml.safe_dump(whole[name]), encoding="utf-8")

    attempt()
    record_property("times", len(tried))


@pytest.mark.faults("Text that is hardly YAML (fuzz)", happens=MESSAGE, user="correct the named line")
def test_any_text_as_yaml_ends_in_a_message(record_property) -> None:
    tried = []
    words = st.sampled_from(
        ["a", "1", "- ", ": ", "? ", "[", "]", "{", "}", "&a", "*a", "!!int ", "!!timestamp ", "!!set ",
         "<<: ", "2023-02-30", "\n", "  ", "#", "'", '"', "|", ">", "%YAML 9\n", "---\n", "\t", "é", "\x85",
         "=", "0x", "1:2"]
    )  # fmt: skip

    @settings(QUICK, max_examples=300 * MORE)
    @given(text=st.lists(words, max_size=14).map("".join) | st.text(max_size=40))
    def attempt(text: str) -> None:
        tried.append(text)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.yaml"
            path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
            try:
                assert isinstance(read_yaml(path), dict)
            except StudyError as error:
                assert "x.yaml" in str(error)

    attempt()
    record_property("times", len(tried))


CELL = st.sampled_from(
    ["", "1", "1.5", "-3", "0", "nan", "inf", "1e400", "1,5", "=1+1", "x", "2020-01-02", "2020-02-30",
     "01/02/2020", "20200102", "é", '"', "'", ";", "null", "9" * 40, "-", "<1", "2020-01-02T00:00:00Z"]
)  # fmt: skip
HEADER = st.sampled_from(
    ["Date", "open", "High", "low", "Close", "Volume", "Adj Close", "", "x", "Unnamed: 0"]
)


@pytest.mark.faults("Price files with random headers, cells and bytes (fuzz)", happens="read and valid, or a message with the file's name; never a traceback", user="correct or replace the named file")  # fmt: skip  # noqa: E501
def test_any_table_of_prices_is_read_or_refused(record_property) -> None:
    sessions, tried = sessions_of("XNYS"), []
    rows = st.lists(st.lists(CELL, min_size=1, max_size=8), max_size=6)
    good = "Date,Open,High,Low,Close,Volume\n" + "".join(
        f"2020-01-{day:02d},1,2,0.5,1.5,100\n" for day in (2, 3, 6, 7, 8)
    )

    def table(header: list[str], cells: list[list[str]]) -> bytes:
        return "\n".join(",".join(line) for line in [header, *cells]).encode()

    def altered(at: int, byte: int, cut: int) -> bytes:
        content = bytearray(good.encode())
        content[at % len(content)] = byte
        return bytes(content[: len(content) - cut])

    contents = st.builds(table, st.lists(HEADER, max_size=8), rows) | st.builds(
        altered, st.integers(0, 500), st.integers(0, 255), st.integers(0, 40)
    ) | st.builds(table, st.just(good.split("\n")[0].split(",")), st.lists(st.lists(CELL, min_size=6, max_size=6), max_size=5))  # fmt: skip  # noqa: E501

    @settings(QUICK, max_examples=200 * MORE)
    @given(content=contents)
    def attempt(content: bytes) -> None:
        tried.append(content)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "SPY.csv").write_bytes(content)
            try:
                frame = FilesSource(Path(folder)).prices("SPY")
                raise_on_errors(validate_prices(frame, "SPY", ValidationConfig(), date(2026, 1, 1), sessions))
            except StudyError as error:
                assert "SPY" in str(error)

    attempt()
    record_property("times", len(tried))

"""Where and when the study is run changes nothing: time zones, locales, daylight saving, leap days."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hurt import LOGISTIC

from lib.config.data import DownloadConfig
from lib.data.calendar import sessions_of
from lib.data.sources.yahoo import YahooSource
from lib.features.bars import resample
from tests import servers
from tests.conftest import Project, with_hostile_words
from tests.servers import serving

ZONES = ("Pacific/Kiritimati", "America/New_York", "Asia/Kathmandu", "Pacific/Honolulu")
QUICK = DownloadConfig(deadline_seconds=120, attempts=2, first_pause_seconds=0.01, timeout_seconds=20)
SAME = "the same bytes"


@pytest.fixture(params=ZONES)
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "settings",
    [
        {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"TZ": "America/New_York", "LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"},
        {"TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "7"},
    ],
    ids=lambda settings: settings["TZ"],
)
@pytest.mark.slow
@pytest.mark.faults("Another time zone, another locale (also without UTF-8)", happens=SAME, user="nothing")
def test_time_zone_and_locale_change_no_byte(
    project: Project, finished: Project, monkeypatch, settings
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with_hostile_words(project)
    project.study(note="Größe – 規模?")
    done = project.snakemake(f"{LOGISTIC}/metrics.json")
    assert done.returncode == 0, done.stdout
    for name in (
        "metrics.json",
        "daily.parquet",
        "params.yaml",
        "predictions/val.parquet",
        "model/model.json",
    ):
        ours, theirs = project.folder / LOGISTIC / name, finished.folder / LOGISTIC / name
        assert ours.read_bytes() == theirs.read_bytes(), name
    for name in ("data/processed/test-1/Aa20/daily.parquet", "data/raw/test-1/prices/SPY.parquet"):
        assert (project.folder / name).read_bytes() == (finished.folder / name).read_bytes(), name


@pytest.mark.parametrize("change", [date(2024, 3, 10), date(2024, 11, 3)], ids=["spring", "autumn"])
@pytest.mark.faults("A download across the change to and from daylight saving", happens="each bar keeps its day, in every time zone", user="nothing")  # fmt: skip  # noqa: E501
def test_a_download_across_daylight_saving_keeps_every_day(zone: str, change: date) -> None:
    sessions = sessions_of("XNYS")
    near = sessions.filter((sessions - change).dt.total_days().abs() <= 7).to_list()
    closes = [100.0 + n for n in range(len(near))]
    evening = datetime(near[-1].year, near[-1].month, near[-1].day, 23, tzinfo=UTC)
    with serving(servers.yahoo(lambda _: servers.chart(near, closes))) as server:
        frame = YahooSource(server.address, QUICK, first=near[0], now=evening).prices("SPY")
    assert frame["date"].to_list() == near


@pytest.mark.parametrize("hour", [18, 19])
@pytest.mark.faults("A download at 14:00 in New York on a trading day (summer and winter)", happens="the unfinished day is left out", user="nothing")  # fmt: skip  # noqa: E501
def test_at_two_in_the_afternoon_today_is_not_yet_a_bar(zone: str, hour: int) -> None:
    # 14:00 in New York is 18:00 UTC in summer and 19:00 UTC in winter.
    last = date(2024, 7, 10) if hour == 18 else date(2024, 1, 10)
    sessions = sessions_of("XNYS")
    days = sessions.filter((sessions <= last) & (sessions > date(last.year - 1, 12, 20))).tail(8).to_list()
    now = datetime(last.year, last.month, last.day, hour, tzinfo=UTC)
    with serving(servers.yahoo(lambda _: servers.chart(days, [100.0] * len(days)))) as server:
        frame = YahooSource(server.address, QUICK, first=days[0], now=now).prices("SPY")
    assert frame["date"].to_list() == days[:-1], zone


@pytest.mark.parametrize("timescale", ["2d", "3d", "5d", "weekly", "2wk", "monthly"])
@pytest.mark.faults("Leap days, in bars of every timescale", happens="every session is in one bar, 29 February too", user="nothing")  # fmt: skip  # noqa: E501
def test_every_session_around_a_leap_day_is_in_exactly_one_bar(timescale: str) -> None:
    sessions = sessions_of("XNYS")
    days = sessions.filter((sessions >= date(2023, 12, 1)) & (sessions <= date(2024, 5, 31)))
    assert date(2024, 2, 29) in days.to_list()
    number = pl.int_range(1, len(days) + 1, eager=True).cast(pl.Float64)
    levels = dict.fromkeys(("open", "high", "low", "close"), number)
    prices = pl.DataFrame(
        {"date": days, "symbol": ["SPY"] * len(days), **levels, "volume": [1.0] * len(days)}
    )
    bars = resample(prices, timescale, sessions)
    covered = prices.filter(pl.col("date").is_between(bars["date"][0], bars["last_session"][-1]))
    assert bars["volume"][1:].sum() == covered.filter(pl.col("date") > bars["last_session"][0]).height
    [leap] = bars.filter(pl.col("last_session") >= date(2024, 2, 29)).head(1).to_dicts()
    position = {day: n for n, day in enumerate(days.to_list(), start=1)}
    assert leap["low"] <= position[date(2024, 2, 29)] <= leap["high"]


def test_the_records_hold_no_local_time(finished: Project) -> None:
    manifest = (finished.folder / "data" / "raw" / "manifest.json").read_text()
    assert "+00:00" in manifest

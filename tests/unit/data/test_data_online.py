"""The real clients of Yahoo, FRED and the SF Fed on loopback servers: what they give and what they refuse."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from lib.config.data import DownloadConfig
from lib.data.sources._web import retry_after
from lib.data.sources.fred import FredSource
from lib.data.sources.sentiment import SentimentSource
from lib.data.sources.yahoo import YahooSource
from lib.errors import DataError
from tests import servers
from tests.servers import Answer, serving

QUICK = DownloadConfig(deadline_seconds=120, attempts=3, first_pause_seconds=0.01, timeout_seconds=20)
DAYS = [date(2024, 1, 2) + timedelta(days=n) for n in range(14) if n not in (4, 5, 11, 12, 13)]
CLOSE = [100.0 + n for n in range(len(DAYS))]
LATER = datetime(2024, 1, 20, 12, tzinfo=UTC)


def prices(answer, now=LATER, symbol="SPY", patience=QUICK):
    with serving(servers.yahoo(answer)) as server:
        return YahooSource(server.address, patience, first=date(2000, 1, 1), now=now).prices(symbol), server


# -- Yahoo --


def test_yahoo_prices_are_adjusted_for_splits_and_dividends():
    adjusted = [c * 0.9 for c in CLOSE[:5]] + CLOSE[5:]
    frame, _ = prices(lambda _: servers.chart(DAYS, CLOSE, adjusted))
    assert frame["date"].to_list() == DAYS
    assert frame["close"].to_list() == pytest.approx(adjusted)
    assert frame["open"][0] == pytest.approx(CLOSE[0] * 0.9)
    assert frame["adjustment"].to_list() == pytest.approx([0.9] * 5 + [1.0] * (len(DAYS) - 5))


@pytest.mark.parametrize(("hour", "kept"), [(20, False), (22, True)])
def test_a_day_that_is_still_running_is_left_out(hour, kept):
    last = DAYS[-1]
    now = datetime(last.year, last.month, last.day, hour, 30, tzinfo=UTC)  # 15:30 and 17:30 in New York
    frame, _ = prices(lambda _: servers.chart(DAYS, CLOSE), now=now)
    assert (last in frame["date"].to_list()) == kept


def test_an_index_serves_as_a_series_of_closes():
    with serving(servers.yahoo(lambda _: servers.chart(DAYS, CLOSE))) as server:
        frame = YahooSource(server.address, QUICK, first=date(2024, 1, 1), now=LATER).series("^VIX")
    assert frame["value"].to_list() == CLOSE
    assert frame["available_from"].null_count() == len(DAYS)


def test_missing_prices_are_kept_missing_for_validation_to_judge():
    close = [*CLOSE[:3], None, *CLOSE[4:]]
    frame, _ = prices(lambda _: servers.chart(DAYS, close))
    assert frame.filter(frame["date"] == DAYS[3])["close"].to_list() in ([], [None])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (servers.yahoo_error(404), "SPY"),
        (servers.chart(DAYS, CLOSE, without=("adjclose",)), "has no adjusted closes"),
        (Answer(b'{"chart":{"result":[],"error":null}}'), "SPY"),
        (Answer(b"<html>Will be right back</html>"), "SPY.*Tried"),
        (Answer(b"<html>Sign in</html>", headers={"Content-Type": "text/html"}), "SPY"),
        (servers.chart(DAYS, CLOSE, without=("high",)), "SPY"),
        (servers.chart(DAYS, CLOSE, listed=date(1993, 1, 29)), "traded since 1993-01-29.*truncated"),
        (servers.chart([d - timedelta(days=60) for d in DAYS], CLOSE), "ends on 2023-11-1.*truncated"),
        (Answer(status=500), "SPY.*Tried 3 times"),
        (
            Answer(b"Too Many Requests", status=429, headers={"Retry-After": "0"}),
            "too many requests.*Tried 3",
        ),
        (Answer(b'{"chart":', status=200), "SPY"),
        (replace(servers.chart(DAYS, CLOSE), cut=100), "SPY.*Tried 3 times"),
    ],
)
@pytest.mark.faults("Yahoo answers 404, 429 storm, 500, HTML, half JSON, half a body, truncated histories", happens="an error that says why, after patient attempts; nothing is written", user="the same command later; what is there is not fetched again")  # fmt: skip  # noqa: E501
def test_what_yahoo_may_answer_instead_of_prices_is_an_error_that_says_why(answer, words):
    with pytest.raises(DataError, match=words):
        prices(lambda _: answer)


@pytest.mark.faults("A server that fails and then answers (503, then good)", happens="asked again; the data arrive", user="nothing")  # fmt: skip  # noqa: E501
def test_a_server_that_is_busy_for_a_moment_is_asked_again():
    turn = servers.in_turn(Answer(status=503), servers.chart(DAYS, CLOSE))
    frame, _ = prices(
        lambda _: turn(),
        patience=DownloadConfig(deadline_seconds=120, first_pause_seconds=0.01, timeout_seconds=20),
    )
    assert frame.height == len(DAYS)


@pytest.mark.faults("A server that hangs", happens="an error that says why, after patient attempts; nothing is written", user="the same command later; what is there is not fetched again")  # fmt: skip  # noqa: E501
def test_a_server_that_does_not_answer_ends_at_the_deadline():
    slow = DownloadConfig(deadline_seconds=1, attempts=50, first_pause_seconds=0.2, timeout_seconds=0.3)
    begin = datetime.now(UTC)
    with pytest.raises(DataError, match="nothing was written"):
        prices(lambda _: Answer(delay=1.0), patience=slow)
    assert (datetime.now(UTC) - begin).total_seconds() < 20


@pytest.mark.faults("Connection refused", happens="an error that says why, after patient attempts; nothing is written", user="the same command later; what is there is not fetched again")  # fmt: skip  # noqa: E501
def test_nobody_listens():
    with pytest.raises(DataError, match="Yahoo SPY"):
        YahooSource("http://127.0.0.1:9", QUICK, first=date(2024, 1, 1)).prices("SPY")


def test_the_wish_of_the_server_is_read_as_number_and_as_date():
    assert retry_after("7") == 7.0
    assert retry_after(None) is None
    assert retry_after("soon") is None
    soon = (datetime.now(UTC) + timedelta(seconds=60)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert 0 < (retry_after(soon) or 0) <= 60


# -- FRED --


def fred(answer, key="secretkey", name="DGS10", first_releases=False, patience=QUICK):
    with serving(answer) as server:
        return FredSource(key, server.address, patience).series(name, first_releases), server


def test_fred_observations_come_without_their_holes():
    rows = [
        ("2024-01-02", "3.95", "2024-01-03"),
        ("2024-01-03", ".", "2024-01-04"),
        ("2024-01-04", "4.01", "x"),
    ]
    frame, server = fred(lambda path, query: servers.observations(rows))
    assert frame.rows() == [(date(2024, 1, 2), 3.95, None), (date(2024, 1, 4), 4.01, None)]
    assert "series_id=DGS10" in server.asked[0]


def test_of_a_revised_series_the_first_release_counts_with_its_day():
    rows = [
        ("2024-01-01", "310.3", "2024-03-12"),
        ("2024-01-01", "308.4", "2024-02-13"),
        ("2024-02-01", "309.7", "2024-03-12"),
    ]
    frame, server = fred(lambda path, query: servers.observations(rows), first_releases=True)
    assert frame.rows() == [
        (date(2024, 1, 1), 308.4, date(2024, 2, 13)),
        (date(2024, 2, 1), 309.7, date(2024, 3, 12)),
    ]
    assert "realtime_start=1776-07-04" in server.asked[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            servers.fred_error(400, "Bad Request. The value for variable api_key is not registered."),
            "refuses the key",
        ),
        (servers.fred_error(400, "Bad Request. The series does not exist."), "The series does not exist"),
        (servers.observations([]), "no observations"),
        (Answer(b"Too many requests", status=429), "Tried 3 times"),
        (Answer(b"<html>busy</body>", status=503), "Tried 3 times"),
        (Answer(b"{}"), "Tried 3 times"),
        (
            replace(servers.observations([("2024-01-02", "3.95", "x")] * 9), cut=100),
            "broke off.*Tried 3 times",
        ),
    ],
)
@pytest.mark.faults("FRED: wrong key, unknown series, 429, 503, HTML, nonsense, half a body", happens="an error that says why, without the key", user="the same command later; what is there is not fetched again")  # fmt: skip  # noqa: E501
def test_what_fred_may_answer_instead_of_data_is_an_error_that_says_why(answer, words):
    with pytest.raises(DataError, match=words) as caught:
        fred(lambda path, query: answer)
    assert "secretkey" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "   "])
@pytest.mark.faults("FRED without a key or with an empty one", happens="refused before any request, with the address where a key is had", user="set FRED_API_KEY")  # fmt: skip  # noqa: E501
def test_without_a_key_fred_is_not_asked(key):
    with pytest.raises(DataError, match="FRED_API_KEY"):
        fred(lambda path, query: servers.observations([]), key=key)


@pytest.mark.faults("A server that hangs", happens="an error that says why, after patient attempts; nothing is written", user="the same command later; what is there is not fetched again")  # fmt: skip  # noqa: E501
def test_fred_hangs():
    patience = DownloadConfig(deadline_seconds=1, attempts=2, first_pause_seconds=0.01, timeout_seconds=0.2)
    with pytest.raises(DataError, match="no answer"):
        fred(lambda path, query: Answer(delay=1.0), patience=patience)


# -- news sentiment --


def test_the_sentiment_workbook_is_read():
    rows = [(date(2024, 1, 1), -0.1), (date(2024, 1, 2), 0.25)]
    with serving(lambda path, query: Answer(servers.workbook(rows))) as server:
        frame = SentimentSource(server.address + "/news.xlsx", QUICK).series("news_sentiment")
    assert frame.select("date", "value").rows() == rows


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(b"<html>moved</html>"), "did not give an Excel file"),
        (Answer(b"PK half a workbook"), "not a readable workbook|cannot be read"),
        (Answer(status=404), r"answered 404 for http://127\.0\.0\.1:\d+/news\.xlsx\.$"),
        (Answer(status=503), "Tried 3 times"),
        (Answer(servers.workbook([(date(2024, 1, 1), 0.1)]), cut=100), "Tried 3 times"),
    ],
)
@pytest.mark.faults("SF Fed: HTML, half a workbook, 404, 503, half a body", happens="an error that says why, after patient attempts; nothing is written", user="the same command later; what is there is not fetched again")  # fmt: skip  # noqa: E501
def test_what_is_no_workbook_is_refused(answer, words):
    with serving(lambda path, query: answer) as server, pytest.raises(DataError, match=words):
        SentimentSource(f"{server.address}/news.xlsx?user=me", QUICK).series("news_sentiment")

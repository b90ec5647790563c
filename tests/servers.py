"""Loopback servers that answer in the shapes of Yahoo, FRED and the SF Fed, with values made here."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")


@dataclass
class Answer:
    """What a server says once."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before it says anything."""
    cut: int | None = None
    """Break the connection after so many bytes of the body."""


@dataclass
class Server:
    """A running server: its address, what it was asked, and what it will answer."""

    address: str
    asked: list[str] = field(default_factory=list)
    answer: Callable[[str, dict[str, str]], Answer] = lambda path, query: Answer(status=404)


@contextmanager
def serving(answer: Callable[[str, dict[str, str]], Answer]) -> Iterator[Server]:
    """A server on a free loopback port; `answer` gets the path and the query."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            server.asked.append(self.path)
            said = server.answer(parts.path, query)
            time.sleep(said.delay)
            self.send_response(said.status)
            for key, value in said.headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body if said.cut is None else said.body[: said.cut])

        def log_message(self, *_: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    server = Server(f"http://127.0.0.1:{running.server_address[1]}", answer=answer)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        running.shutdown()
        running.server_close()


def in_turn(*answers: Answer) -> Callable[[], Answer]:
    """Each answer once, the last one for ever."""
    left = list(answers)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def chart(
    days: list[date],
    close: list[float | None],
    adjusted: list[float | None] | None = None,
    without: tuple[str, ...] = (),
    volume: list[int | None] | None = None,
    listed: date | None = None,
) -> Answer:
    """A chart answer of Yahoo: opens equal closes, the range is one percent."""
    stamps = [int(datetime(d.year, d.month, d.day, 9, 30, tzinfo=NEW_YORK).timestamp()) for d in days]
    quote: dict[str, Any] = {
        "open": close,
        "high": [None if c is None else c * 1.005 for c in close],
        "low": [None if c is None else c * 0.995 for c in close],
        "close": close,
        "volume": volume or [1000] * len(days),
    }
    period = {"timezone": "EST", "start": stamps[-1], "end": stamps[-1] + 23400, "gmtoffset": -18000}
    result: dict[str, Any] = {
        "meta": {
            "currency": "USD",
            "symbol": "SPY",
            "exchangeName": "PCX",
            "instrumentType": "ETF",
            "firstTradeDate": int(
                datetime(*(listed or days[0]).timetuple()[:3], 9, 30, tzinfo=NEW_YORK).timestamp()
            ),
            "regularMarketTime": stamps[-1],
            "gmtoffset": -18000,
            "timezone": "EST",
            "exchangeTimezoneName": "America/New_York",
            "priceHint": 2,
            "currentTradingPeriod": {"pre": period, "regular": period, "post": period},
            "dataGranularity": "1d",
            "range": "",
            "validRanges": ["1d", "max"],
        },
        "timestamp": stamps,
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": adjusted or close}]},
    }
    for name in without:
        quote.pop(name, None)
        result["indicators"].pop(name, None)
    return Answer(json.dumps({"chart": {"result": [result], "error": None}}).encode())


def yahoo_error(status: int = 404, words: str = "No data found, symbol may be delisted") -> Answer:
    """An error of Yahoo."""
    body = {"chart": {"result": None, "error": {"code": "Not Found", "description": words}}}
    return Answer(json.dumps(body).encode(), status=status)


def yahoo(answer: Callable[[str], Answer]) -> Callable[[str, dict[str, str]], Answer]:
    """A server like Yahoo; `answer` gets the symbol of a chart request."""

    def respond(path: str, query: dict[str, str]) -> Answer:
        if path.endswith("/getcrumb"):
            return Answer(b"crumb")
        if "/v8/finance/chart/" in path:
            return answer(path.rsplit("/", 1)[1].replace("%5E", "^"))
        return Answer(b"", headers={"Set-Cookie": "A3=x; Domain=127.0.0.1"})

    return respond


def observations(rows: list[tuple[str, str, str]]) -> Answer:
    """An answer of FRED: (date, value, realtime_start)."""
    lines = "".join(
        f'<observation realtime_start="{known}" realtime_end="9999-12-31" date="{day}" value="{value}"/>'
        for day, value, known in rows
    )
    return Answer(f'<?xml version="1.0" encoding="utf-8" ?><observations>{lines}</observations>'.encode())


def fred_error(code: int, message: str) -> Answer:
    """An error of FRED."""
    return Answer(f'<?xml version="1.0"?><error code="{code}" message="{message}"/>'.encode(), status=code)


def workbook(rows: list[tuple[date, float]]) -> bytes:
    """A workbook as the SF Fed publishes it: a sheet of explanations, then the data."""
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = "Methodology"
    book.active.append(["How this was made"])
    sheet = book.create_sheet("Data")
    sheet.append(["date", "News Sentiment"])
    for day, value in rows:
        sheet.append([datetime(day.year, day.month, day.day, tzinfo=UTC).replace(tzinfo=None), value])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()

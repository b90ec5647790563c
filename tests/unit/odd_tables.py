"""Daily prices as sites, vendors and spreadsheets write them: each layout is one function of a clean table.

A layout gives (file name, bytes). `CLEAN` is a made market whose prices have two decimals, so that no layout
loses any of them.
"""

# ruff: noqa: E501
from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from lib.data.calendar import sessions_of

PRICES = ("open", "high", "low", "close")
SESSIONS = sessions_of("XNYS")
NEW_YORK = ZoneInfo("America/New_York")


def market(first: date = date(2018, 1, 2), last: date = date(2021, 12, 31), seed: int = 3) -> pl.DataFrame:
    """Two-decimal prices around 900 that cross 1,000, and volumes of some hundred thousands."""
    days = SESSIONS.filter(SESSIONS.is_between(first, last))
    random = np.random.default_rng(seed)
    close = 900 * np.exp(np.cumsum(random.normal(0.0003, 0.01, len(days))))
    open_ = np.r_[900.0, close[:-1]] * np.exp(random.normal(0, 0.002, len(days)))
    high = np.maximum(open_, close) * np.exp(np.abs(random.normal(0, 0.004, len(days))))
    low = np.minimum(open_, close) * np.exp(-np.abs(random.normal(0, 0.004, len(days))))
    columns = {
        name: np.round(values, 2) for name, values in zip(PRICES, (open_, high, low, close), strict=True)
    }
    volume = np.round(500_000 * np.exp(random.normal(0, 0.3, len(days))), -3)
    return pl.DataFrame({"date": days, **columns, "volume": volume})


CLEAN = market()
Row = tuple[date, float, float, float, float, float]


def text(
    header: str,
    row: Callable[[Row], Iterable[str]],
    frame: pl.DataFrame = CLEAN,
    mark: str = ",",
    newest_first: bool = False,
    encoding: str = "utf-8",
    end: str = "\n",
) -> bytes:
    """A table as text; `row` gives the cells of a day."""
    lines = [mark.join(row(each)) for each in frame.iter_rows()]  # type: ignore[arg-type]
    if newest_first:
        lines.reverse()
    return (end.join([header, *lines]) + end).encode(encoding)


def us(day: date) -> str:
    return f"{day:%m/%d/%Y}"


def european(number: float) -> str:
    return f"{number:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".")


def plain(day: object, row: Row) -> list[str]:
    return [str(day), *(f"{price:.2f}" for price in row[1:5]), f"{row[5]:.0f}"]


def quoted(cells: Iterable[str]) -> list[str]:
    return [f'"{cell}"' for cell in cells]


def moment(day: date, zone: ZoneInfo | None = None, hour: int = 0) -> int:
    return int(datetime.combine(day, time(hour), zone or UTC).timestamp())


HEADER = "Date,Open,High,Low,Close,Volume"


def with_dates(form: Callable[[date], object], frame: pl.DataFrame = CLEAN) -> bytes:
    """A plain table whose dates are written in some form."""
    return text(HEADER, lambda r: plain(form(r[0]), r), frame)


def raw_and_adjusted(header: str, row: Callable[[Row, float, float], Iterable[str]]) -> bytes:
    """Prices before 2020-08-31 four times as high, volume a fourth: as traded before a split 4:1."""
    split = date(2020, 8, 31)
    return text(header, lambda r: row(r, 4.0 if r[0] < split else 1.0, 4.0 if r[0] == split else 1.0))


def _tiingo(r: Row, k: float, s: float) -> list[str]:
    raw = [f"{r[i] * k:.2f}" for i in (4, 2, 3, 1)]
    adjusted = [f"{r[i]:.2f}" for i in (4, 2, 3, 1)]
    return [f"{r[0]}T00:00:00.000Z", *raw, f"{r[5] / k:.0f}", *adjusted, f"{r[5]:.0f}", "0.0", f"{s}"]


READ: dict[str, tuple[str, Callable[[], bytes]]] = {
    "yfinance, group_by ticker": ("yfinance", lambda: text(
        "Ticker,SPY,SPY,SPY,SPY,SPY\nPrice,Open,High,Low,Close,Volume\nDate,,,,,", lambda r: plain(r[0], r))),
    "yfinance, group_by column": ("yfinance", lambda: text(
        "Price,Open,High,Low,Close,Volume\nTicker,SPY,SPY,SPY,SPY,SPY\nDate,,,,,", lambda r: plain(r[0], r))),
    "yfinance, two symbols": ("yfinance", lambda: text(
        "Price,Close,Close,High,High,Low,Low,Open,Open,Volume,Volume\n"
        "Ticker,QQQ,SPY,QQQ,SPY,QQQ,SPY,QQQ,SPY,QQQ,SPY\nDate,,,,,,,,,,",
        lambda r: [str(r[0]), *(c for i in (4, 2, 3, 1, 5) for c in ("7", f"{r[i]}"))])),
    "yfinance, history with offsets": ("yfinance", lambda: text(
        HEADER + ",Dividends,Stock Splits,Capital Gains",
        lambda r: [*plain(datetime.combine(r[0], time(), NEW_YORK).isoformat(sep=" "), r), "0.0", "0.0", "0.0"])),
    "names that end in the symbol": ("", lambda: text(
        "Date,Open_SPY,High_SPY,Low_SPY,Close_SPY,Volume_SPY", lambda r: plain(r[0], r))),
    "rows of several symbols": ("", lambda: text(
        "Date,Symbol,Open,High,Low,Close,Volume",
        lambda r: [f"{r[0]},QQQ,1,1,1,1,1\n{r[0]}", "SPY", *plain(r[0], r)[1:]])),
    "nasdaq.com": ("nasdaq.com", lambda: text(
        "Date,Close/Last,Volume,Open,High,Low",
        lambda r: [us(r[0]), f"${r[4]:.2f}", f"{r[5]:.0f}", *(f"${r[i]:.2f}" for i in (1, 2, 3))], newest_first=True)),
    "investing.com": ("investing.com", lambda: text(
        '"Date","Price","Open","High","Low","Vol.","Change %"',
        lambda r: quoted([us(r[0]), *(f"{r[i]:,.2f}" for i in (4, 1, 2, 3)), f"{r[5] / 1e3:.2f}K", "-1.79%"]),
        newest_first=True, encoding="utf-8-sig")),
    "stooq's bulk files": ("stooq", lambda: text(
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
        lambda r: ["SPY.US", "D", f"{r[0]:%Y%m%d}", "000000", *plain(r[0], r)[1:], "0"])),
    "Tiingo": ("Tiingo", lambda: raw_and_adjusted(
        "date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,divCash,splitFactor", _tiingo)),
    "Alpha Vantage, volume as traded": ("Alpha Vantage", lambda: raw_and_adjusted(
        "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient",
        lambda r, k, s: [str(r[0]), *(f"{r[i] * k:.2f}" for i in (1, 2, 3, 4)), f"{r[4]:.2f}", f"{r[5] / k}", "0", f"{s}"])),
    "EODHD, volume adjusted": ("EODHD", lambda: raw_and_adjusted(
        "Date,Open,High,Low,Close,Adjusted_close,Volume",
        lambda r, k, s: [str(r[0]), *(f"{r[i] * k:.2f}" for i in (1, 2, 3, 4)), f"{r[4]:.2f}", f"{r[5]:.0f}"])),
    "Polygon's aggregates": ("Polygon", lambda: text(
        "v,vw,o,c,h,l,t,n",
        lambda r: [f"{r[5]}", "1", *(f"{r[i]}" for i in (1, 4, 2, 3)), str(moment(r[0], NEW_YORK) * 1000), "9"])),
    "Barchart, with a footer": ("Barchart", lambda: text(
        "Time,Open,High,Low,Latest,Change,%Change,Volume",
        lambda r: [us(r[0]), *plain(r[0], r)[1:5], "0", "0%", f"{r[5]:.0f}"], newest_first=True)
        + b'"Downloaded from some site as of 03-28-2026"\n'),
    "MetaTrader": ("MetaTrader", lambda: text(
        "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
        lambda r: [f"{r[0]:%Y.%m.%d}", *plain(r[0], r)[1:], "0", "1"], mark="\t", encoding="utf-16")),
    "semicolons and decimal commas": ("", lambda: text(
        HEADER.replace(",", ";"),
        lambda r: [f"{r[0]:%d.%m.%Y}", *(f"{p:.2f}".replace(".", ",") for p in r[1:5]), f"{r[5]:.0f}"],
        mark=";", encoding="utf-8-sig", end="\r\n")),
    "quoted European numbers": ("", lambda: text(
        HEADER, lambda r: [str(r[0]), *quoted(european(p) for p in r[1:5]), f"{r[5]:.0f}"])),
    "Swiss thousands": ("", lambda: text(
        HEADER, lambda r: [str(r[0]), *(f"{p:,.2f}".replace(",", "'") for p in r[1:5]), f"{r[5]:.0f}"])),
    "currency and thousands": ("", lambda: text(
        HEADER, lambda r: [str(r[0]), *quoted(f"USD {p:,.2f}" for p in r[1:5]), f'"{r[5]:,.0f}"'])),
    "two-digit years, blanks": ("", lambda: text(
        "Date, Open, High, Low, Close, Volume", lambda r: [f"{r[0]:%m/%d/%y}", *(f" {c}" for c in plain(r[0], r)[1:])],
        newest_first=True)),
    "day first": ("", lambda: with_dates(lambda d: f"{d:%d/%m/%Y}")),
    "months by name": ("", lambda: with_dates(lambda d: f'"{d:%a, %d %B %Y}"')),
    "short months": ("", lambda: with_dates(lambda d: f"{d:%d-%b-%y}")),
    "Unix seconds, midnight UTC": ("", lambda: with_dates(moment)),
    "Unix seconds, the open in New York": ("", lambda: with_dates(lambda d: moment(d, NEW_YORK, 9))),
    "Unix microseconds, evening in New York": ("", lambda: with_dates(lambda d: moment(d, NEW_YORK, 20) * 10**6)),
    "Excel's numbers": ("", lambda: with_dates(lambda d: (d - date(1899, 12, 30)).days)),
    "date and time apart": ("", lambda: text(
        "Date,Time,Open,High,Low,Close,Volume", lambda r: [str(r[0]), "16:00:00", *plain(r[0], r)[1:]])),
    "words above": ("", lambda: b"SPY - Historical Prices\nFor information only, see terms\n\n" + text(
        HEADER, lambda r: plain(r[0], r))),
    "blank lines": ("", lambda: text(HEADER, lambda r: plain(r[0], r), end="\r\n") + b",,,,,\r\n,,,,,\r\n\r\n"),
    "blank lines within": ("", lambda: text(HEADER, lambda r: plain(r[0], r)).replace(b"\n2019-", b"\n\n2019-", 1)),
    "a month of UTF-16 without mark": ("", lambda: text(HEADER, lambda r: plain(r[0], r), encoding="utf-16-le")),
}  # fmt: skip
"""Layouts by name: what the findings must call each, and how it is made."""

"""Yahoo Finance through yfinance: daily prices, adjusted for splits and dividends.

yfinance is set to raise its errors; its silent failures (an empty answer, a history without adjusted closes)
become errors here. A day that is still running is left out.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from datetime import date, datetime
from functools import cache
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

import polars as pl

from lib.config.data import DataConfig, DownloadConfig
from lib.data.reading.adjusted import with_adjustment
from lib.data.sources import OBSERVATION_SCHEMA, PRICE_SCHEMA, Source
from lib.data.sources._web import USUAL, Retriable, patiently, retry_after
from lib.errors import DataError

CLOSE_HOUR = 17
"""Local hour of the exchange from which a day's bar counts as finished (trading ends at 16:00)."""
MOST_DAYS_MISSING = 30
"""A history that begins later than the listing, or ends before today, by more than this is truncated."""
_NEEDED = ["Open", "High", "Low", "Close", "Adj Close", "Volume"]


class YahooSource(Source):
    """Symbols as Yahoo writes them (`SPY`, `^VIX`)."""

    name = "yahoo"
    gives_prices = True
    gives_series = True

    def __init__(
        self,
        address: str | None = None,
        patience: DownloadConfig = USUAL,
        first: date = date(1962, 1, 2),
        now: datetime | None = None,
    ) -> None:
        self.address, self.patience, self.first, self.now = address, patience, first, now

    @classmethod
    def open(cls, data: DataConfig) -> Self:
        """Yahoo, or a server like it at `data.addresses.yahoo`."""
        return cls(data.addresses.get("yahoo"), data.download)

    def prices(self, symbol: str) -> pl.DataFrame:
        """All finished days since `first`."""
        frame, listed = patiently(f"Yahoo {symbol}", lambda: self._history(symbol), self.patience)
        if not set(_NEEDED) <= set(frame.columns):
            missing = ", ".join(name for name in _NEEDED if name not in frame.columns)
            raise DataError(
                f"Yahoo {symbol}: the answer has no {missing}; Yahoo may have changed its format (try a "
                "newer yfinance)."
            )
        zone = frame.index.tz or ZoneInfo("America/New_York")
        now = self.now or datetime.now(zone)
        table = pl.DataFrame(
            {
                "date": [moment.date() for moment in frame.index],
                "symbol": [symbol] * len(frame),
                **{name.lower().replace(" ", "_"): frame[name].to_numpy(dtype=float) for name in _NEEDED},
            }
        )
        table = with_adjustment(table.fill_nan(None)).filter(pl.col("date") <= last_finished_day(now, zone))
        if table.is_empty():
            raise DataError(f"Yahoo {symbol}: no finished day in the answer. Is the symbol right?")
        self._refuse_short(symbol, table, listed, now.astimezone(zone).date())
        return table.select(pl.col(name).cast(dtype) for name, dtype in PRICE_SCHEMA.items())

    def _refuse_short(self, symbol: str, table: pl.DataFrame, listed: date | None, today: date) -> None:
        """Detect a partial history, which Yahoo sometimes returns silently."""
        first, last = table["date"][0], table["date"][-1]
        if listed is not None and (first - max(listed, self.first)).days > MOST_DAYS_MISSING:
            raise DataError(
                f"Yahoo {symbol}: the history begins on {first}, but the symbol has traded since {listed}. "
                "The answer is truncated; try again later."
            )
        if (today - last).days > MOST_DAYS_MISSING:
            raise DataError(
                f"Yahoo {symbol}: the history ends on {last}. The symbol no longer trades, or the answer is "
                "truncated."
            )

    def series(self, name: str, first_releases: bool = False) -> pl.DataFrame:
        """Daily closes of an index."""
        prices = self.prices(name)
        frame = prices.select("date", value="close", available_from=pl.lit(None, pl.Date))
        frame = frame.filter(pl.col("value").is_not_null())
        return frame.select(pl.col(name).cast(dtype) for name, dtype in OBSERVATION_SCHEMA.items())

    def _history(self, symbol: str) -> Any:
        import yfinance
        from yfinance.data import YfData
        from yfinance.exceptions import YFException, YFPricesMissingError, YFRateLimitError

        yfinance.config.debug.hide_exceptions = False
        session = _session(self.address)
        yfinance.set_tz_cache_location(_cache_folder())
        YfData.cache_get.cache_clear()  # it remembers failures, too; a retry must query again
        try:
            ticker = yfinance.Ticker(symbol, session=session)
            frame = ticker.history(
                start=self.first.isoformat(),
                auto_adjust=False,
                actions=True,
                timeout=self.patience.timeout_seconds,
            )
        except YFRateLimitError:
            raise Retriable("Yahoo says: too many requests", session.retry_after) from None
        except YFPricesMissingError as error:
            raise DataError(f"Yahoo {symbol}: {_one_line(error)}") from None
        except (YFException, TypeError, KeyError, AttributeError, OSError, ValueError, RuntimeError) as error:
            raise _judged(symbol, session, _one_line(error)) from None
        if not session.adjusted:
            raise DataError(
                f"Yahoo {symbol}: the answer has no adjusted closes. Without them dividends and splits would "
                "look like moves of the price; try again later, or a newer yfinance."
            )
        if frame is None or frame.empty:
            raise DataError(f"Yahoo {symbol}: an empty answer. Is the symbol right?")
        traded = (ticker.history_metadata or {}).get("firstTradeDate")
        if isinstance(traded, int | float):
            traded = datetime.fromtimestamp(traded, ZoneInfo("America/New_York"))
        return frame, traded.date() if isinstance(traded, datetime) else None


@cache
def _cache_folder() -> str:
    """Folder for yfinance's files (time zones, cookies), for this process only, never the user's home."""
    folder = tempfile.mkdtemp(prefix="yfinance-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _judged(symbol: str, session: Any, reason: str) -> Exception:
    """Wait and try again, or give up: by what the server answered last."""
    if session.status == 404:
        return DataError(f"Yahoo {symbol}: Yahoo does not know this symbol ({reason}).")
    return Retriable(f"{reason} (last answer: {session.status or 'none'})", session.retry_after)


def last_finished_day(now: datetime, zone: Any) -> date:
    """The last day whose bar can be whole: today only after the close."""
    local = now.astimezone(zone)
    today = local.date()
    return today if local.hour >= CLOSE_HOUR else date.fromordinal(today.toordinal() - 1)


def _session(address: str | None) -> Any:
    """A session as yfinance wants it, that remembers the last answer and may ask another host."""
    from curl_cffi import requests

    class Session(requests.Session):
        status: int | None = None
        retry_after: float | None = None
        adjusted = True  # without adjusted closes yfinance would silently give reported ones

        def request(self, method: Any, url: str, *args: Any, **kwargs: Any) -> Any:
            if address:
                there, asked = urlsplit(address), urlsplit(url)
                url = urlunsplit((there.scheme, there.netloc, asked.path, asked.query, ""))
            answer = super().request(method, url, *args, **kwargs)
            self.status = answer.status_code
            if "/v8/finance/chart/" in url and "range=1d" not in answer.url:
                self.adjusted = '"adjclose"' in answer.text
            self.retry_after = retry_after(answer.headers.get("Retry-After"))
            return answer

    return Session(impersonate="chrome")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


SOURCE = YahooSource

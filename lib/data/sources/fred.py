"""FRED, the economic data of the Federal Reserve Bank of St. Louis, through fredapi.

Of revised series the first release of each date is taken, with the day of that release (ALFRED). The key is
read from the environment (FRED_API_KEY) and never written anywhere.
"""

from __future__ import annotations

import os
import socket
from http.client import HTTPException
from typing import Self
from urllib.error import HTTPError, URLError
from xml.etree import ElementTree

import polars as pl

from lib.config.data import DataConfig, DownloadConfig
from lib.data.sources import OBSERVATION_SCHEMA, Source
from lib.data.sources._web import USUAL, Retriable, patiently
from lib.errors import DataError

KEY = "FRED_API_KEY"


class FredSource(Source):
    """Series by their FRED names."""

    name = "fred"
    gives_series = True

    def __init__(self, key: str, address: str | None = None, patience: DownloadConfig = USUAL) -> None:
        self._key, self._address, self.patience = key.strip(), address, patience

    @classmethod
    def open(cls, data: DataConfig) -> Self:
        """FRED, or a server like it at `data.addresses.fred`."""
        return cls(os.environ.get(KEY, ""), data.addresses.get("fred"), data.download)

    def series(self, name: str, first_releases: bool = False) -> pl.DataFrame:
        """Observations of a series; with `first_releases` the first value of each date and its day."""
        if not self._key:
            raise DataError(
                f"source fred needs a key: set the environment variable {KEY} (free at "
                "https://fred.stlouisfed.org/docs/api/api_key.html)."
            )
        import pandas as pd
        from fredapi import Fred

        client = Fred(api_key=self._key)
        if self._address:
            client.root_url = self._address
        what = f"FRED series {name}"

        def attempt() -> pd.DataFrame:
            before = socket.getdefaulttimeout()
            socket.setdefaulttimeout(self.patience.timeout_seconds)  # fredapi has none of its own
            try:
                if first_releases:
                    return client.get_series_all_releases(name)
                found = client.get_series(name)
                return pd.DataFrame({"date": found.index, "value": found.to_numpy(dtype=float)})
            except ElementTree.ParseError:
                # fredapi reads every answer as XML, also the text of a 429 or 503.
                raise Retriable(
                    "the server answered something that is not data (busy, or not FRED)"
                ) from None
            except HTTPError as error:
                raise Retriable(f"the server answered {error.code}") from None
            except HTTPException as error:  # the body broke off (IncompleteRead), or was none: no OSError
                raise Retriable(f"the answer broke off ({type(error).__name__})") from None
            except (URLError, TimeoutError, OSError) as error:
                raise Retriable(f"no answer ({type(error).__name__})") from None
            except ValueError as error:
                raise _refused(what, str(error).replace(self._key, "***")) from None
            finally:
                socket.setdefaulttimeout(before)

        frame = patiently(what, attempt, self.patience)
        if frame.empty:
            raise DataError(f"{what}: the server has no observations of it.")
        table = pl.DataFrame(
            {
                "date": pl.Series(pd.to_datetime(frame["date"]).to_numpy()).cast(pl.Date),
                "value": pl.Series(frame["value"].to_numpy(dtype=float)).fill_nan(None),
            }
        )
        if first_releases:
            days = pl.Series(pd.to_datetime(frame["realtime_start"]).to_numpy()).cast(pl.Date)
            table = table.with_columns(available_from=days).filter(pl.col("value").is_not_null())
            table = table.sort("date", "available_from").unique("date", keep="first", maintain_order=True)
        else:
            table = table.with_columns(available_from=pl.lit(None, pl.Date))
        table = table.filter(pl.col("value").is_not_null()).sort("date")
        return table.select(pl.col(name).cast(dtype) for name, dtype in OBSERVATION_SCHEMA.items())


def _refused(what: str, message: str) -> Exception:
    """Whether an error message of FRED means to wait or to fix something."""
    low = message.lower()
    if "rate limit" in low or "too many requests" in low:
        return Retriable(f"the server says: {message}", 60.0)
    if "internal" in low and "error" in low:
        return Retriable(f"the server says: {message}")
    if "api_key" in low or "api key" in low:
        return DataError(f"{what}: FRED refuses the key in {KEY} (it says: {message}).")
    return DataError(f"{what}: FRED says: {message}")


SOURCE = FredSource

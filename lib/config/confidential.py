"""Refuses keys and passwords in a configuration, because result files and logs would repeat them.

The modules that need them read them from the environment; this one reads none.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from lib.errors import ConfigError

SECRET = "secret"
"""Type of the validation error whose input is not shown."""
_WORDS = ("KEY", "TOKEN", "PASSWORD", "PASSWD", "SECRET", "CREDENTIAL")
_QUERY_WORDS = (*_WORDS, "AUTH", "SIG")
_ADVICE = (
    "which result files and logs would repeat. Keep secrets in the environment: MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN), FRED_API_KEY"
)


def _without_credentials(address: str) -> str:
    parts = urlsplit(address)
    user, at, _ = parts.netloc.rpartition("@")
    # A web server's user may be a token; that of a database has its password elsewhere.
    if at and (":" in user or parts.scheme in ("http", "https")):
        raise PydanticCustomError(SECRET, f"the address holds a user or a password, {_ADVICE}")
    for name, _ in (*parse_qsl(parts.query, True), *parse_qsl(parts.fragment, True)):
        if any(word in name.upper() for word in _QUERY_WORDS):
            raise PydanticCustomError(SECRET, f"the address holds a key, {_ADVICE}")
    return address


Address = Annotated[str, AfterValidator(_without_credentials)]
"""Address of a server, without anything secret in it."""


def shown_address(address: str) -> str:
    """Host and path of an address, for messages."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def masked(text: str) -> str:
    """A text of the user without the credentials and queries of the addresses in it, for messages."""
    return re.sub(r"(://)(?:[^/\s]*@)?([^\s?#\"']*)[?#]?[^\s\"']*", r"\1\2", text)


def refuse_secret_variable(name: str) -> None:
    """Refuse environment variables that hold secrets.

    Raises:
        ConfigError: the name looks like that of a secret.
    """
    if any(word in name for word in _WORDS):
        raise ConfigError(
            f"configuration: ${{{name}}} looks like a secret, which reports and result files would repeat. "
            f"Take it out: what needs {name} reads it from the environment itself. If it is no secret, give "
            f"the variable a name without {', '.join(_WORDS)}."
        )

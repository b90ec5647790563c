"""Errors whose message is meant for the user at the terminal.

Each message says what is wrong, where, and what to do. Any other exception is a bug.
"""

import difflib
from collections.abc import Iterable


class StudyError(Exception):
    """Base of all errors a user can act on."""


class ConfigError(StudyError):
    """A configuration file, key or value that cannot be used."""


class DataError(StudyError):
    """Market data that are missing, malformed or unfit for the declared study."""


class ModelError(StudyError):
    """A model that cannot be built, loaded or fitted as declared."""


class TrainingStopped(StudyError):
    """Training ended early on purpose; its state is saved and the next invocation continues."""


class TrainingDiverged(StudyError):
    """The loss became NaN or exploded; the last good checkpoint is kept."""


class IntegrityError(StudyError):
    """A file whose content does not match its recorded hash."""


def nearest(given: str, known: Iterable[str]) -> str:
    """` Did you mean X?` with the known word closest to a given one, or an empty text."""
    found = difflib.get_close_matches(given, list(known), n=1)
    return f" Did you mean {found[0]}?" if found else ""

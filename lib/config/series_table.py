"""Series besides prices (config/data/series.yaml): their names at each source, and when values were
public."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from lib.config.base import StrictModel

SeriesName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
"""Our own name of a series; part of file and channel names."""
Group = Literal["rate", "sentiment", "volatility", "trends"]
"""Which indicators are computed of a series."""
Frequency = Literal["daily", "weekly", "monthly", "as_is"]
"""How often there is a value; `as_is`: weekly or monthly, whatever the file holds."""


class Publication(StrictModel):
    """When a value dated t may first be used: at the close of the day this rule gives, not before."""

    period: Literal["none", "own"] = "none"
    """`own`: t is the first day of the week or month the value covers, which must be over first."""
    days: int = Field(1, ge=0)
    """Days from then to the publication."""
    business_days: bool = True
    """Count Monday to Friday only."""


class Combination(StrictModel):
    """A series made of two others."""

    how: Literal["difference", "splice"]
    """`difference`: first less second, where both are; `splice`: the first to `at`, then the second."""
    members: tuple[SeriesName, SeriesName]
    at: date | None = None
    """Last day of the first series in a splice."""
    spread: float = 0.0
    """Added to the second series in a splice."""

    @model_validator(mode="after")
    def _a_splice_needs_its_day(self) -> Self:
        if (self.how == "splice") != (self.at is not None):
            raise ValueError("`at:` belongs to a splice, and a splice needs it")
        return self


class SeriesDefinition(StrictModel):
    """One series."""

    title: str
    group: Group
    frequency: Frequency = "daily"
    publication: Publication = Publication()
    revised: bool = False
    """Values are revised after their release: first releases are used where the source keeps them."""
    names: dict[str, str | list[str]] = {}
    """Per source: its own name of the series; of several, the first that it has."""
    combine: Combination | None = None
    """Instead of `names`."""
    minimum: float | None = None
    """A smaller value is an error."""
    maximum: float | None = None
    """A larger value is an error."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.combine is None) == (not self.names):
            raise ValueError("a series needs either `names:` or `combine:`")
        return self


class Members(StrictModel):
    """Series that a row or a column adds."""

    required: list[SeriesName] = []
    """Missing: the dataset is refused."""
    optional: list[SeriesName] = []
    """Missing, or ending before the test split: left out, with a finding."""
    history_from: date | None = None
    """Samples begin here at the earliest."""


class SeriesFile(StrictModel):
    """config/data/series.yaml."""

    series: dict[SeriesName, SeriesDefinition]
    rows: dict[Literal["E"], Members]
    """Row E: these on top of the symbols of row D."""
    columns: dict[Literal["b", "c", "d"], Members]
    """Each column adds these to the one before it."""

    @model_validator(mode="after")
    def _all_are_defined(self) -> Self:
        used = [n for m in (*self.rows.values(), *self.columns.values()) for n in (*m.required, *m.optional)]
        used += [n for d in self.series.values() if d.combine for n in d.combine.members]
        for name in used:
            if name not in self.series:
                raise ValueError(f"series {name} is used and not defined under `series:`")
        return self

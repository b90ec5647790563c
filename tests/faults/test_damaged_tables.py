"""Random damages to a clean file of prices: the same prices, a finding or a refusal; never silence."""

# ruff: noqa: E501
from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from lib.config.data import ValidationConfig
from lib.data.sources.files import FilesSource
from lib.data.validation.findings import remarks
from lib.data.validation.price_checks import validate_prices
from lib.errors import DataError
from tests.unit.odd_tables import CLEAN, HEADER, PRICES, SESSIONS, european, plain, text

COLUMNS = ("open", "high", "low", "close", "volume")
Damage = Callable[[random.Random], bytes]
BASE = CLEAN.head(400)


def _csv(frame: pl.DataFrame) -> bytes:
    return frame.rename({name: name.title() for name in frame.columns}).write_csv().encode()


def _cells(
    chance: random.Random, change: Callable[[pl.Expr], pl.Expr], names: tuple[str, ...], most: int
) -> bytes:
    """Cells of some columns changed in a block of rows."""
    first = chance.randrange(BASE.height)
    rows = pl.int_range(pl.len()).is_between(first, first + chance.randrange(most))
    chosen = chance.sample(names, chance.randint(1, len(names)))
    return _csv(
        BASE.with_columns(pl.when(rows).then(change(pl.col(c))).otherwise(c).alias(c) for c in chosen)
    )


def column_dropped(chance: random.Random) -> bytes:
    return _csv(BASE.drop(chance.choice(BASE.columns)))


def column_doubled(chance: random.Random) -> bytes:
    name = chance.choice(COLUMNS)
    other = pl.col(name) * chance.choice([1, 1, 2, 0.5])
    return _csv(BASE.with_columns(other.alias("x"))).replace(b",X\n", f",{name}\n".encode(), 1)


def columns_exchanged(chance: random.Random) -> bytes:
    one, other = chance.sample(BASE.columns, 2)
    return _csv(BASE.rename({one: other, other: one}))


def unit_changed(chance: random.Random) -> bytes:
    factor = chance.choice([100, 1000, 0.01, 0.001, 10, 0.1])
    return _cells(chance, lambda c: c * factor, PRICES, 400)


def all_prices_in_another_unit_for_a_while(chance: random.Random) -> bytes:
    factor, first = chance.choice([100, 0.01, 2, 0.5, 1 / 3, 1.5]), chance.randrange(BASE.height)
    rows = pl.int_range(pl.len()).is_between(first, first + chance.randrange(400))
    return _csv(
        BASE.with_columns(pl.when(rows).then(pl.col(c) * factor).otherwise(c).alias(c) for c in PRICES)
    )


def volume_in_another_unit(chance: random.Random) -> bytes:
    factor, first = chance.choice([100, 1000, 0.01]), chance.randrange(60, BASE.height - 60)
    late = pl.int_range(pl.len()) >= first
    return _csv(
        BASE.with_columns(pl.when(late).then(pl.col("volume") * factor).otherwise("volume").alias("volume"))
    )


def signs(chance: random.Random) -> bytes:
    return _cells(chance, lambda c: -c, COLUMNS, 20)


def holes(chance: random.Random) -> bytes:
    return _cells(chance, lambda c: pl.lit(None, pl.Float64), COLUMNS, 20)


def rows_missing(chance: random.Random) -> bytes:
    first = chance.randrange(1, BASE.height - 30)
    return _csv(BASE.filter(~pl.int_range(pl.len()).is_between(first, first + chance.randrange(25))))


def rows_repeated(chance: random.Random) -> bytes:
    first, many = chance.randrange(BASE.height), chance.randint(1, 30)
    return _csv(pl.concat([BASE.slice(0, first + many), BASE.slice(first)]))


def rows_shuffled(chance: random.Random) -> bytes:
    return _csv(BASE.sample(fraction=1, shuffle=True, seed=chance.randrange(1000)))


def dates_shifted(chance: random.Random) -> bytes:
    first, days = chance.randrange(BASE.height - 40), chance.choice([-1, 1, 2, 7, 365])
    rows = pl.int_range(pl.len()) >= first
    return _csv(
        BASE.with_columns(
            pl.when(rows).then(pl.col("date") + timedelta(days=days)).otherwise("date").alias("date")
        )
    )


def rows_on_closed_days(chance: random.Random) -> bytes:
    extra = BASE.sample(chance.randint(1, 40), seed=chance.randrange(1000)).with_columns(
        pl.col("date") + timedelta(days=chance.choice([1, 2]))
    )
    return _csv(pl.concat([BASE, extra]).sort("date"))


def encoded(chance: random.Random) -> bytes:
    return (
        _csv(BASE)
        .decode()
        .encode(chance.choice(["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp037"]))
    )


def delimited(chance: random.Random) -> bytes:
    mark = chance.choice([";", "\t", "|", " ", ":"])
    return text(HEADER.replace(",", mark), lambda r: plain(r[0], r), BASE, mark)


def numbers_in_another_form(chance: random.Random) -> bytes:
    form = chance.choice([european, lambda n: f"{n:,.2f}", lambda n: f"{n:.2f}".replace(".", ","), lambda n: f"${n}",
                          lambda n: f"{n:.3f}".replace(".", ","), lambda n: f"{n / 1e3:.5f}K", lambda n: f"({n})"])  # fmt: skip
    quote = chance.choice(['"', ""])
    some = chance.choice([0.0, 0.0, 0.01, 0.5])
    return text(
        HEADER,
        lambda r: [
            str(r[0]),
            *(f"{quote}{(str if chance.random() < some else form)(p)}{quote}" for p in r[1:5]),
            f"{r[5]:.0f}",
        ],
        BASE,
    )


def dates_in_another_form(chance: random.Random) -> bytes:
    forms = [
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%d.%m.%y",
        "%m/%d/%y",
        "%y-%m-%d",
        "%Y%m%d",
        "%b %d, %Y",
        "%d %B %Y",
        "%Y-%d-%m",
        "%s",
        "%j",
        "%d/%m",
    ]
    form, other = chance.choice(forms), chance.choice(forms)
    some, only = (
        chance.choice([0.0, 0.0, 0.1]),
        chance.choice([BASE, BASE.head(3), BASE.filter(pl.col("date").dt.day() < 12)]),
    )
    return text(
        HEADER, lambda r: plain('"' + f"{r[0]:{other if chance.random() < some else form}}" + '"', r), only
    )


def bytes_changed(chance: random.Random) -> bytes:
    content = bytearray(_csv(BASE))
    for _ in range(chance.randint(1, 3)):
        content[chance.randrange(len(content))] = chance.choice(b"\n,;.-\x00\xff x\"'")
    return bytes(content)


def cut_off(chance: random.Random) -> bytes:
    content = _csv(BASE)
    return content[: chance.randrange(len(content))]


def words_around(chance: random.Random) -> bytes:
    words = [
        b"SPY - Historical prices\n",
        b"\n",
        b",,,,,\n",
        b"Source: a site of prices\n",
        b"Downloaded, 2026-03-28\n",
    ]
    above, below = chance.choices(words, k=chance.randrange(4)), chance.choices(words, k=chance.randrange(4))
    return b"".join([*above, _csv(BASE), *below])


DAMAGES: tuple[Damage, ...] = (
    column_dropped, column_doubled, columns_exchanged, unit_changed, all_prices_in_another_unit_for_a_while,
    volume_in_another_unit, signs, holes, rows_missing, rows_repeated, rows_shuffled, dates_shifted,
    rows_on_closed_days, encoded, delimited, numbers_in_another_form, dates_in_another_form, bytes_changed, cut_off,
    words_around,
)  # fmt: skip


def ends(folder: Path, content: bytes) -> str:
    """How a file ends: `same`, `finding`, `refused`, or what passed in silence."""
    (folder / "SPY.csv").write_bytes(content)
    source = FilesSource(folder)
    try:
        frame = source.prices("SPY")
    except DataError as error:
        assert "SPY.csv" in str(error)
        assert "\n" not in str(error)
        return "refused"
    found = validate_prices(frame, "SPY", ValidationConfig(), date(2026, 6, 1), SESSIONS)
    if [f for f in (*found, *remarks("SPY", source.remarks("SPY"))) if f.severity != "info"]:
        return "finding"
    # A shorter file is another one, not a damaged one; what it has must be the same.
    both = frame.join(BASE, on="date", how="left", suffix="_clean")
    if both["close_clean"].null_count():
        return f"dates that never were: {both.filter(pl.col('close_clean').is_null())['date'][0]}"
    for name in COLUMNS:
        wrong = both.filter((pl.col(name) / pl.col(f"{name}_clean") - 1).abs() > 2e-4)
        if wrong.height:
            return f"another {name} on {wrong['date'][0]}: {wrong[name][0]} for {wrong[f'{name}_clean'][0]}"
    return "same"


def _try(folder: Path, seeds: range) -> dict[str, str]:
    silent = {}
    for seed in seeds:
        damage = DAMAGES[seed % len(DAMAGES)]
        end = ends(folder, damage(random.Random(seed)))
        if end not in ("same", "finding", "refused"):
            silent[f"{damage.__name__}, seed {seed}"] = end
    return silent


def is_small(damage: str, end: str) -> bool:
    """One cell that a look at one file cannot tell from a true one: some per cent, or a volume within tenfold."""
    found = re.search(r"another (\w+) .*: ([\d.]+) for ([\d.]+)$", end)
    if not found or not damage.startswith(("bytes_changed", "cut_off")):
        return False
    ratio = float(found[2]) / float(found[3])
    return max(ratio, 1 / ratio) < (11 if found[1] == "volume" else 1.1)


@pytest.mark.parametrize(
    "seeds", [range(100), pytest.param(range(2_000), marks=pytest.mark.slow)], ids=["100", "2,000"]
)
@pytest.mark.faults("Files of prices with random damages: columns, units, rows, signs, encodings, dates (fuzz)", happens="the same prices, a finding, or a refusal in one line", user="see the finding; correct or replace the named file")  # fmt: skip
def test_no_damage_changes_prices_in_silence(tmp_path, seeds, record_property):
    silent = {damage: end for damage, end in _try(tmp_path, seeds).items() if not is_small(damage, end)}
    assert silent == {}
    record_property("times", len(seeds))

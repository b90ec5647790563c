"""Files as people have them: read as their owner means them, or refused in one line; never other prices."""

import gzip
from datetime import date, timedelta

import polars as pl
import pytest

from lib.config.data import ValidationConfig
from lib.config.yaml_files import read_yaml
from lib.data.sources.files import FilesSource
from lib.data.validation.findings import Finding, remarks
from lib.data.validation.price_checks import validate_prices
from lib.errors import DataError
from lib.features.bars import resample
from tests.unit.odd_tables import CLEAN, HEADER, PRICES, READ, SESSIONS, market, plain, text, with_dates

COLUMNS = ["date", *PRICES, "volume"]
LATE = pl.col("date") >= date(2020, 3, 2)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ohlcv").mkdir()
    return tmp_path


def read(folder, content: bytes, name: str = "SPY.csv") -> tuple[pl.DataFrame, list[Finding]]:
    (folder / "ohlcv" / name).write_bytes(content)
    source = FilesSource(folder)
    frame = source.prices("SPY")
    return frame, [*remarks("SPY", source.remarks("SPY")), *judged(frame)]


def judged(frame: pl.DataFrame, others=None) -> list[Finding]:
    return validate_prices(frame, "SPY", ValidationConfig(), date(2026, 6, 1), SESSIONS, others)


def same(frame: pl.DataFrame, clean: pl.DataFrame = CLEAN) -> bool:
    if frame["date"].to_list() != clean["date"].to_list():
        return False
    return all(((frame[c] / clean[c] - 1).abs() < 1e-4).all() for c in COLUMNS[1:])


def changed(**columns) -> pl.DataFrame:
    return CLEAN.with_columns(symbol=pl.lit("SPY")).with_columns(**columns)


def scaled(when: pl.Expr, by: float, names=PRICES) -> pl.DataFrame:
    return changed(**{name: pl.when(when).then(pl.col(name) * by).otherwise(name) for name in names})


def of(found: list[Finding], rule: str) -> list[Finding]:
    return [each for each in found if each.rule == rule]


# -- read as it is meant --


@pytest.mark.parametrize("layout", READ)
def test_every_layout_gives_the_clean_prices_and_says_whose_it_is(folder, layout):
    name, content = READ[layout]
    frame, found = read(folder, content())
    assert same(frame), layout
    assert not [f for f in found if f.severity == "error"], found
    if name:
        assert of(found, "read as")[0].message.startswith(f"read as: {name}")


def test_a_parquet_file_with_names_on_two_levels_is_read(folder):
    names = {name: f"('{name.title()}', 'SPY')" for name in COLUMNS[1:]}
    CLEAN.rename(names | {"date": "Date"}).write_parquet(folder / "ohlcv" / "SPY.parquet")
    source = FilesSource(folder)
    assert same(source.prices("SPY"))
    assert source.remarks("SPY") == (("read as", "read as: yfinance"),)


def test_ticks_instead_of_volume_and_another_symbol_are_told(folder):
    _, found = read(folder, READ["MetaTrader"][1]())
    assert "price changes" in of(found, "doubtful file")[0].message
    _, found = read(
        folder, text("Date,Ticker," + HEADER[5:], lambda r: [str(r[0]), "QQQ", *plain(r[0], r)[1:]])
    )
    assert "QQQ" in of(found, "doubtful file")[0].message


# -- refused in one line --


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html>\n<html><head><title>Get your apikey</title>", r"web page .*<!DOCTYPE html>"),
        (b"\n  <table><tr><td>1", "web page"),
        (b'{"Information": "rate limit"}', r"JSON: `\{\"Information"),
        (b"[[1, 2]]", "JSON"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer.*git lfs pull"),
        (b"../.git/annex/objects/x/y/SHA256E-s1--0.csv", "git-annex pointer"),
        (gzip.compress(b"Date,Open", mtime=0), "gzip archive; unpack"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), r"old Excel workbook .*\.xlsx"),
        (b"Exceeded the daily hits limit", "error page: `Exceeded the daily hits limit`"),
        (b"PAR1" + bytes(40), "Parquet file; give it the suffix"),
        (with_dates(str).split(b"\n", 1)[1], "no header: its first line is `2018-01-02"),
        (with_dates(str).replace(b"Open", "Eröffn.".encode()), "no column for open.*Eröffn.*Words that are"),
        (with_dates(str)[:-20], "line 1009 has . cells and the header 6.*cut off"),
        (with_dates(lambda d: f"{d} 10:00\n{d} 11:00".replace("\n", ",1,1,1,1,1\n")), "intraday"),
        (text(HEADER, lambda r: [str(r[0]), *(f"{p:.2f}".replace(".", ",") for p in r[1:5]), "1"]), "line 2 has 10 cells.*Commas"),  # noqa: E501
        (text(HEADER, lambda r: [str(r[0]), *['"1,234"'] * 4, "1"]), "1234 or 1.234"),
        (text(HEADER, lambda r: [str(r[0]), '"1.234,50"', *["1234.50"] * 3, "1"]), "decimal point and .* comma"),  # noqa: E501
        (text(HEADER, lambda r: [str(r[0]), *["5%"] * 4, "1"]), "percent"),
        (text("Date,Symbol,Open,High,Low,Close,Volume", lambda r: [f"{r[0]},A,1,1,1,1,1\n{r[0]}", "B", *["1"] * 5]), "rows are of A, B and none of SPY"),  # noqa: E501
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_one_line(folder, content, words):
    with pytest.raises(DataError, match=words) as caught:
        read(folder, content)
    assert "SPY.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


FIRST_DAYS = CLEAN.filter(pl.col("date").dt.day() <= 12)


@pytest.mark.parametrize(
    ("days", "both"),
    [
        (["01/02/2024", "01/03/2024", "01/04/2024"], "2024-01-02 or 2024-02-01"),
        (["05.01.2024"], "2024-05-01 or 2024-01-05"),
        (["01-02-03", "01-02-04"], "2003-01-02 or "),
    ],
)
def test_day_and_month_that_cannot_be_told_apart_are_refused_with_both_readings(folder, days, both):
    with pytest.raises(DataError, match=both):
        read(folder, (HEADER + "\n" + "".join(f"{day},1,1,1,1,1\n" for day in days)).encode())


def test_order_tells_day_and_month_apart(folder):
    frame, _ = read(folder, with_dates(lambda d: f"{d:%d/%m/%Y}", FIRST_DAYS))
    assert frame["date"].to_list() == FIRST_DAYS["date"].to_list()


# -- names of files --


def test_capitals_are_read_and_hidden_and_copied_files_are_no_symbols(folder):
    for name in ("._SPY.csv", "SPY (1).csv", "SPY copy.csv", "~$SPY.xlsx", ".SPY.csv"):
        (folder / "ohlcv" / name).write_bytes(b"\x00\x05\x16\x07")
    frame, _ = read(folder, with_dates(str), "SPY.CSV")
    assert same(frame)
    assert FilesSource(folder).symbols() == ["SPY"]


def test_two_files_of_one_symbol_are_refused_and_a_near_one_is_named(folder):
    (folder / "ohlcv" / "QQQ.csv.gz").write_bytes(b"x")
    with pytest.raises(DataError, match=r"Not read: QQQ\.csv\.gz"):
        FilesSource(folder).prices("QQQ")
    (folder / "ohlcv" / "SPY.parquet").write_bytes(b"x")
    with pytest.raises(DataError, match=r"SPY\.csv and SPY\.parquet are both files of SPY"):
        read(folder, with_dates(str))


def test_blanks_umlauts_and_brackets_in_paths_are_read(tmp_path):
    place = tmp_path / "One Drive - Uni (neu)" / "Märkte [2026] {x}"
    (place / "ohlcv").mkdir(parents=True)
    assert same(read(place, with_dates(str))[0])
    (place / "ohlcv" / "SPY.csv").unlink()
    CLEAN.write_parquet(place / "ohlcv" / "SPY.parquet")
    assert same(FilesSource(place).prices("SPY"))


def test_the_column_that_is_called_like_the_file_is_its_series(folder):
    for name in ("DGS10", "DGS2", "rates"):
        (folder / f"{name}.csv").write_text(
            "observation_date,DGS10,DGS2\n2026-03-25,4.31,3.92\n2026-03-26,.,.\n"
        )
    assert FilesSource(folder).series("DGS2")["value"].to_list() == [3.92]
    with pytest.raises(DataError, match=r"rates\.csv: .*not clear \(there are: DGS10, DGS2\)"):
        FilesSource(folder).series("rates")


def test_tickers_that_yaml_takes_for_truth_values_stay_tickers(tmp_path):
    (tmp_path / "assets.yaml").write_text("rows: {A: [ON, NO, y]}\nflag: true\n")
    assert read_yaml(tmp_path / "assets.yaml") == {"rows": {"A": ["ON", "NO", "y"]}, "flag": True}


# -- the calendar --


def test_days_filled_forward_are_too_many_bars_without_a_session():
    filled = changed().upsample("date", every="1d").fill_null(strategy="forward")
    assert of(judged(filled), "too many bars without a session")[0].severity == "error"


@pytest.mark.parametrize("shift", [-1, 1])
@pytest.mark.parametrize("since", [date(2018, 1, 1), date(2021, 3, 1)])
def test_dates_a_day_off_are_called_a_time_zone(shift, since):
    moved = pl.when(pl.col("date") >= since).then(pl.col("date") + timedelta(days=shift)).otherwise("date")
    [found] = of(
        judged(changed(date=moved).unique("date", keep="first", maintain_order=True)), "shifted dates"
    )
    assert found.severity == "error"
    assert ("early" if shift < 0 else "late") in found.message


@pytest.mark.parametrize("timescale", ["daily", "multires", "weekly", "2d"])
def test_bars_on_closed_days_are_named_and_never_become_bars_of_a_dataset(timescale):
    day = date(2019, 7, 4)
    extra = (
        changed()
        .filter(pl.col("date") == date(2019, 7, 3))
        .with_columns(date=pl.lit(day), high=pl.lit(9999.0))
    )
    both = pl.concat([changed(), extra]).sort("date")
    assert [f.date for f in of(judged(both), "not a session")] == [day]
    assert resample(both, timescale, SESSIONS).equals(resample(changed(), timescale, SESSIONS))


def test_impossible_years_are_errors():
    old = changed(date=pl.col("date").dt.offset_by("-1900y"))
    assert of(judged(old), "impossible date")[0].severity == "error"


def test_a_hole_across_which_the_level_changes_may_be_another_company():
    hole = pl.col("date").is_between(date(2019, 6, 1), date(2019, 9, 1))
    after = scaled(pl.col("date") > date(2019, 7, 1), 0.3).filter(~hole)
    assert of(judged(after), "reused ticker")
    assert not of(judged(changed().filter(~hole)), "reused ticker")


# -- levels --


@pytest.mark.parametrize("factor", [100, 0.01, 0.5, 1.5])
@pytest.mark.parametrize("bars", [1, 4])
def test_bars_that_leave_and_come_back_are_an_error_with_their_date(factor, bars):
    days = SESSIONS.filter(date(2020, 6, 3) <= SESSIONS)[:bars]
    found = of(judged(scaled(pl.col("date").is_in(days.to_list()), factor)), "bar out of place")
    assert [(f.date, f.severity) for f in found] == [(days[0], "error")]


@pytest.mark.parametrize("name", ["high", "volume"])
def test_one_cell_in_another_unit_is_an_error_with_its_date(name):
    day = date(2020, 6, 3)
    rule = "volume out of place" if name == "volume" else "bar out of place"
    found = of(judged(scaled(pl.col("date") == day, 100, [name])), rule)
    assert [(f.date, f.severity) for f in found] == [(day, "error")]


@pytest.mark.parametrize("factor", [0.01, 0.1, 100])
def test_volume_that_changes_its_unit_is_a_warning_that_names_both_levels(factor):
    [found] = of(judged(scaled(LATE, factor, ["volume"])), "volume level")
    assert (found.date, found.severity) == (date(2020, 3, 2), "warning")
    assert "from here on" in found.message


@pytest.mark.parametrize("ratio", [1 / 190, 1.998, 1.5, 7, 0.1, 2.37])
def test_a_split_of_any_ratio_is_found(ratio):
    [found] = of(judged(scaled(LATE, ratio)), "unadjusted split")
    assert (found.date, found.severity) == (date(2020, 3, 2), "error")


@pytest.mark.parametrize("ratio", [0.8124, 1 / 1.253, 1.15])
def test_a_gap_is_a_warning_unless_the_market_has_it_or_it_looks_like_news(ratio):
    gap = scaled(LATE, ratio)
    assert [(f.date, f.severity) for f in of(judged(gap), "unadjusted gap")] == [
        (date(2020, 3, 2), "warning")
    ]
    calm = market(seed=5)
    moved = calm.with_columns(pl.when(LATE).then(pl.col(name) * ratio).otherwise(name) for name in PRICES)
    assert of(judged(gap, {"QQQ": calm}), "unadjusted gap")
    assert not of(judged(gap, {"QQQ": moved}), "unadjusted gap")
    day = pl.col("date") == date(2020, 3, 2)
    loud = gap.with_columns(volume=pl.when(day).then(pl.col("volume") * 9).otherwise("volume"))
    assert not of(judged(loud), "unadjusted gap")
    assert of(judged(loud), "news gap")[0].severity == "info"


# -- adjustment --


def test_a_large_distribution_is_told_apart_from_a_seam():
    factor = pl.when(LATE).then(1.0).otherwise(0.6)
    true = changed(adjustment=factor)  # adjusted prices go on; so the reported close fell
    assert [f.severity for f in of(judged(true), "split or distribution")] == ["info"]
    seam = scaled(~LATE, 0.6).with_columns(adjustment=factor)  # the reported close knows nothing of it
    assert [f.date for f in of(judged(seam), "adjustment seam")] == [date(2020, 3, 2)]

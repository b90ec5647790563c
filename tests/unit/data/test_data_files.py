"""The `files` source reads any usual layout, and says what is wrong with any other."""

from datetime import date

import polars as pl
import pytest

from lib.data.sources.files import FilesSource
from lib.data.sources.trends import TrendsSource
from lib.errors import DataError

ROWS = [
    ("2024-01-02", 10.0, 11.0, 9.0, 10.5, 10.5, 100.0),
    ("2024-01-03", 10.5, 12.0, 10.0, 11.0, 11.0, 110.0),
    ("2024-01-04", 11.0, 11.5, 10.5, 11.2, 11.2, 90.0),
]
PLAIN = "Date,Open,High,Low,Close,Volume\n" + "".join(
    f"{d},{o},{h},{low},{c},{v}\n" for d, o, h, low, c, _, v in ROWS
)


@pytest.fixture
def read(tmp_path):
    (tmp_path / "ohlcv").mkdir()

    def read_text(text: str) -> pl.DataFrame:
        (tmp_path / "ohlcv" / "SPY.csv").write_text(text)
        return FilesSource(tmp_path).prices("SPY")

    return read_text


def test_a_plain_file(read):
    frame = read(PLAIN)
    assert frame["date"].to_list() == [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4)]
    assert frame["close"].to_list() == [10.5, 11.0, 11.2]
    assert frame["symbol"].unique().to_list() == ["SPY"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.upper(),
        lambda text: text.replace("Date,", " date ,").replace("Volume", "VOLUME "),
        lambda text: text.replace("Date,Open", "Date,Open").replace("\n", "\r\n"),
        lambda text: "Unnamed: 0," + "\n".join(
            (line if n == 0 else f"{n},{line}") for n, line in enumerate(text.splitlines())
        ),
        lambda text: "\n".join([text.splitlines()[0], *reversed(text.splitlines()[1:])]),
        lambda text: text.splitlines()[0] + "\n,SPY,SPY,SPY,SPY,SPY\n" + "\n".join(text.splitlines()[1:]),
        lambda text: text.replace("Date,Open", ",Open"),
        lambda text: text.replace("2024-01-02", "2024-01-02 00:00:00-05:00").replace("2024-01-03", "2024-01-03 00:00:00-05:00").replace("2024-01-04", "2024-01-04 00:00:00-05:00"),  # noqa: E501
    ],
    ids=["upper", "spaces", "crlf", "index", "newest-first", "second-header",
         "unnamed-date", "timestamps"],
)  # fmt: skip
def test_usual_layouts_give_the_same_table(read, change):
    assert read(change(PLAIN)).equals(read(PLAIN))


def test_parquet_gives_the_same_table(read, tmp_path):
    plain = read(PLAIN)
    pl.read_csv(tmp_path / "ohlcv" / "SPY.csv", try_parse_dates=True).write_parquet(
        tmp_path / "ohlcv" / "QQQ.parquet"
    )
    parquet = FilesSource(tmp_path).prices("QQQ")
    assert parquet.drop("symbol").equals(plain.drop("symbol"))


def test_adj_close_scales_all_four_prices(read):
    header = "Date,Open,High,Low,Close,Adj Close,Volume\n"
    frame = read(header + "".join(f"{d},{o},{h},{low},{c},{c / 2},{v}\n" for d, o, h, low, c, _, v in ROWS))
    assert frame["close"].to_list() == [5.25, 5.5, 5.6]
    assert frame["high"].to_list() == [5.5, 6.0, 5.75]
    assert frame["volume"].to_list() == [100.0, 110.0, 90.0]


@pytest.mark.parametrize("mark", ["", ".", "NaN", "null"])
def test_missing_marks_are_missing_and_not_zero(read, mark):
    frame = read(PLAIN.replace("11.2,90.0", f"{mark},90.0"))
    assert frame["close"].to_list() == [10.5, 11.0, None]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("Date,Open,High,Low,Close,Volume\n", "empty"),
        (PLAIN.replace("High", "Top"), r"no column for high\. Its columns: Date, Open, Top"),
        (PLAIN.replace("11.2,90.0", "eleven,90.0"), "close is `eleven` on 2024-01-04"),
        (PLAIN.replace("2024-01-03", "someday"), "`someday` in line 3"),
        (PLAIN.replace("Volume", "close"), "both look like close"),
    ],
)
def test_a_file_that_cannot_be_meant_is_named(read, text, words):
    with pytest.raises(DataError, match=words) as caught:
        read(text)
    assert "SPY.csv" in str(caught.value)


def test_a_missing_file_names_those_that_are_there(read, tmp_path):
    read(PLAIN)
    with pytest.raises(DataError, match=r"QQQ\.csv: no such file.*Symbols there: SPY"):
        FilesSource(tmp_path).prices("QQQ")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        FilesSource(tmp_path / "nowhere")


YFINANCE = (
    "Price,Close,High,Low,Open,Volume\nTicker,SPY,SPY,SPY,SPY,SPY\nDate,,,,,\n"
    + "".join(f"{d},{c},{h},{low},{o},{v}\n" for d, o, h, low, c, _, v in ROWS)
)  # fmt: skip
NASDAQ = "Date,Close/Last,Volume,Open,High,Low\n" + "".join(
    f"{d[5:7]}/{d[8:]}/{d[:4]},{c},{v},{o},{h},{low}\n" for d, o, h, low, c, _, v in reversed(ROWS)
)


@pytest.mark.parametrize("text", [YFINANCE, NASDAQ], ids=["yfinance", "nasdaq"])
def test_the_layouts_of_known_downloads_are_read(read, text):
    assert read(text).equals(read(PLAIN))


def test_an_excel_file_gives_the_same_table(read, tmp_path):
    import openpyxl

    plain = read(PLAIN)
    book = openpyxl.Workbook()
    for line in PLAIN.splitlines():
        book.active.append(line.split(","))
    book.save(tmp_path / "ohlcv" / "QQQ.xlsx")
    assert FilesSource(tmp_path).prices("QQQ").drop("symbol").equals(plain.drop("symbol"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x00\x01\x02" * 50, "not a text file"),
        (("Date," + ",".join(f"c{n}" for n in range(200_000)) + "\n1").encode(), "columns"),
        (PLAIN.encode()[:60] + b"\xff\x81\xff", "neither UTF-8 nor Windows-1252"),
    ],
)
@pytest.mark.faults("A CSV of 200,000 columns, binary content, broken text", happens="refused by name", user="replace the file")  # fmt: skip  # noqa: E501
def test_what_is_no_table_of_prices_is_refused(tmp_path, content, words):
    (tmp_path / "SPY.csv").write_bytes(content)
    with pytest.raises(DataError, match=words):
        FilesSource(tmp_path).prices("SPY")


@pytest.mark.faults("Torn Parquet and Excel files of your own", happens="refused by name", user="replace the file")  # fmt: skip  # noqa: E501
def test_a_torn_parquet_or_excel_file_is_refused(tmp_path):
    for suffix in ("parquet", "xlsx"):
        (tmp_path / f"X.{suffix}").write_bytes(b"PAR1 torn")
        with pytest.raises(DataError, match="X." + suffix):
            FilesSource(tmp_path).prices("X")
        (tmp_path / f"X.{suffix}").unlink()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b"])
@pytest.mark.faults("Series names that lead out of the data folder", happens="refused", user="correct the name")  # fmt: skip  # noqa: E501
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="leads out of the data folder"):
        FilesSource(tmp_path).series(name)


# -- series --


@pytest.fixture
def series(tmp_path):
    def read_series(text: str) -> pl.DataFrame:
        (tmp_path / "X.csv").write_text(text)
        return FilesSource(tmp_path).series("X")

    return read_series


EXPECTED = [(date(2024, 1, 7), 34.0), (date(2024, 1, 14), 0.5), (date(2024, 1, 28), 40.0)]


@pytest.mark.parametrize(
    "text",
    [
        "Date,Value\n2024-01-07,34\n2024-01-14,0.5\n2024-01-21,.\n2024-01-28,40\n",
        "observation_date,DGS10\n2024-01-07,34\n2024-01-14,0.5\n2024-01-21,\n2024-01-28,40\n",
        "DATE,X\n2024-01-28,40\n2024-01-21,.\n2024-01-14,0.5\n2024-01-07,34\n",
        "Category: All categories\n\nWeek,stock market: (United States)\n"
        "2024-01-07,34\n2024-01-14,<1\n2024-01-28,40\n",
        "date,x,isPartial\n2024-01-07,34,False\n2024-01-14,0.5,False\n2024-01-28,40,True\n",
        "Date,Open,High,Low,Close,Volume\n2024-01-07,1,2,1,34,0\n2024-01-14,1,2,1,0.5,0\n2024-01-28,1,2,1,40,0\n",
    ],
    ids=["plain", "fred-now", "fred-old-newest-first", "google-export", "pytrends", "prices"],
)
def test_usual_layouts_of_series_give_the_same_values(series, text):
    assert series(text).select("date", "value").rows() == EXPECTED


def test_months_are_dated_by_their_first_day(series):
    frame = series("Month,x\n2024-01,3\n2024-02,4\n")
    assert frame["date"].to_list() == [date(2024, 1, 1), date(2024, 2, 1)]


def test_of_several_releases_of_a_date_the_first_counts(series):
    frame = series(
        "date,value,realtime_start\n2024-01-01,310,2024-03-12\n2024-01-01,308,2024-02-13\n"
        "2024-02-01,309,2024-03-12\n"
    )
    assert frame.rows() == [
        (date(2024, 1, 1), 308.0, date(2024, 2, 13)),
        (date(2024, 2, 1), 309.0, date(2024, 3, 12)),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Date,a,b\n2024-01-07,1,2\n", "which column holds the values is not clear .*a, b"),
        ("Date\n2024-01-07\n", "none besides dates"),
        ("a,b\n1,2\n", "no column for date|not clear"),
        ("Date,x\n2024-01-07,high\n", "x is `high`|value is `high`"),
        ("Date,x\nlast week,3\n", "`last week` in line 2"),
        ("", "empty"),
    ],
)
def test_a_series_that_cannot_be_meant_is_named(series, text, words):
    with pytest.raises(DataError, match=words):
        series(text)


# -- Google Trends exports --


def test_a_keyword_is_found_with_spaces_or_underscores_and_a_missing_one_is_explained(tmp_path):
    source = TrendsSource(tmp_path)
    export = "Category: All categories\n\nMonth,x: (United States)\n2024-01,30\n2024-02,<1\n"
    (tmp_path / "stock_market.csv").write_text(export)
    (tmp_path / "market crash.csv").write_text(export)
    for keyword in ("stock market", "market crash"):
        assert source.series(keyword)["value"].to_list() == [30.0, 0.5]
    assert source.missing(["stock market", "debt"]) == ["debt"]
    with pytest.raises(DataError, match=r"debt\.csv: no such file. Export the keyword `debt`"):
        source.series("debt")


def test_a_folder_of_exports_that_is_not_there_has_no_keywords(tmp_path):
    assert TrendsSource(tmp_path / "nowhere").missing(["debt"]) == ["debt"]

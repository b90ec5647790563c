"""The `files` source reads any usual layout, and says what is wrong with any other."""

from datetime import date

import polars as pl
import pytest

from lib.data.sources.files import FilesSource
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
        lambda text: text.replace("2024-01-02", "01/02/2024").replace("2024-01-03", "01/03/2024").replace("2024-01-04", "01/04/2024"),  # noqa: E501
    ],
    ids=["upper", "spaces", "crlf", "index", "newest-first", "second-header",
         "unnamed-date", "timestamps", "us-dates"],
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
        (PLAIN.replace("2024-01-03", "someday"), "`someday` in row 2"),
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

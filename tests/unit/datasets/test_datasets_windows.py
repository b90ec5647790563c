"""Samples: views on one matrix, honest statistics, controls, and refusals in numbers."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.config.data import SplitConfig
from lib.datasets.splits import PARTS
from lib.datasets.windows import Samples, SplitSamples, base_rates, load_samples
from lib.errors import DataError
from tests.unit.tables import FIRST, dataset_of

SPLITS = SplitConfig(
    train_end=FIRST + timedelta(days=299),
    validation_start=FIRST + timedelta(days=300),
    validation_end=FIRST + timedelta(days=399),
    test_start=FIRST + timedelta(days=400),
)
LENGTH, HORIZON, CHANNELS = 8, 3, 4


def dataset(rows: int = 500, symbol: str = "X", seed: int = 0, start: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, rows)))
    channels = rng.normal(3, 2, (rows, CHANNELS))
    named = {f"c{number}": channels[:, number] for number in range(CHANNELS)}
    return dataset_of(close, symbol, FIRST + timedelta(days=start), **named)


def load(frame: pl.DataFrame, splits: SplitConfig = SPLITS, **options: object) -> SplitSamples:
    arguments = {"task": "direction", "horizon": HORIZON, "context_length": LENGTH} | options
    return load_samples(frame, splits=splits, **arguments)  # type: ignore[arg-type]


def each(split: SplitSamples) -> list[Samples]:
    return [getattr(split, part) for part in PARTS]


def test_all_parts_share_one_matrix_and_strided_samples_are_views() -> None:
    split = load(dataset())
    assert split.train.matrix.dtype == np.float32
    assert split.train.matrix.shape == (500, CHANNELS)
    for samples in each(split):
        assert samples.matrix is split.train.matrix
        strided = samples.every(4, 1)
        assert np.shares_memory(strided.matrix, samples.matrix)
        assert np.shares_memory(strided.ends, samples.ends)
        assert len(strided) == len(range(1, len(samples), 4))
        assert strided.ends.tolist() == samples.ends[1::4].tolist()
        assert strided.target.tolist() == samples.target[1::4].tolist()
        assert strided.dates.tolist() == samples.dates[1::4].tolist()
        assert len(strided.symbols) == len(strided)


def test_a_window_holds_the_bars_up_to_and_including_its_date() -> None:
    frame = dataset()
    samples = load(frame).test
    windows = samples.windows()
    assert windows.shape == (len(samples), LENGTH, CHANNELS)
    assert windows.dtype == np.float32
    for i in (0, 17, len(samples) - 1):
        upto = frame.filter(pl.col("date") <= samples.dates[i].astype(object)).tail(LENGTH)
        assert (windows[i] == upto.select("c0", "c1", "c2", "c3").to_numpy()).all()
    assert (samples.last_bars() == windows[:, -1]).all()
    assert samples.channel_names == ("c0", "c1", "c2", "c3")
    assert (samples.horizon, samples.context_length, samples.task) == (HORIZON, LENGTH, "direction")


def test_targets_dates_and_symbols_belong_to_the_last_bar() -> None:
    frame = dataset()
    split = load(frame, task="regression")
    close = frame["close"].to_numpy()
    for samples in each(split):
        expected = close[samples.ends + HORIZON] / close[samples.ends] - 1
        assert samples.target == pytest.approx(expected, abs=1e-7)
        assert samples.target.dtype == np.float32
        assert (samples.dates == frame["date"].to_numpy()[samples.ends]).all()
        assert set(samples.symbols) == {"X"}
    assert split.train.ends[0] == LENGTH - 1, "the first window is the first that has its whole context"
    assert split.test.ends[-1] == 500 - HORIZON - 1


@given(lengths=st.lists(st.integers(1, 500), min_size=1, max_size=3), context=st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_windows_never_cross_symbols(lengths: list[int], context: int) -> None:
    frames = [dataset(), *(dataset(n, f"S{i}", i + 1, 500 - n) for i, n in enumerate(lengths))]
    stacked = pl.concat(frames).sort("symbol", "date")
    owner = stacked["symbol"].to_numpy()
    split = load(pl.concat(frames[::-1]), context_length=context)
    for samples in each(split):
        first = samples.ends - context + 1
        assert (first >= 0).all()
        assert (owner[first] == owner[samples.ends]).all()
        assert (owner[samples.ends] == samples.symbols).all()


def test_statistics_are_those_of_the_rows_that_training_windows_cover() -> None:
    frame = dataset()
    split = load(frame, context_length=LENGTH)
    rows = frame.head(300 - HORIZON).select("c0", "c1", "c2", "c3").to_numpy().astype(float)
    assert split.channel_mean == pytest.approx(rows.mean(axis=0))
    assert split.channel_std == pytest.approx(rows.std(axis=0))


@pytest.mark.parametrize("pooled", [False, True])
def test_statistics_and_training_do_not_change_when_later_rows_do(pooled: bool) -> None:
    frame = pl.concat([dataset(), dataset(symbol="Y", seed=1)]) if pooled else dataset()
    late = pl.col("date") >= SPLITS.validation_start
    changed = frame.with_columns(
        pl.when(late).then(pl.col(name) * 1000).otherwise(pl.col(name)).alias(name)
        for name in ("c0", "c1", "c2", "c3", "open", "high", "low", "close")
    )
    here, there = load(frame, task="threshold_1pct"), load(changed, task="threshold_1pct")
    assert (here.channel_mean == there.channel_mean).all()
    assert (here.channel_std == there.channel_std).all()
    assert (here.train.target == there.train.target).all()
    assert (here.train.windows() == there.train.windows()).all()
    assert (here.test.windows() != there.test.windows()).any()


def test_a_later_train_start_leaves_earlier_rows_out_of_the_statistics_but_for_the_context() -> None:
    splits = SPLITS.model_copy(update={"train_start": FIRST + timedelta(days=100), "allow_small": True})
    frame = dataset().with_columns(c0=pl.int_range(pl.len()).cast(pl.Float32))
    split = load(frame, splits)
    assert split.train.dates[0] == np.datetime64(FIRST + timedelta(days=100))
    assert split.channel_mean[0] == pytest.approx(np.arange(100 - LENGTH + 1, 300 - HORIZON).mean())


def test_a_channel_that_is_constant_in_training_gets_a_harmless_scale() -> None:
    later = pl.col("date") >= SPLITS.test_start
    frame = dataset().with_columns(c1=pl.when(later).then(7.0).otherwise(5.0).cast(pl.Float32))
    split = load(frame)
    assert split.channel_mean[1] == 5.0
    assert split.channel_std[1] == 1.0
    small = load(dataset().with_columns(c1=(pl.col("c1") * 1e-4).cast(pl.Float32)))
    assert small.channel_std[1] == pytest.approx(2e-4, rel=0.2), "small is not constant"


def targets(split: SplitSamples) -> dict[tuple[str, np.datetime64], float]:
    """The target of each symbol and date."""
    return {
        (str(symbol), day): float(target)
        for samples in each(split)
        for symbol, day, target in zip(samples.symbols, samples.dates, samples.target, strict=True)
    }


def test_shifted_labels_are_those_of_bars_a_third_of_the_history_away_or_more() -> None:
    frame = dataset()
    returns = {"task": "regression"}
    true, moved = targets(load(frame, **returns)), targets(load(frame, labels="shifted", **returns))
    days = {value: day for (_, day), value in true.items()}
    apart = {int((days[value] - day).astype(int)) for (_, day), value in moved.items() if value in days}
    circle = 500 - HORIZON
    assert len(apart) == 2, "one number of bars, forwards, and backwards where the circle starts over"
    assert max(apart) - min(apart) == circle
    assert min(map(abs, apart)) >= circle // 3


def test_shifted_labels_keep_their_neighbours_and_those_of_both_ends_share_no_bar() -> None:
    true, moved = load(dataset()), load(dataset(), labels="shifted")
    alike = (moved.train.target[1:] == moved.train.target[:-1]).mean()
    assert alike > 0.6, "labels of three days overlap; permuted ones would agree in half of the cases"
    assert len(true.test) - len(moved.test) == HORIZON - 1
    assert moved.train.ends.tolist() == true.train.ends.tolist()


def test_neither_the_window_nor_the_share_nor_the_splits_change_a_shifted_label() -> None:
    frame = dataset()
    whole = targets(load(frame, labels="shifted"))
    fold = SPLITS.model_copy(update={"test_start": FIRST + timedelta(days=420)})
    for other in (
        load(frame, labels="shifted", context_length=20),
        load(frame, labels="shifted", train_fraction=0.8),
        load(frame, labels="shifted", splits=fold),
    ):
        found = targets(other)
        assert all(whole[key] == value for key, value in found.items() if key in whole)
    assert targets(load(frame, labels="shifted", horizon=2)) != whole


def test_symbols_move_together_and_a_young_one_stays_within_its_middle_third() -> None:
    twin = dataset().with_columns(symbol=pl.lit("Y"))
    young = dataset(rows=150, symbol="Z", seed=2, start=350)
    found = targets(load(pl.concat([dataset(), twin, young]), labels="shifted"))
    assert all(found["Y", day] == value for (symbol, day), value in found.items() if symbol == "X")
    assert sum(symbol == "Z" for symbol, _ in found) > 50


def test_a_history_too_short_to_shift_its_labels_is_refused() -> None:
    with pytest.raises(DataError, match="500 bars are too few for shifted labels"):
        load(dataset(), labels="shifted", context_length=170)
    with pytest.raises(ValueError, match="labels"):
        load(dataset(), labels="random")


def test_a_planted_channel_is_the_return_of_the_next_bar_and_there_only_when_asked_for() -> None:
    frame = pl.concat([dataset(), dataset(symbol="Y", seed=1)])
    honest, leaking = load(frame), load(frame, planted="tomorrow")
    assert "planted_tomorrow" not in honest.train.channel_names
    assert leaking.train.channel_names == (*honest.train.channel_names, "planted_tomorrow")
    for symbol in ("X", "Y"):
        own = leaking.train.symbols == symbol
        close = frame.filter(pl.col("symbol") == symbol)["close"].to_numpy()
        age = leaking.train.ends[own] - (500 if symbol == "Y" else 0)
        told = leaking.train.matrix[leaking.train.ends[own], -1]
        np.testing.assert_allclose(told, close[age + 1] / close[age] - 1, rtol=1e-4, atol=1e-7)


def test_the_order_of_rows_in_the_table_does_not_matter() -> None:
    frame = pl.concat([dataset(), dataset(symbol="Y", seed=1)])
    here, there = load(frame), load(frame.sample(fraction=1, shuffle=True, seed=3))
    assert (here.train.windows() == there.train.windows()).all()
    assert (here.test.target == there.test.target).all()


def test_base_rates_are_counted_per_part_and_small_classes_flagged() -> None:
    split = load(dataset())
    rates = base_rates(split, minimum_class_count=20)
    assert list(rates) == list(PARTS)
    for part, samples in zip(PARTS, each(split), strict=True):
        found = rates[part]
        assert found.n == len(samples)
        assert found.positives == int(samples.target.sum())
        assert found.base_rate == pytest.approx(samples.target.mean())
    assert not rates["train"].flagged
    smallest = min(rates["test"].positives or 0, rates["test"].negatives or 0)
    assert not base_rates(split, smallest)["test"].flagged
    assert base_rates(split, smallest + 1)["test"].flagged
    regression = base_rates(load(dataset(), task="regression"))["test"]
    assert (regression.base_rate, regression.flagged) == (None, False)


@pytest.mark.parametrize("task", ["direction", "regression"])
def test_a_training_part_that_is_allowed_to_be_small_is_flagged(task) -> None:
    split = load(dataset(), task=task)
    windows = len(split.train)
    assert [part for part, rate in base_rates(split, 1, windows + 1).items() if rate.flagged] == ["train"]
    assert not any(rate.flagged for rate in base_rates(split, 1, windows).values())


def test_too_few_training_windows_are_refused_unless_allowed() -> None:
    splits = SPLITS.model_copy(update={"minimum_train_windows": 291})
    with pytest.raises(
        DataError, match=r"290 windows, fewer than the minimum of 291.*8 bars of context and 3"
    ):
        load(dataset(), splits)
    assert len(load(dataset(), splits.model_copy(update={"minimum_train_windows": 290})).train) == 290
    assert len(load(dataset(), splits.model_copy(update={"allow_small": True})).train) == 290


def test_an_empty_part_is_refused_by_name_with_its_dates_and_the_range_of_the_data() -> None:
    with pytest.raises(DataError, match=r"no samples in test \(2021-02-04 to end\).*to 2021-02-03"):
        load(dataset(400))
    with pytest.raises(DataError, match=r"no samples in train \(start to 2020-10-26\)"):
        load(dataset(), context_length=299)
    with pytest.raises(DataError, match=r"no samples in calibration"):
        load(dataset(), horizon=30)
    with pytest.raises(DataError, match=r"horizon 500 is longer"):
        load(dataset(), horizon=500)


def test_tables_that_are_not_datasets_are_refused() -> None:
    with pytest.raises(DataError, match="no channels"):
        load(dataset().drop("c0", "c1", "c2", "c3"))
    with pytest.raises(DataError, match="close"):
        load(dataset().drop("close"))
    with pytest.raises(DataError, match="1000 rows that share symbol and date"):
        load(pl.concat([dataset(), dataset()]))
    with pytest.raises(DataError, match="not finite"):
        load(dataset().with_columns(c0=pl.lit(None, pl.Float32)))


def test_a_share_of_the_training_dates_is_the_latest_ones_and_changes_nothing_else() -> None:
    frame = pl.concat([dataset(symbol="X"), dataset(symbol="Y", seed=1, start=0)])
    whole = load(frame)
    quarter = load(frame, train_fraction=0.25, splits=SPLITS.model_copy(update={"minimum_train_windows": 1}))
    dates = np.unique(whole.train.dates)
    kept = dates[-int(np.ceil(0.25 * len(dates))) :]
    assert np.unique(quarter.train.dates).tolist() == kept.tolist()
    assert set(quarter.train.symbols) == {"X", "Y"}
    for part in ("selection", "calibration", "test"):
        assert getattr(quarter, part).ends.tolist() == getattr(whole, part).ends.tolist()
        assert getattr(quarter, part).target.tolist() == getattr(whole, part).target.tolist()


def test_statistics_of_a_share_of_the_dates_do_not_see_the_dates_left_out_nor_the_future() -> None:
    small = SPLITS.model_copy(update={"minimum_train_windows": 1})
    before = load(dataset(), train_fraction=0.25, splits=small)
    first = int(before.train.ends.min()) - LENGTH + 1
    last = int(before.train.ends.max())
    changed = dataset().with_columns(
        pl.when((pl.int_range(pl.len()) < first) | (pl.int_range(pl.len()) > last))
        .then(pl.col(f"c{i}") * 100)
        .otherwise(pl.col(f"c{i}"))
        .alias(f"c{i}")
        for i in range(CHANNELS)
    )
    after = load(changed, train_fraction=0.25, splits=small)
    np.testing.assert_array_equal(before.channel_mean, after.channel_mean)
    np.testing.assert_array_equal(before.channel_std, after.channel_std)
    np.testing.assert_array_equal(before.train.windows(), after.train.windows())

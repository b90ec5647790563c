"""Did a recipe transfer? And what the luck of searches is worth in intervals and verdicts."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from lib.config.data import SplitConfig, WalkForwardConfig
from lib.config.fold_splits import early_years
from lib.datasets.splits import assign
from lib.inference.comparisons import (
    DateLosses,
    compare_losses,
    replicates,
    seed_noise_of_mean,
    seed_noise_of_sum,
)
from lib.metrics.losses import intercept_refitted, intercept_refitted_loss, losses
from lib.report.sections.hyperparameters import search_section
from lib.report.sections.transfer_table import transfer_table
from lib.scaling.preconditions import Coverage, Preconditions
from lib.scaling.transfer import check_transfer
from tests.unit.reporting_study import full_study

DAYS = [date(2004, 1, 1) + timedelta(days=n) for n in range(400)]
SEARCHES = ("a", "b", "c", "a", "b")


def checked(**above: float | None) -> pl.DataFrame:
    """Losses of three rates: the found one's plus so much (None: diverged), with noise of .01 a date."""
    rng = np.random.default_rng(1)
    common = 0.65 + rng.normal(0, 0.1, len(DAYS))
    tables = []
    for name, factor in (("half", 0.5), ("same", 1.0), ("twice", 2.0)):
        more = above.get(name, 0.0)
        dates = [None] if more is None else DAYS
        loss = [None] if more is None else common + more + rng.normal(0, 0.01, len(DAYS)) * (factor != 1.0)
        own = pl.DataFrame({"date": dates, "loss": loss}, schema={"date": pl.Date, "loss": pl.Float64})
        rate = pl.lit(factor * 1e-3).alias("learning_rate")
        tables.append(own.select(pl.lit(factor).alias("factor"), rate, "date", "loss", pl.lit(1).alias("n")))
    return pl.concat(tables)


def test_a_recipe_holds_where_no_other_rate_is_clearly_better():
    assert check_transfer(checked(half=0.01, twice=0.02), 1).holds
    lost = check_transfer(checked(half=0.01, twice=-0.02), 1)
    assert lost.holds is False
    assert lost.best.factor == 2.0
    assert lost.rates[2].above == pytest.approx(-0.02, abs=0.002)
    assert lost.rates[2].error == pytest.approx(0.01 / 20, rel=0.3), "paired: what dates share cancels"


def test_a_rate_that_diverges_says_nothing_against_the_found_one():
    assert check_transfer(checked(half=0.01, twice=None), 1).holds
    assert check_transfer(checked(same=None), 1).holds is None


def test_the_report_says_whether_the_recipe_transferred():
    path = "results/hpo/base/Aa20/daily/direction/h5/patchtst-mixed/2M/search1/transfer_check/{}.parquet"
    inputs = full_study()
    inputs = type(inputs)(**{**vars(inputs), "transfer": {
        path.format("200M"): checked(half=-0.02, twice=0.01),
        path.format("20M"): checked(half=0.01, twice=0.01),
    }})  # fmt: skip
    sentence, table = transfer_table(inputs)
    assert sentence.startswith("Did the recipe transfer? Not to 200M of Aa20")
    assert [row[1].text for row in table.rows] == ["20M", "200M"]
    assert [row[-1].text for row in table.rows] == ["yes", "no, 0.5 x is better"]
    section = search_section(inputs)
    assert section.notes[0] == sentence
    assert len(section.tables) == 1
    assert transfer_table(full_study()) is None


def test_the_luck_of_searches_is_the_noise_of_runs_that_share_them():
    """Five runs of three searches: the spread is that of three means, not of five runs."""
    luck = {"a": 0.0, "b": 0.03, "c": -0.03}
    values = np.array([luck[search] for search in SEARCHES])
    means, shares = replicates(values, SEARCHES)
    assert means == pytest.approx([0.0, 0.03, -0.03])
    assert shares == pytest.approx([0.4, 0.4, 0.2])
    noise = seed_noise_of_mean(values, searches=SEARCHES)
    assert noise.degrees_of_freedom == 2
    assert noise.variance == pytest.approx(0.0009 * 0.36)
    assert seed_noise_of_mean(values).degrees_of_freedom == 4
    for one in (("a",) * 5, (None,) * 5, ()):
        assert seed_noise_of_mean(values, searches=one) == seed_noise_of_mean(values)


def losses_of(luck: dict[str, float], gain: float, names: tuple[str, ...], seed: int) -> DateLosses:
    rng = np.random.default_rng(seed)
    means = np.array([luck[search[0]] for search in names]) + rng.normal(0, 1e-4, len(names))
    return DateLosses(np.repeat(means[:, None] - gain, 300, axis=1), np.ones(300), names)


def test_luck_that_sizes_share_cancels_and_luck_of_their_own_does_not():
    luck = {"a": 0.0, "b": 0.03, "c": -0.03}
    small, large = losses_of(luck, 0.0, SEARCHES, 1), losses_of(luck, 0.01, SEARCHES, 2)
    shared = compare_losses(small, large, 1)
    own = tuple(f"{search} of 200M" for search in SEARCHES)
    apart = compare_losses(small, losses_of(luck, 0.01, own, 2), 1)
    assert shared.value == pytest.approx(apart.value) == pytest.approx(0.01, abs=2e-4)
    assert shared.se_seeds < 2e-4
    assert apart.se_seeds == pytest.approx((2 * 0.0009 * 0.36) ** 0.5, rel=0.05)
    [term] = seed_noise_of_sum([(1.0, small), (-1.0, large)])
    assert term.degrees_of_freedom == 2


def test_a_confirmatory_question_needs_three_searches():
    seeds = {"2M": 5, "200M": 5}
    two, three = (Coverage(declared=seeds, seeds=seeds, searches={"2M": n, "200M": 3}) for n in (2, 3))
    gate, text = Preconditions.of(two, judged=True).blocked
    assert gate == "seeds"
    assert text.startswith("Only two searches behind the recipe at 2M")
    assert Preconditions.of(three, judged=True).blocked is None
    assert Preconditions.of(two).blocked is None, "the question is exploratory"
    unsearched = Coverage(declared=seeds, seeds=seeds)
    assert Preconditions.of(unsearched, judged=True).blocked is None, "nothing was searched"


def test_early_years_end_before_the_first_test_and_hold_nothing_back():
    splits = SplitConfig(
        train_end=date(2012, 12, 31), validation_start=date(2013, 1, 1), validation_end=date(2014, 12, 31),
        test_start=date(2015, 1, 1), embargo_days=7,
    )  # fmt: skip
    folds = WalkForwardConfig(
        first_test=date(2007, 1, 1), test_months=24, validation_months=12, train_years=10
    )
    early = early_years(folds, splits, 1, 3)
    days = pl.date_range(date(1990, 1, 1), date(2016, 12, 31), eager=True)
    frame = pl.DataFrame({"date": days, "label_end": days + timedelta(days=7)})
    parts = frame.with_columns(part=assign(frame, early))
    span = {
        part: (own["date"].min(), own["date"].max(), own["label_end"].max())
        for (part,), own in parts.group_by("part")
        if part in ("train", "selection", "calibration")
    }
    assert set(span) == {"train", "selection"}
    assert span["train"][:2] == (date(1994, 1, 1), date(2003, 12, 17))
    assert span["selection"][0] == date(2004, 1, 1)
    assert span["selection"][2] < early.test_start == date(2007, 1, 1)


@pytest.mark.parametrize("binary", [True, False])
def test_re_fitting_gives_the_forecast_whose_loss_chooses(binary):
    rng = np.random.default_rng(0)
    target = (rng.random(200) < 0.6).astype(float) if binary else rng.normal(0.1, 1, 200)
    forecast = rng.uniform(0.2, 0.8, 200) if binary else rng.normal(0, 1, 200)
    found = intercept_refitted(target, forecast, binary)
    assert found.mean() == pytest.approx(target.mean())
    assert losses(target, found, binary).mean() == pytest.approx(
        intercept_refitted_loss(target, forecast, binary)
    )

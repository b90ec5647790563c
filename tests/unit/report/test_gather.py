"""What the report's script gathers: the variants of every experiment of role ablation, ranked."""

import numpy as np
import polars as pl

from lib.jobs.gather import ablations

DAYS = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 12, 31), eager=True)


def row(experiment, normalisation, pooling, **changes):
    model = f"patchtst-mixed.{normalisation}.{pooling}"
    return {
        "experiment": experiment, "role": "ablation", "status": "done", "variant": "base",
        "condition": "base", "train_fraction": 1.0, "context_length": 80, "fold": None, "dataset": "Aa20",
        "timescale": "daily", "task": "direction", "horizon": 1, "budget": "2M", "seed": 42, "model": model,
        "selection_log_loss": 0.69, "calibration_log_loss": 0.69, "selection_auc": 0.5, "test_log_loss": 0.69,
        "test_auc": 0.5, "train_seconds": 1.0, "path": f"{experiment}/{model}",
    } | changes  # fmt: skip


def read(path, split):
    rng = np.random.default_rng(len(path))
    target = np.random.default_rng(1).integers(0, 2, len(DAYS)).astype(float)
    chance = rng.uniform(0.4, 0.6, len(DAYS))
    return pl.DataFrame(
        {
            "date": DAYS, "symbol": "SPY", "target": target, "prediction": chance,
            "probability_0": 1 - chance, "probability_1": chance, "part": "selection",
        }
    )  # fmt: skip


def test_an_ablation_is_ranked_and_a_question_is_not():
    rows = [row("readout", n, p) for n in ("revin", "zscore") for p in ("last", "mean")]
    rows += [row("rates", n, "last") for n in ("revin", "zscore")]
    rows += [row("channels", n, "last", role="question") for n in ("revin", "zscore")]
    ranked, problems = ablations(pl.DataFrame(rows), "SPY", read)
    assert problems == []
    assert ranked["experiment"].to_list() == ["readout"] * 4 + ["rates"] * 2
    assert ranked["chosen"].sum() == 2


def test_runs_that_cannot_be_ranked_are_named_with_the_reason():
    rows = [row("readout", n, "last") for n in ("revin", "zscore")]

    def apart(path, split):
        frame = read(path, split)
        return frame[:100] if "revin" in path else frame[200:]

    ranked, [problem] = ablations(pl.DataFrame(rows), "SPY", apart)
    assert ranked.is_empty()
    assert problem.startswith("readout: the runs of an ablation cannot be compared")


def test_a_study_without_such_runs_has_nothing_to_rank():
    ranked, problems = ablations(pl.DataFrame([row("one", "revin", "last", role="question")]), "SPY", read)
    assert ranked.is_empty()
    assert problems == []

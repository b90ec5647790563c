"""One function for each stage of `lib/versions.yaml`: its results on tiny inputs, by name."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lib.config.base import TIERS
from lib.config.data import SplitConfig
from lib.config.versions import STAGES
from lib.data.calendar import sessions_of
from lib.datasets.splits import assign
from lib.datasets.targets import add_targets
from lib.datasets.windows import load_samples
from lib.extras.meta.stacked import Base, stack
from lib.features.assembly import assemble
from lib.features.bars import bars_ahead, resample
from lib.features.catalogue import catalogue
from lib.features.schema import channel_names
from lib.models import registry
from lib.report.render import build_page, render_html, render_markdown
from lib.study.leak_check.check_features import made_prices, weekdays
from tests.unit.made_study import make_study, small_study, summarise
from tests.unit.reporting_study import full_study

Results = Mapping[str, float | str | None]
TASKS = ("direction", "threshold_1pct", "regression", "triple_barrier")
SPLITS = SplitConfig(
    train_end=date(2002, 6, 30),
    validation_start=date(2002, 7, 1),
    validation_end=date(2003, 3, 31),
    test_start=date(2003, 4, 1),
    test_end=date(2003, 12, 31),
    allow_small=True,
)


FIRST, LAST = date(2000, 1, 3), date(2003, 12, 31)


def bars() -> pl.DataFrame:
    """Four years of made-up daily bars."""
    return made_prices(FIRST, LAST)


@cache
def table_of(tier: int) -> pl.DataFrame:
    """The dataset table of the daily bars."""
    return assemble({"MADE": bars()}, tier)


def _summary(table: pl.DataFrame, names: list[str]) -> dict[str, float]:
    """Root mean square of each channel, which a change of any value moves."""
    values = table.select(names).to_numpy().astype(np.float64)
    return dict(zip(names, np.sqrt((values**2).mean(axis=0)).tolist(), strict=True))


def family(module: str) -> Results:
    """Every daily channel that is declared in a module of `lib/features/families/`."""
    own = [
        f.name for f in catalogue(TIERS[-1]) if getattr(f.compute, "__module__", "").endswith(f".{module}")
    ]
    assert own, f"no feature is declared in {module}"
    return _summary(table_of(TIERS[-1]), own)


def features() -> Results:
    """The smallest tier by channel, the largest in one number, and the bars of slower timescales."""
    found = _summary(table_of(TIERS[-1]), channel_names(table_of(TIERS[-1])))
    slow = {
        f"{scale} closes": float(resample(bars(), scale, weekdays(FIRST, LAST))["close"].sum())
        for scale in ("2d", "weekly", "monthly")
    }
    smallest = {feature.name: found[feature.name] for feature in catalogue(TIERS[0])}
    return {"channels": float(len(found)), "sum": sum(found.values()), **smallest, **slow}


def datasets() -> Results:
    """Samples, classes and windows of every task and part."""
    table = table_of(TIERS[0])
    found: dict[str, float | str | None] = {}
    for task in TASKS:
        parts = assign(add_targets(table, task, 5), SPLITS)
        found |= {f"{task} {part}": float(n) for part, n in parts.value_counts().iter_rows() if part}
        split = load_samples(table, task, 5, 20, SPLITS)
        for name in ("train", "selection", "calibration", "test"):
            samples = getattr(split, name)
            found[f"{task} {name} targets"] = float(np.abs(samples.target).sum())
            found[f"{task} {name} windows"] = float(np.abs(samples.windows()).mean())
    return found


def training() -> Results:
    """Forecasts of every registered model after a few steps, and the losses on the way."""
    from tests.unit.models.test_models_contract import fitted, market

    found: dict[str, float | str | None] = {}
    for name in registry.names():
        with tempfile.TemporaryDirectory() as folder:
            forecasts = fitted(name, "direction", Path(folder)).predict(market(2, "direction"))
        assert forecasts.probability is not None
        found[name] = float(forecasts.probability[:, 1].std() + forecasts.probability[:, 1].mean())
    return found


def evaluation() -> Results:
    """Measures of one run and everything that is decided about a small study."""
    with tempfile.TemporaryDirectory() as folder:
        study = make_study(Path(folder), small_study())
        runs, summary = summarise(study)
    measured = runs.select(pl.selectors.starts_with("test_", "trading_")).row(0, named=True)
    return _flat({"first run": measured, "summary": summary})


def stacking() -> Results:
    """Forecasts as the channels of another dataset."""
    table = bars().with_columns(a=pl.lit(0.5, pl.Float32)).drop("volume")
    forecasts = table.select("date", "symbol").with_columns(
        probability_1=pl.Series(np.linspace(0.1, 0.9, table.height)), part=pl.lit("test")
    )
    base = Base("honest", "none", "Aa20", "daily", "direction", 1)
    stacked = stack(table, "daily", {base: [forecasts]}, features=["a"])
    return {"rows": float(stacked.height), **_summary(stacked, [base.channel, "a"])}


def production() -> Results:
    """Until which session a forecast reaches."""
    days = (date(2003, 7, 3), date(2003, 12, 30))
    return {
        f"{scale} {day}": str(bars_ahead(sessions_of("XNYS"), scale, day, 2))
        for scale in ("daily", "weekly", "monthly")
        for day in days
    }


def reporting() -> Results:
    """The page of a made-up study, as hashes of its two forms."""
    page = build_page(full_study())
    return {
        "html": hashlib.sha256(render_html(page).encode()).hexdigest()[:16],
        "markdown": hashlib.sha256(render_markdown(page).encode()).hexdigest()[:16],
    }


def _flat(value: Any, path: str = "") -> dict[str, float | str | None]:
    """The leaves of a tree of mappings and lists, by their paths; flags as 0 and 1."""
    if isinstance(value, Mapping):
        return {k: v for key in value for k, v in _flat(value[key], f"{path}/{key}").items()}
    if isinstance(value, list | tuple):
        return {k: v for i, entry in enumerate(value) for k, v in _flat(entry, f"{path}/{i}").items()}
    return {path: float(value) if isinstance(value, int | float) else value}


_OWN: dict[str, Callable[[], Results]] = {
    "features": features,
    "datasets": datasets,
    "training": training,
    "evaluation": evaluation,
    "stacking": stacking,
    "production": production,
    "reporting": reporting,
}


def results_of(stage: str) -> Results:
    """What a stage computes on the tiny inputs."""
    if stage in _OWN:
        return _OWN[stage]()
    return family(stage.removeprefix("features."))


assert set(_OWN) | {stage for stage in STAGES if stage.startswith("features.")} == set(STAGES)

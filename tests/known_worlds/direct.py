"""The verdicts of a shipped study in a known world, without jobs: from its plan to `scaling_summary`.

Every run that the plan declares for a network is trained by `train_run` (its own fold, labels, share of
the dates and words), measured by `evaluate_run` and collected by `collect_runs`; then all is judged as by
`fit_scaling`. What is left out cannot change a verdict: files, resampled intervals of single runs, simple
baselines, joint tests of many models, and all channels and symbols but those of Aa20, because the oracle
reads two channels of the one symbol that is judged. `study` goes the whole way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import yaml

from lib.config.resolve import RunSpecification, resolve
from lib.config.workflow import EvaluationConfig
from lib.data.sources.synthetic import SyntheticSource, best_auc
from lib.datasets.windows import Samples, load_samples
from lib.features.assembly import assemble
from lib.features.bars import resample
from lib.models import job, registry
from lib.models.reference.oracle import Oracle, OracleSettings
from lib.scaling import baselines
from lib.scaling.run_table import RunFiles, collect_runs
from lib.scaling.summary import scaling_summary
from lib.scoring import run_scores as evaluate
from lib.scoring.measures import plain_measures, scores_of, targets_of
from lib.scoring.run_scores import evaluate_run
from lib.study.plan import Plan, plan_study
from lib.study.preregistration import confirmatory_contrasts
from lib.training.context import TrainingContext
from tests.known_worlds.study import MARKET, NETWORKS, ROOT

PRIMARY = "PLANTED"
_DRAWS = 100
"""For bands and fitted laws, which no verdict reads."""


@dataclass
class _Run:
    files: RunFiles
    predictions: dict[str, pl.DataFrame]


_KNOWN: dict[str, _Run] = {}
"""Runs of earlier worlds, by all that decides them."""


def known_plan(
    folder: Path, law: Mapping[str, Any], name: str = "study", seed: int = 7, **models: Any
) -> Plan:
    """A shipped configuration as it is, but for its source and for what its models stand for.

    Args:
        folder: an empty one, for a copy of config/ with other models.
        law: settings of the oracle that stands in for the networks.
        name: of the configuration, config/NAME.yaml.
        seed: of the market.
        models: other settings of further models, by file name with _ for -.
    """
    for path in (ROOT / "config").rglob("*.yaml"):
        copy = folder / path.relative_to(ROOT / "config")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    laws = dict.fromkeys(NETWORKS, law) | {key.replace("_", "-"): own for key, own in models.items()}
    for model, settings in laws.items():
        content = {"model": "reference:oracle", "settings": dict(settings)}
        (folder / "models" / f"{model}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    content = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
    content["data"] |= {"source": "synthetic", "synthetic": MARKET | {"seed": seed}}
    content["data"].pop("folder", None)
    return plan_study(content, folder, {})


def summary_of(plan: Plan, phase: str | None = None) -> dict[str, Any]:
    """The content of scaling.json of a phase or of the whole study."""
    scope = plan.scope(phase)
    runs: dict[str, _Run] = {}
    declared = [row | {"path": str(at)} for at, row in enumerate(json.loads(scope.declared_runs()))]
    with _quickly():
        for row, run in zip(declared, scope.runs, strict=True):
            specification = plan.specification(run)
            if registry.get(specification.model).metadata.oracle:
                runs[row["path"]] = _trained(specification, plan)
    experiments = {name: plan.study.experiments[name] for name in scope.experiments}
    planted = {
        name: best_auc(experiment.data.synthetic, "direction", 1)
        for name, experiment in experiments.items()
        if experiment.role == "positive_control" and experiment.data
    }
    with mock.patch.object(baselines, "_many", mock.Mock(return_value={})):
        return scaling_summary(
            experiments,
            collect_runs(declared, lambda path: runs[path].files if path in runs else None),
            lambda path, split: runs[path].predictions[split],
            EvaluationConfig(**plan.config.evaluation.model_dump() | {"bootstrap_draws": _DRAWS}),
            planted_auc=lambda name, *_: planted.get(name),
            primary=PRIMARY,
            confirmatory=confirmatory_contrasts(plan),
        )


def _trained(specification: RunSpecification, plan: Plan) -> _Run:
    """A run, or the same one of an earlier world whose law says the same for it."""
    resolved = resolve(specification)
    market = plan.data.data_config(resolved.vintage).synthetic.model_dump_json()
    law = OracleSettings.model_validate(resolved.settings | {"words": job._words_of(resolved)})
    leaks = resolved.planted != "none" and law.sees_leaks
    key = f"{resolved.run} {market} {law.seen} {law.noise} {leaks} {law.matching}"
    if key not in _KNOWN:
        context = TrainingContext(seed=int(resolved.run["seed"]), state_dir=Path())
        finished = job.train_run(resolved, _table(market), context)
        params = resolved.model_dump(mode="json") | {
            "windows": finished.windows,
            "training_class_shares": finished.training_class_shares,
            "training_shares_by_symbol": finished.training_shares_by_symbol,
        }
        cfg = plan.config.evaluation
        measured = evaluate_run(finished.validation, finished.test, params, {}, cfg, PRIMARY)
        files = {"params": params, "provenance": {}, "metrics": measured.metrics}
        _KNOWN[key] = _Run(files, {"val": finished.validation, "test": finished.test})
    return _KNOWN[key]


def _measures(
    frame: pl.DataFrame, task: str, horizon: int, _: EvaluationConfig, rate: float | None
) -> dict[str, Any]:
    """As `split_metrics`, without intervals."""
    measured = plain_measures(targets_of(frame), scores_of(frame, task), task, rate)
    return measured | {"effective_n": frame.height / horizon, "block_length": None}


@lru_cache(maxsize=8)
def _table(market: str) -> pl.DataFrame:
    """The dataset Aa20 of a synthetic market."""
    from lib.config.data import SyntheticConfig

    source = SyntheticSource(SyntheticConfig.model_validate_json(market))
    prices = source.prices(PRIMARY)
    return assemble({PRIMARY: resample(prices, "daily", prices["date"])}, 20)


@contextmanager
def _quickly() -> Iterator[None]:
    """Samples are made once for all runs that see them, and measures that no verdict reads are left out."""
    last: dict[str, Any] = {}

    def remembered(frame: pl.DataFrame, *arguments: Any, **named: Any) -> Any:
        key = f"{id(frame)} {arguments} {named}"
        if key not in last:
            last[key] = load_samples(frame, *arguments, **named)
        return last[key]

    def estimated(oracle: Oracle, train: Samples) -> list[float]:
        key = f"{id(train)}"
        if key not in last:
            last[key] = estimate(oracle, train)
        return list(last[key])

    estimate = Oracle._estimate
    nothing = {
        "_calibration": None,
        "conformal": (None, None),
        "measures_by_symbol": {},
        "measures_by_year": [],
        "_reliability": [],
        "_daily": pl.DataFrame(),
    }
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(job, "load_samples", remembered))
        stack.enter_context(mock.patch.object(Oracle, "_estimate", estimated))
        stack.enter_context(mock.patch.object(evaluate, "split_metrics", _measures))
        for name, value in nothing.items():
            stack.enter_context(mock.patch.object(evaluate, name, mock.Mock(return_value=value)))
        yield

"""Checks before any data exist: settings, tasks, controls, searches, budgets, names.

Every refusal is a `ConfigError` that names the file or experiment and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lib.config.base import is_ternary, outputs_of
from lib.config.experiment import Experiment
from lib.config.load import Study
from lib.config.model import Architecture
from lib.config.resolve import RunSpecification
from lib.config.run_key import NO_BUDGET, Run
from lib.config.training import Recipe
from lib.config.validation import validate
from lib.errors import ConfigError, nearest
from lib.models import registry
from lib.models.contract import Shape
from lib.scaling.controls import chance_to_pass, lacking_controls
from lib.scaling.preconditions import LEAST_SEEDS

_SESSIONS_PER_DAY = 252 / 365.25
_LEAST_CHANCE = 0.99
"""Least probability with which a perfect forecast must pass a positive control."""


def check_models(study: Study) -> None:
    """Settings that a model does not have, and search spaces of parameters that nothing has."""
    for name, file in study.models.items():
        model = registry.get(file.model)
        validate(model.Settings, file.settings, f"config/models/{name}.yaml, section settings")
        known = {"context_length", *Recipe.model_fields, *model.Settings.model_fields}
        if model.metadata.has_budget:
            known |= set(Architecture.model_fields)
        for parameter in file.search:
            if parameter not in known:
                raise ConfigError(
                    f"config/models/{name}.yaml, section search: `{parameter}` is neither a setting of the "
                    f"model nor a field of the training section.{nearest(parameter, sorted(known))}"
                )


def check_tasks(study: Study) -> None:
    """Models that cannot forecast a task."""
    for name, experiment in study.experiments.items():
        if not any(is_ternary(task) for task in experiment.tasks):
            continue
        able = [m for m, f in study.models.items() if registry.get(f.model).metadata.ternary]
        unable = [model for model in experiment.models if model not in able]
        if unable:
            raise ConfigError(
                f"experiment {name}: {', '.join(unable)} cannot forecast three classes, as task "
                f"triple_barrier asks. Models that can: "
                f"{', '.join(n for n in registry.names() if registry.get(n).metadata.ternary)}."
            )


def check_controls(study: Study) -> None:
    """Planted signals whose best measure is not known, of other years than the splits, or too weak to be
    found for certain; oracles where there is no planted signal."""
    for name, experiment in study.experiments.items():
        _check_oracles(name, experiment, study)
        if experiment.data:
            _check_market(name, experiment, study)


def _check_oracles(name: str, experiment: Experiment, study: Study) -> None:
    source = experiment.data.source if experiment.data else study.config.data.source
    oracles = [m for m in experiment.models if registry.get(study.models[m].model).metadata.oracle]
    if oracles and source != "synthetic":
        raise ConfigError(
            f"experiment {name}: {', '.join(oracles)} knows the planted signal of source synthetic, and "
            f"source {source} has none. Use it in a law_control with `data:` of its own."
        )
    others = [model for model in experiment.models if model not in oracles]
    if experiment.role == "law_control" and others:
        raise ConfigError(
            f"experiment {name}: a law_control knows how the loss must fall with size, so its models must "
            f"obey a known law, as reference:oracle does; {', '.join(others)} does not."
        )


def _check_market(name: str, experiment: Experiment, study: Study) -> None:
    from lib.data.sources.synthetic import PLANTED_TASK, PLANTED_TIMESCALES, best_auc

    assert experiment.data is not None
    market, splits = experiment.data.synthetic, experiment.data.splits or study.config.data.splits
    if not (market.first < splits.train_end and splits.test_start < market.last):
        raise ConfigError(
            f"experiment {name}: its market runs from {market.first} to {market.last}, and training to "
            f"{splits.train_end}, the test from {splits.test_start}. Declare one that covers both, under "
            "another `vintage:` (`data.synthetic.first`, `data.synthetic.last`), or splits of its own "
            "(`data.splits`)."
        )
    if set(experiment.tasks) != {PLANTED_TASK}:
        raise ConfigError(
            f"experiment {name}: the best reachable AUC of the planted signal is known for task "
            f"{PLANTED_TASK} only. The corrected line:\ntasks: [{PLANTED_TASK}]"
        )
    slow = [timescale for timescale in experiment.timescales if timescale not in PLANTED_TIMESCALES]
    if slow:
        raise ConfigError(
            f"experiment {name}: the planted signal is in the returns of the next day, so its best "
            f"reachable AUC is known for daily bars only, not for {', '.join(slow)}. The corrected "
            f"line:\ntimescales: [{PLANTED_TIMESCALES[0]}]"
        )
    if experiment.role != "positive_control":
        return
    days = (min(splits.test_end or market.last, market.last) - splits.test_start).days
    for horizon in experiment.horizons:
        n = max(1, round(days * _SESSIONS_PER_DAY) // horizon)
        best = best_auc(market, PLANTED_TASK, horizon)
        if (chance := chance_to_pass(best, n)) < _LEAST_CHANCE:
            raise ConfigError(
                f"experiment {name}: a forecast that finds the whole signal (AUC {best:.3f}) would pass on "
                f"about {n} independent test samples in {chance:.1%} of all draws, so the control would "
                f"blame models for chance; {_LEAST_CHANCE:.0%} is the least. Give it a longer test part "
                "(`data.splits`, `data.synthetic.last`) or a stronger signal (`data.synthetic.signal`)."
            )


def uncontrolled_models(study: Study) -> dict[str, list[str]]:
    """Models that answer a question without a control of their own, and the controls each lacks, in words.

    A planted signal that another model found says nothing about this one; only a null control in several
    sizes and seeds shows whether size alone helps.
    """
    controls = [e for e in study.experiments.values() if e.role.endswith("_control")]
    expected = {str(e.expects) for e in controls if e.role == "law_control"}
    lacking: dict[str, list[str]] = {}
    for experiment in study.experiments.values():
        if experiment.role != "question":
            continue
        for model in experiment.models:
            metadata = registry.get(study.models[model].model).metadata
            if not metadata.has_budget or metadata.oracle:
                continue
            found: dict[str, set[str]] = {}
            for control in controls:
                own = set(map(str, control.budgets)) if model in control.models else set()
                found[control.role] = found.get(control.role, set()) | own
            compared = any(_compares_sizes(model, e) for e in controls if e.role == "null_control")
            missing = lacking_controls(model, experiment.budgets, found, compared, expected)
            lacking[model] = list(dict.fromkeys([*lacking.get(model, []), *missing]))
    return {model: missing for model, missing in lacking.items() if missing}


def _compares_sizes(model: str, null: Experiment) -> bool:
    return model in null.models and len(null.budgets) > 1 and len(set(null.seeds)) >= LEAST_SEEDS


def check_budgets(
    study: Study,
    runs: Mapping[Run, str],
    specification: Callable[[Run], RunSpecification],
    channels: Callable[[Run], int],
) -> None:
    """Architectures that are not of the declared size, or cannot be built."""
    shapes = {
        (r.variant, r.dataset, r.timescale, r.model, r.budget, outputs_of(r.task)): r
        for r in runs
        if r.budget != NO_BUDGET
    }
    seen = set()
    for run in shapes.values():
        found = specification(run)
        shape = Shape(channels(run), found.context_length, outputs_of(run.task))
        case = (run.dataset, run.timescale, run.model, run.budget, shape)
        if found.architecture is None or case in seen:
            continue
        seen.add(case)
        registry.get(study.models[run.model].model).check_budget(
            found.settings, found.architecture, shape, run.budget
        )


def check_ids(study: Study, grids: Mapping[str, Mapping[Run, str]]) -> None:
    """Labels that match nothing, or fields that a run key does not have."""
    taken: dict[str, str] = {}
    for name, experiment in study.experiments.items():
        for title, fields in experiment.ids.items():
            first = taken.setdefault(title, name)
            if first != name and study.experiments[first].ids != experiment.ids:
                raise ConfigError(f"experiment {name}: the id {title} is already used by {first}.")
            unknown = sorted(set(fields) - set(Run.__dataclass_fields__))
            if unknown:
                raise ConfigError(
                    f"experiment {name}: id {title} names `{unknown[0]}`, which no run has."
                    f"{nearest(unknown[0], Run.__dataclass_fields__)}"
                )
            if not any(has_fields(run, fields) for run in grids[name]):
                given = ", ".join(f"{key}: {value}" for key, value in fields.items())
                raise ConfigError(f"experiment {name}: id {title} ({given}) names none of its runs.")


def has_fields(run: Run, fields: Mapping[str, str | int]) -> bool:
    """Whether a run key has all these fields."""
    return all(str(run.fields()[name]) == str(value) for name, value in fields.items())

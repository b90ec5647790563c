"""Experiments: each is a declared grid of runs that answers one question."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lib.config.base import Budget, Dataset, Name, StrictModel, Task, Timescale
from lib.config.data import SplitConfig, SyntheticConfig
from lib.config.model import RecipeFile

Analysis = Literal["confirmatory", "exploratory"]


class ExperimentData(StrictModel):
    """Data of an experiment that does not use the study's own vintage (positive and law controls)."""

    source: Literal["synthetic"]
    vintage: Name
    synthetic: SyntheticConfig = SyntheticConfig()
    splits: SplitConfig | None = None
    """Its own division of time, for a market of other years than the study's."""


class BarrierConfig(StrictModel):
    """Ternary labels of task `triple_barrier`: barriers around the close, in units of the volatility expected
    over the horizon."""

    upper: float = Field(1.0, gt=0)
    """Distance of the upper barrier in standard deviations of the horizon's return."""
    lower: float = Field(1.0, gt=0)
    """Likewise, of the lower one."""
    volatility_span: int = Field(50, ge=2)
    """Span, in bars up to the present one, of the exponentially weighted deviation of log returns."""
    neutrals: Literal["keep", "drop"] = "keep"
    """`drop`: bars after which neither barrier is touched are no samples in any part. Measures are then
    conditional on a touch, which nobody knows in advance."""


class Experiment(StrictModel):
    """One question. The grid is datasets x timescales x tasks x horizons x models x budgets x seeds."""

    question: str
    role: Literal[
        "question", "ablation", "null_control", "leak_control", "positive_control", "law_control",
        "base_models", "meta_module",
    ] = "question"  # fmt: skip
    """`ablation`: a choice between the variants of `vary` and `recipes` by the loss on the selection part.
    The last two roles belong to a meta-module (config/meta/) and are made from its file."""
    analysis: Analysis = "exploratory"
    """`confirmatory` for the questions that the study was designed to answer: they share one correction for
    their number. Any other question has a correction of its own, and its answer is exploratory."""
    variant: Name = "base"
    """First component of the path of every run; whatever distinguishes runs must be visible there."""
    datasets: list[Dataset] = []
    """At least one, unless they come from a selection."""
    timescales: list[Timescale] = Field(min_length=1)
    tasks: list[Task] = Field(min_length=1)
    horizons: list[int] = Field(min_length=1)
    models: list[Name] = []
    """Names of files in config/models/. Each is trained at every budget, if it has budgets at all."""
    vary: dict[str, list[str | int | float | bool]] = {}
    """Settings of the models, each with the values to try: every model is trained with every combination,
    as a model of its own (``patchtst-mixed.revin.last``)."""
    budgets: list[Budget] = []
    seeds: list[int] = Field(min_length=1)
    tuning: Name = "none"
    """`none`, or NAME of a search space config/hpo/NAME_search.yaml."""
    searches: int = Field(3, ge=1)
    """Searches of each size with seeds of their own, dealt to the run seeds in turn, so that the luck of a
    search enters the intervals. A confirmatory question needs three."""
    n_trials: int | None = Field(None, ge=1)
    """Trials of each search in total; default: the search space's own."""
    labels: Literal["true", "shifted"] = "true"
    """`shifted`: targets are moved by years in a circle, so that nothing can be learned (a null control)."""
    planted: Literal["none", "tomorrow"] = "none"
    """`tomorrow`: the next bar's return is one more channel (a leak control, where the alarm must go off)."""
    expects: Literal["scales", "flat"] | None = None
    """Of a law control: the verdict that its market and model are made for."""
    barriers: BarrierConfig | None = None
    """For task `triple_barrier`; default: barriers of one standard deviation, neutrals kept."""
    recipe: Name | RecipeFile | None = None
    """Name of a file in config/recipes/ to train by, or what would stand in one; default: the study's own
    recipe."""
    recipes: dict[Name, Name | RecipeFile] = {}
    """Of an ablation: the recipes to compare, by the name that each has as a variant. The cheapest comes
    first: of those within one standard error of the best, the first wins."""
    training: dict[str, Any] = {}
    """Fields of the training section that differ in this experiment."""
    walk_forward: bool = False
    """Train every run once in each fold of `data.walk_forward`: the folds are the evidence, and the study's
    own test, trained for too once `evaluation.confirmation` is open, stands beside it."""
    folds: list[Annotated[int, Field(ge=1)]] = []
    """Only these folds, counted from 1 in order of time; default: all."""
    train_fractions: list[Annotated[float, Field(gt=0, le=1)]] = [1.0]
    """Train on each of these shares of the training dates, the latest ones."""
    context_lengths: list[Annotated[int, Field(ge=2)]] = []
    """Windows of each of these lengths, in bars, instead of the study's."""
    ids: dict[Name, dict[str, str | int]] = {}
    """Names for parts of the grid, by fields of the run key (``P1-2M: {budget: 2M}``), for targets and
    tables."""
    from_selection: bool = False
    """Datasets, models and budgets come from the study's `selection` file; those declared here fill what it
    leaves open. The experiment waits until the file exists; in a study judged on folds, an experiment without
    folds also waits until `evaluation.confirmation` is open."""
    data: ExperimentData | None = None
    margin: float = Field(0.005, gt=0)
    """Smallest gain in log loss from the smallest to the largest budget that would matter."""

    @model_validator(mode="after")
    def _roles_fit(self) -> Self:
        if any(h < 1 for h in self.horizons):
            raise ValueError("horizons are bars ahead: at least 1")
        if self.barriers and "triple_barrier" not in self.tasks:
            raise ValueError("`barriers:` belongs to task triple_barrier, which is not among the tasks")
        self._control_is_whole()
        if self.role == "ablation" and not (self.recipes or self.vary):
            raise ValueError("an ablation needs `recipes:` or `vary:`: what it chooses from")
        if self.recipes and self.role != "ablation":
            raise ValueError(f"`recipes:` belongs to an ablation, and role is {self.role}")
        if self.folds and not self.walk_forward:
            raise ValueError("`folds:` names some of the folds, so it needs `walk_forward: true`")
        if not self.from_selection:
            for name in ("datasets", "models"):
                if not getattr(self, name):
                    raise ValueError(f"`{name}:` needs at least one entry")
        if self.role.endswith("_control") and self.variant == "base":
            raise ValueError("a control needs its own `variant:`, apart from base")
        return self

    def _control_is_whole(self) -> None:
        """Every kind of control has its own fields, and no other experiment has them."""
        for role, key, value, nothing in (
            ("null_control", "labels", "shifted", "true"),
            ("leak_control", "planted", "tomorrow", "none"),
        ):
            if self.role == role and getattr(self, key) != value:
                raise ValueError(f"a {role} needs `{key}: {value}`")
            if self.role != role and getattr(self, key) != nothing:
                raise ValueError(f"`{key}: {value}` belongs to a {role}, and role is {self.role}")
        if self.role in ("positive_control", "law_control") and self.data is None:
            raise ValueError(f"a {self.role} needs `data:` with source synthetic")
        if (self.role == "law_control") != (self.expects is not None):
            raise ValueError("`expects:` belongs to a law_control, and a law_control needs it")


class PlannedExperiment(Experiment):
    """An experiment as the workflow runs it: whole, one of its folds, or the learners of a meta-module.

    `variant` is a label for paths, made of the facts below; nothing is read from it.
    """

    declared: str = ""
    """The experiment that was declared, of which this is the whole or a part."""
    condition: str = ""
    """The `variant` that was declared: what its runs share, whatever fold or share they are of."""
    fold: int | None = None
    """Of `data.walk_forward`, from 1; None: the study's own splits."""
    meta: Name | None = None
    """The meta-module whose stacked forecasts are the data."""
    train_fraction: float = 1.0
    """Of `train_fractions`."""
    context_length: int | None = None
    """Of `context_lengths`; None: the study's own."""

    @model_validator(mode="before")
    @classmethod
    def _whole_by_default(cls, given: Any) -> Any:
        """An experiment without parts is its own condition."""
        if isinstance(given, dict):
            return given | {"condition": given.get("condition") or given.get("variant", "base")}
        return given

"""The whole configuration file (config/config.yaml or the one given by --configfile)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from lib.config.base import InnerPath, Name, StrictModel, Task, Timescale
from lib.config.data import DataConfig
from lib.config.hpo import SearchConfig
from lib.config.training import ThermalConfig, TrackingConfig, TrainingConfig

CONTEXT_LENGTHS: dict[Timescale, int] = {
    "daily": 80,
    "2d": 80,
    "3d": 64,
    "5d": 52,
    "weekly": 52,
    "2wk": 32,
    "monthly": 24,
    "multires": 80,
}


class TradingConfig(StrictModel):
    """How a forecast becomes a hypothetical position."""

    cost_basis_points: float = Field(2.0, ge=0)
    """Cost of trading the whole account once, in hundredths of a percent."""
    allow_short: bool = False
    """A forecast of a fall is a short position instead of none."""


class TooGoodConfig(StrictModel):
    """Measures above which a forecast is suspected of knowing the future. The best published results on such
    targets that were confirmed later lie well below each."""

    direction: float = Field(0.60, gt=0.5, lt=1)
    """AUC. Daily direction is forecast at .50 to .56."""
    threshold: float = Field(0.92, gt=0.5, lt=1)
    """AUC of touches. Volatility alone reaches .75 to .85 in years of mixed calm and storm."""
    triple_barrier: float = Field(0.70, gt=0.5, lt=1)
    """AUC, the mean of one class against the rest; the barriers have taken volatility out."""
    regression: float = Field(0.10, gt=0, lt=1)
    """R² of returns. Out of sample, hundredths are published for years ahead, and less for days."""


class EvaluationConfig(StrictModel):
    """Uncertainty of every reported number, and everything derived from predictions."""

    bootstrap_draws: int = Field(2000, ge=100)
    confidence: float = Field(0.95, gt=0.5, lt=1)
    seed: int = 0
    power: float = Field(0.8, gt=0.5, lt=1)
    """Chance with which the smallest detectable effect would be found."""
    confirmation: Literal["closed", "open"] = "closed"
    """Experiments in walk-forward folds: `open` trains them for the study's own test too, to be shown beside
    the folds' verdict. Open it once, when the folds have decided."""
    conformal_level: float = Field(0.9, gt=0.5, lt=1)
    """Share of outcomes that conformal intervals and sets promise to contain."""
    trading: TradingConfig = TradingConfig()
    too_good: TooGoodConfig = TooGoodConfig()


PhaseName = Annotated[str, StringConstraints(pattern=r"^phase[0-9]+$")]


class Selection(StrictModel):
    """The configuration that phases found best on validation. The file is written once, then read."""

    file: InnerPath = Path("results/selection.yaml")
    """Made by its own target; experiments that say `from_selection` wait for it."""
    phases: list[PhaseName] = Field(min_length=1)
    """Whose runs are compared."""
    task: Task = "direction"
    timescale: Timescale = "daily"
    horizon: int = Field(5, ge=1)


class WorkflowConfig(StrictModel):
    """A study's whole configuration."""

    name: Literal[""] | Name = ""
    """Of a study beside the main one: it works in `studies/NAME/`, data and results, and touches nothing
    else. Empty: the main study, in the working directory itself."""
    title: str = "Do scaling laws hold on this market?"
    note: str | None = None
    """Shown at the top of the report (the quickstart says what it is not)."""
    data: DataConfig
    experiments: list[Name] = []
    """Names of files in config/experiments/, or of `own_experiments`. Controls among them belong to every
    phase's report."""
    own_experiments: dict[Name, dict[str, Any]] = {}
    """Experiments written here instead of in files, by name; they run where `experiments:` or `phases:` name
    them."""
    assets: dict[str, Any] = {}
    """What differs from config/data/assets.yaml, for example ``{rows: {A: [MSFT]}, primary: MSFT}``."""
    series: dict[str, Any] = {}
    """What differs from config/data/series.yaml: the columns, row E and the series themselves."""
    phases: dict[PhaseName, list[Name]] = {}
    """Parts of the study with a report of their own (``results/phase1/report.html``): their experiments."""
    overrides: dict[str, dict[str, Any]] = {}
    """Fields of experiments that differ in this study, by phase or by experiment (whose own come last), for
    example ``phase5: {tuning: default, n_trials: 30}``."""
    selection: Selection | None = None
    """How the best configuration of some phases is chosen, for experiments that say `from_selection`."""
    meta: list[Name] = []
    """Names of files in config/meta/: models that learn from the forecasts of others."""
    context_length: dict[Timescale, int] = CONTEXT_LENGTHS
    """Bars per window; timescales that are not named keep their default."""
    training: TrainingConfig = TrainingConfig()
    search: SearchConfig = SearchConfig()
    thermal: ThermalConfig = ThermalConfig()
    tracking: TrackingConfig = TrackingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @field_validator("context_length")
    @classmethod
    def _keep_defaults(cls, given: dict[Timescale, int]) -> dict[Timescale, int]:
        if any(length < 2 for length in given.values()):
            raise ValueError("a window needs at least 2 bars")
        return CONTEXT_LENGTHS | given

    @model_validator(mode="after")
    def _something_is_asked(self) -> Self:
        if not self.all_experiments:
            raise ValueError("`experiments:` (or `phases:`) needs at least one entry")
        for phase in self.selection.phases if self.selection else []:
            if phase not in self.phases:
                raise ValueError(f"`selection.phases` names {phase}, which `phases:` does not declare")
        return self

    @property
    def all_experiments(self) -> list[str]:
        """Names of all experiments, those of the phases first, each once."""
        named = [name for names in self.phases.values() for name in names]
        return list(dict.fromkeys([*named, *self.experiments]))

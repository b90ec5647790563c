"""The contract, kept by every registered model."""

import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.config.base import StrictModel
from lib.config.model import Architecture
from lib.config.training import Recipe, Runtime
from lib.config.validation import validate
from lib.data.io import read_json
from lib.datasets.windows import Samples
from lib.errors import ConfigError, IntegrityError, ModelError
from lib.models import registry
from lib.models.contract import Model, ModelMetadata, Problem
from lib.models.predictions import Predictions
from lib.training.context import TrainingContext

ROOT = Path(__file__).parents[3]
CHANNELS = ("log_return_1", "gap", "upper_shadow", "lower_shadow")
"""Past prices, because the naive models read them; to the others they are channels like any."""
SCALES = np.array([0.01, 0.005, 0.004, 0.004])
CONTEXT = 24
CPU = Runtime(device="cpu")
"""Where equal bytes are promised."""
ARCHITECTURE = Architecture(
    d_model=16, n_heads=2, n_layers=1, d_ff=16, patch_length=8, patch_stride=8, dropout=0.1
)


def target_of(task: str, signal: np.ndarray) -> np.ndarray:
    if task == "regression":
        return 0.01 * signal
    if task == "triple_barrier":
        return np.sign(signal) * (np.abs(signal) > 0.5)
    return signal > (0 if task == "direction" else 1)


def market(seed: int, task: str) -> Samples:
    random = np.random.default_rng(seed)
    draws = random.standard_normal((400, 4))
    draws[:, 2:] = np.abs(draws[:, 2:])  # a shadow has a length
    ends = np.arange(CONTEXT - 1, 400)
    signal = draws[ends, 0] + 0.5 * random.standard_normal(len(ends))
    target = target_of(task, signal)
    matrix = (SCALES * draws).astype(np.float32)
    days = np.datetime64("2001-01-01") + np.arange(len(ends))
    symbols = np.full(len(ends), "X", dtype=object)
    return Samples(matrix, ends, target.astype(np.float32), days, symbols, CONTEXT, 1, task, CHANNELS)


FEW_ROUNDS = {
    "boosting:xgboost": {"n_estimators": 40},
    "boosting:lightgbm": {"n_estimators": 40},
    "boosting:catboost": {"iterations": 40},
}
"""Settings with which there is enough to stop, choose and learn."""


def build(name: str, task: str) -> Model:
    problem = Problem(task, 1, 4, CONTEXT, CHANNELS, np.zeros(4), SCALES)
    model = registry.get(name)
    architecture = ARCHITECTURE if model.metadata.has_budget else None
    recipe = Recipe(max_steps=6, validate_every_steps=3, effective_batch=64, learning_rate=1e-3)
    return model(model.Settings(**FEW_ROUNDS.get(name, {})), problem, architecture, recipe, 7)


def context(folder: Path, **more: object) -> TrainingContext:
    return TrainingContext(**{"seed": 7, "state_dir": folder, "runtime": CPU} | more)


def loaded(model: Model, folder: Path) -> Model:
    """The model after its way through a folder."""
    folder.mkdir()
    model.save(folder)
    return type(model).load(folder)


def fitted(name: str, task: str, folder: Path) -> Model:
    model = build(name, task)
    result = model.fit(market(0, task), market(1, task), context(folder / "state"))
    assert result.history
    assert np.isfinite(result.best_loss)
    assert 1 <= result.best_step <= result.steps
    return model


NETWORKS = [name for name in registry.names() if registry.get(name).metadata.network]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_drops_the_same_of_a_window_whatever_its_micro_batch(name):
    import torch

    from lib.models.start import start_at
    from lib.training.draws import Draws, drawing

    model, windows = build(name, "direction"), torch.from_numpy(market(0, "direction").windows()[:8])
    network = model.factory()().train()
    start_at(network, [0.0])
    for parameter in network.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    length = 1 if model.metadata.input == "last_bar" else CONTEXT

    def outputs(*parts: int) -> torch.Tensor:
        first, draws, found = 0, Draws(torch.device("cpu")), []
        for count in parts:
            draws.begin(7, 0, first, count)
            with drawing(draws), torch.no_grad():
                found.append(network(windows[first : first + count, -length:]))
            first += count
        return torch.cat(found)

    whole = outputs(8)
    torch.testing.assert_close(outputs(3, 4, 1), whole, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(network.eval()(windows[:, -length:]), whole, rtol=1e-2), "nothing was dropped"


@pytest.mark.parametrize("task", ["direction", "regression", "triple_barrier"])
@pytest.mark.parametrize("name", [name for name in registry.names() if name.startswith("boosting:")])
def test_boosted_trees_are_chosen_among_rounds_with_each_tree_evaluated_once(name, task, monkeypatch):
    model, held_out = build(name, task), market(1, task)
    with monkeypatch.context() as patched:
        patched.setattr(type(model), "raw", None)  # from the first tree each time: quadratic
        result = model.fit(market(0, task), held_out, context(Path()))
    rounds = min(len(result.history), 12)
    for number, staged in enumerate(model.staged(held_out, rounds), start=1):
        np.testing.assert_allclose(staged, model.raw(held_out, number), rtol=1e-5, atol=1e-7)


CASES = [
    (name, task)
    for name in registry.names()
    for task in ("direction", "threshold_1pct", "regression", "triple_barrier")
    if task != "triple_barrier" or registry.get(name).metadata.ternary
]


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_model_fits_predicts_saves_and_loads_to_the_same_predictions(name, task, tmp_path):
    model = fitted(name, task, tmp_path)
    test = market(2, task)
    predictions = model.predict(test)
    frame = predictions.to_frame("test")
    assert frame.height == len(test)
    assert frame["date"].is_sorted()
    classes = {"regression": (), "triple_barrier": (-1, 0, 1)}.get(task, (0, 1))
    if classes:
        assert predictions.probability is not None
        assert predictions.probability.shape == (len(test), len(classes))
        np.testing.assert_allclose(predictions.probability.sum(axis=1), 1.0, atol=1e-6)
        assert set(predictions.prediction) <= set(classes)
    else:
        assert predictions.probability is None

    again = fitted(name, task, tmp_path / "again").predict(test)
    np.testing.assert_array_equal(predictions.prediction, again.prediction)

    folder = tmp_path / "model"
    back = loaded(model, folder).predict(test)
    np.testing.assert_allclose(back.prediction, predictions.prediction, rtol=1e-6)
    if predictions.probability is not None:
        np.testing.assert_allclose(back.probability, predictions.probability, rtol=1e-6)
    suffixes = {path.suffix for path in folder.iterdir()}
    assert suffixes <= {".json", ".safetensors", ".cbm", ".txt"}, "formats that execute nothing"

    json_file = folder / "model.json"
    json_file.write_text(json_file.read_text().replace('"seed": 7', '"seed": 8'))
    with pytest.raises(IntegrityError, match=r"model\.json: its content differs"):
        type(model).load(folder)


def test_patchtst_learns_returns_as_small_as_a_hundredth(tmp_path):
    """Raw returns are far below the scale of a new network's outputs; errors must still beat the mean's."""
    model = build("transformer:patchtst", "regression")
    model.recipe = model.recipe.model_copy(update={"max_steps": 60, "learning_rate": 3e-3})
    result = model.fit(market(0, "regression"), market(1, "regression"), context(tmp_path))
    test = market(2, "regression")
    error = test.target - model.predict(test).prediction
    assert np.square(error).mean() < 0.8 * test.target.var()
    assert result.best_loss < 1.0, "in units of the training targets' variance"


@pytest.mark.parametrize("name", registry.names())
def test_fitting_never_learns_from_selection_targets_except_when_to_stop(name, tmp_path):
    """With one round there is nothing to choose, so other selection targets must change nothing."""
    settings = ONE_ROUND.get(name, {})
    test = market(2, "direction")
    selection = market(1, "direction")
    answers = []
    for number, target in enumerate((selection.target, 1 - selection.target)):
        model = build(name, "direction")
        model.settings = model.Settings(**settings)
        model.recipe = model.recipe.model_copy(update={"max_steps": 3})
        part = replace(selection, target=target)
        model.fit(market(0, "direction"), part, context(tmp_path / str(number)))
        answers.append(model.predict(test).probability)
    np.testing.assert_array_equal(answers[0], answers[1])


ONE_ROUND = {
    "linear:logistic": {"inverse_penalties": [0.1]},
    "linear:ridge": {"inverse_penalties": [0.1]},
    "boosting:xgboost": {"n_estimators": 1},
    "boosting:lightgbm": {"n_estimators": 1},
    "boosting:catboost": {"iterations": 1},
}
"""Settings with which there is nothing to stop or choose."""


def parts_of_one_market(task: str, last_train: int, changes_after: int | None) -> list[Samples]:
    """Training and selection windows on one matrix that goes on after them, as in production.

    Rows after `changes_after` hold other values, and the targets of their windows are others too.
    """
    whole = market(0, task)
    matrix, target = whole.matrix.copy(), whole.target.copy()
    if changes_after is not None:
        other = market(9, task)
        matrix[changes_after + 1 :] = 3 * other.matrix[changes_after + 1 :]
        target[whole.ends + whole.horizon > changes_after] = other.target[
            whole.ends + whole.horizon > changes_after
        ]
    bounds = [(0, last_train), (last_train + 2, 299)]
    return [
        replace(
            whole,
            matrix=matrix,
            **{
                word: values[(whole.ends >= first) & (whole.ends <= last)]
                for word, values in {
                    "ends": whole.ends, "target": target, "dates": whole.dates, "symbols": whole.symbols
                }.items()
            },
        )
        for first, last in bounds
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "task"), CASES)
def test_nothing_after_the_last_training_label_reaches_a_forecast_of_earlier_windows(name, task, tmp_path):
    """All parts share a matrix: with one round, its later rows and their targets must change no bit."""
    last_train = 220
    answers = []
    for number, changes_after in enumerate((None, last_train + 1)):  # the last label needs one bar more
        train, selection = parts_of_one_market(task, last_train, changes_after)
        if changes_after is not None:
            assert not np.array_equal(
                train.matrix[last_train + 2 :], market(0, task).matrix[last_train + 2 :]
            )
        model = build(name, task)
        model.settings = model.Settings(**ONE_ROUND.get(name, {}))
        model.recipe = model.recipe.model_copy(update={"max_steps": 3})
        model.fit(train, selection, context(tmp_path / str(number)))
        said = model.predict(train)
        answers.append(said.prediction if said.probability is None else said.probability)
    np.testing.assert_array_equal(answers[0], answers[1])


@pytest.mark.parametrize("name", registry.names())
def test_the_test_part_changes_nothing_that_was_fitted(name, tmp_path):
    """With all rounds: stopping and choosing read selection, but nothing after its labels."""
    answers = []
    for number, changes_after in enumerate((None, 300)):  # the last label of selection
        train, selection = parts_of_one_market("direction", 220, changes_after)
        model = build(name, "direction")
        model.fit(train, selection, context(tmp_path / str(number)))
        answers.append(model.predict(selection).probability)
    np.testing.assert_array_equal(answers[0], answers[1])


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_window_gets_the_same_bits_alone_as_among_many_and_its_target_is_not_read(name, task, tmp_path):
    """A promoted model forecasts one bar at a time; the run forecast the whole test set at once."""
    model = fitted(name, task, tmp_path)
    test = market(2, task)
    together = model.predict(test)
    again = loaded(model, tmp_path / "model")
    for number in (0, 77, len(test) - 1):
        alone = test.every(len(test), number)
        unknown = replace(alone, target=np.full(1, np.nan, dtype=np.float32))
        found = again.predict(unknown)
        assert found.prediction[0] == together.prediction[number]
        if together.probability is not None:
            assert found.probability is not None
            np.testing.assert_array_equal(found.probability[0], together.probability[number])


@pytest.mark.parametrize("name", registry.names())
def test_other_channels_and_nan_are_refused(name, tmp_path):
    model = fitted(name, "direction", tmp_path)
    test = market(2, "direction")
    with pytest.raises(ModelError, match=r"fitted on 4 channels .*missing: gap; unknown: x"):
        model.predict(replace(test, channel_names=("log_return_1", "x", *CHANNELS[2:])))
    with pytest.raises(ModelError, match="in another order"):
        model.predict(replace(test, channel_names=CHANNELS[::-1]))
    if model.metadata.input == "window":
        with pytest.raises(ModelError, match="windows of 20 bars, expected 24"):
            model.predict(replace(test, context_length=20))
    broken = test.matrix.copy()
    broken[50, 1] = np.nan
    with pytest.raises(ModelError, match="NaN or infinite"):
        model.predict(replace(test, matrix=broken))


@pytest.mark.parametrize("name", registry.names())
def test_wrong_shapes_and_other_problems_are_refused_in_words(name, tmp_path):
    model = fitted(name, "direction", tmp_path)
    test = market(2, "direction")
    early, late = test.ends.copy(), test.ends.copy()
    early[:3] = CONTEXT - 2
    late[-1] = len(test.matrix)
    wrong = {
        r"matrix of shape \(400, 2\) for 4 channel names": replace(test, matrix=test.matrix[:, :2]),
        r"matrix of shape \(400, 5\) for 4 channel names": replace(
            test, matrix=np.hstack([test.matrix, test.matrix[:, :1]])
        ),
        r"matrix of shape \(1600,\) for 4 channel names": replace(test, matrix=test.matrix.ravel()),
        "made for direction 1 bars ahead, asked about direction 5": replace(test, horizon=5),
        "asked about threshold_1pct 1 bars ahead": replace(test, task="threshold_1pct"),
        r"3 of 377 windows of 24 bars are not whole; the first ends with row 22": replace(test, ends=early),
        r"1 of 377 windows .* row 400 of rows 0 to 399": replace(test, ends=late),
        r"target of shape \(376,\) for 377 windows": replace(test, target=test.target[1:]),
        r"dates of shape \(376,\) for 377 windows": replace(test, dates=test.dates[1:]),
    }
    for message, samples in wrong.items():
        with pytest.raises(ModelError, match=message):
            model.predict(samples)
        with pytest.raises(ModelError, match=message):
            build(name, "direction").fit(samples, market(1, "direction"), context(tmp_path / "s"))


@pytest.mark.parametrize("name", registry.names())
def test_fitting_on_what_cannot_be_learned_from_is_refused(name, tmp_path):
    train, selection = market(0, "direction"), market(1, "direction")
    unknown = replace(train, target=np.where(np.arange(len(train)) == 3, np.nan, train.target))
    with pytest.raises(ModelError, match=r"1 of 377 targets of the training part are NaN"):
        build(name, "direction").fit(unknown, selection, context(tmp_path))
    with pytest.raises(ModelError, match="the selection part has no windows"):
        build(name, "direction").fit(train, selection.every(1, len(selection)), context(tmp_path))
    broken = replace(selection, matrix=np.where(selection.matrix > 0.03, np.inf, selection.matrix))
    with pytest.raises(ModelError, match="NaN or infinite"):
        build(name, "direction").fit(train, broken, context(tmp_path))


NO_LEARNERS = ("naive:", "reference:", "transformer:")
"""Families that learn nothing, or not within seconds."""


@pytest.mark.parametrize("name", [n for n in registry.names() if not n.startswith(NO_LEARNERS)])
def test_learning_models_find_a_plain_signal(name, tmp_path):
    test = market(2, "direction")
    model = build(name, "direction")
    model.recipe = model.recipe.model_copy(
        update={"max_steps": 480, "validate_every_steps": 12, "effective_batch": 32}
    )
    model.fit(market(0, "direction"), market(1, "direction"), context(tmp_path))
    # Chance is 0.5 with a standard error of 0.026; processors round differently, so not nearer to the best.
    assert (model.predict(test).prediction == test.target).mean() > 0.65


@pytest.mark.parametrize(
    ("name", "task"),
    [
        *((name, "direction") for name in NETWORKS),
        ("neural:mlp", "triple_barrier"),  # the engine does the same with every network
        ("transformer:patchtst", "triple_barrier"),
    ],
)
def test_a_network_that_was_interrupted_ends_in_the_same_predictions(name, task, tmp_path):
    """Whatever a family's network is made of, the engine continues it exactly."""

    class Interrupted(Exception):
        pass

    def interrupt(step: int, loss: float) -> None:
        if step == 6:
            raise Interrupted

    answers = []
    for folder, interruptions in (("whole", [None]), ("resumed", [interrupt, None])):
        for report in interruptions:
            model = build(name, task)
            model.recipe = model.recipe.model_copy(update={"max_steps": 12})
            runtime = CPU.model_copy(update={"checkpoint_every_steps": 3})
            where = context(tmp_path / folder, runtime=runtime, report=report)
            with suppress(Interrupted):
                result = model.fit(market(0, task), market(1, task), where)
        assert result.resumed == (folder == "resumed")
        answers.append(model.predict(market(2, task)).probability)
    np.testing.assert_array_equal(answers[0], answers[1])


def test_predictions_are_checked_when_they_are_made():
    days, symbols = np.array(["2001-01-01"], dtype="datetime64[D]"), np.array(["X"], dtype=object)
    one = np.ones(1)
    with pytest.raises(ModelError, match="not finite"):
        Predictions(days, symbols, 1, one, np.array([np.nan]))
    with pytest.raises(ModelError, match=r"not a number in \[0, 1\]"):
        Predictions(days, symbols, 1, one, one, probability=np.array([[-0.2, 1.2]]))
    with pytest.raises(ModelError, match="has shape"):
        Predictions(days, symbols, 1, np.ones(2), one)


def test_names_resolve_and_wrong_ones_are_explained(monkeypatch):
    assert registry.get("xgboost") is registry.get("boosting:xgboost")
    with pytest.raises(ModelError, match="Did you mean linear:logistic"):
        registry.get("linear:logistics")
    with pytest.raises(ModelError, match="Did you mean boosting:lightgbm"):
        registry.get("lightgb")
    assert registry.full_name("nhits") == "timeseries:nhits"
    monkeypatch.setitem(registry._models, "other:xgboost", registry.get("xgboost"))
    with pytest.raises(ModelError, match="ambiguous: boosting:xgboost, other:xgboost"):
        registry.get("xgboost")


def test_a_class_that_breaks_the_contract_is_refused_at_registration():
    class Empty(Model):
        metadata = ModelMetadata(has_budget=False, input="last_bar")

    with pytest.raises(
        ModelError,
        match=r"test_models_contract\.py, class Empty\): `Settings` .* missing; .* missing: fit, forecast",
    ):
        registry.register("test:empty")(Empty)
    with pytest.raises(ModelError, match="must look like"):
        registry.register("nocolon")(Empty)

    class Unasked(registry.get("naive:base_rate")):
        class Settings(StrictModel):
            needed: int

        def forecast(self):
            return None

    with pytest.raises(ModelError, match=r"no default: needed; forecast\(self\) should be forecast\(self, s"):
        registry.register("test:unasked")(Unasked)
    with pytest.raises(ModelError, match=r"already taken by .*base_rate\.py, class BaseRate"):
        registry.register("naive:base_rate")(Unasked)
    assert not {"test:empty", "test:unasked"} & set(registry.names())


def test_asking_for_metadata_imports_no_heavy_library():
    code = "import sys; from lib.models import registry; registry.names(); print(' '.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heavy = {"torch", "transformers", "sklearn", "xgboost", "lightgbm", "catboost", "arch"}
    assert not heavy & set(loaded.stdout.split())


def test_settings_are_strict():
    for name in registry.names():
        with pytest.raises(ConfigError, match=r"config/models/x\.yaml: unknown key `nonsense`"):
            validate(registry.get(name).Settings, {"nonsense": 1}, "config/models/x.yaml")


def test_a_missing_weights_file_is_named(tmp_path):
    model, folder = fitted("naive:base_rate", "direction", tmp_path), tmp_path / "model"
    loaded(model, folder)
    recorded = read_json(folder / "checksums.json")
    assert list(recorded) == ["model.json"]
    shutil.move(folder / "model.json", tmp_path / "elsewhere.json")
    with pytest.raises(IntegrityError, match=r"model\.json: missing"):
        type(model).load(folder)

"""The contract, kept by every registered model."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.config.base import StrictModel
from lib.config.model import Architecture
from lib.config.training import Recipe
from lib.datasets.windows import Samples
from lib.errors import IntegrityError, ModelError
from lib.models import registry
from lib.models.base import Model, ModelMetadata, Predictions, Problem
from lib.training.context import TrainingContext

ROOT = Path(__file__).parents[2]
CHANNELS = ("log_return_1", "b", "c")
CONTEXT = 24
ARCHITECTURE = Architecture(
    d_model=16, n_heads=2, n_layers=1, d_ff=16, patch_length=8, patch_stride=8, dropout=0.1
)


def market(seed: int, task: str) -> Samples:
    random = np.random.default_rng(seed)
    matrix = random.standard_normal((400, 3)).astype(np.float32)
    ends = np.arange(CONTEXT - 1, 400)
    signal = matrix[ends, 0] + 0.5 * random.standard_normal(len(ends))
    target = (signal > 0) if task == "direction" else 0.01 * signal
    days = np.datetime64("2001-01-01") + np.arange(len(ends))
    symbols = np.full(len(ends), "X", dtype=object)
    return Samples(matrix, ends, target.astype(np.float32), days, symbols, CONTEXT, 1, task, CHANNELS)


def build(name: str, task: str) -> Model:
    problem = Problem(task, 1, 3, CONTEXT, CHANNELS, np.zeros(3), np.ones(3))
    model = registry.get(name)
    architecture = ARCHITECTURE if model.metadata.has_budget else None
    recipe = Recipe(max_epochs=2, effective_batch=64, learning_rate=1e-3)
    return model(model.Settings(), problem, architecture, recipe, 7)


def fitted(name: str, task: str, folder: Path) -> Model:
    model = build(name, task)
    result = model.fit(market(0, task), market(1, task), TrainingContext(seed=7, state_dir=folder / "state"))
    assert result.history
    assert np.isfinite(result.best_loss)
    assert 1 <= result.best_epoch <= result.epochs
    return model


CASES = [(name, task) for name in registry.names() for task in ("direction", "regression")]


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_model_fits_predicts_saves_and_loads_to_the_same_predictions(name, task, tmp_path):
    model = fitted(name, task, tmp_path)
    test = market(2, task)
    predictions = model.predict(test)
    frame = predictions.to_frame("test")
    assert frame.height == len(test)
    assert frame["date"].is_sorted()
    assert (predictions.probability is None) == (task == "regression")

    again = fitted(name, task, tmp_path / "again").predict(test)
    np.testing.assert_array_equal(predictions.prediction, again.prediction)

    folder = tmp_path / "model"
    folder.mkdir()
    model.save(folder)
    loaded = type(model).load(folder).predict(test)
    np.testing.assert_allclose(loaded.prediction, predictions.prediction, rtol=1e-6)
    if predictions.probability is not None:
        np.testing.assert_allclose(loaded.probability, predictions.probability, rtol=1e-6)
    suffixes = {path.suffix for path in folder.iterdir()}
    assert suffixes <= {".json", ".safetensors", ".cbm", ".txt"}, "formats that execute nothing"

    json_file = folder / "model.json"
    json_file.write_text(json_file.read_text().replace('"seed": 7', '"seed": 8'))
    with pytest.raises(IntegrityError, match=r"model\.json: its content differs"):
        type(model).load(folder)


def test_patchtst_learns_returns_as_small_as_a_hundredth(tmp_path):
    """Raw returns are far below the scale of a new network's outputs; errors must still beat the mean's."""
    model = build("transformer:patchtst", "regression")
    model.recipe = model.recipe.model_copy(update={"max_epochs": 15, "learning_rate": 3e-3})
    context = TrainingContext(seed=7, state_dir=tmp_path)
    result = model.fit(market(0, "regression"), market(1, "regression"), context)
    test = market(2, "regression")
    error = test.target - model.predict(test).prediction
    assert np.square(error).mean() < 0.8 * test.target.var()
    assert result.best_loss < 1.0, "in units of the training targets' variance"


@pytest.mark.parametrize("name", registry.names())
def test_fitting_never_learns_from_selection_targets_except_when_to_stop(name, tmp_path):
    """With one round there is nothing to choose, so other selection targets must change nothing."""
    one_round = {
        "linear:logistic": {"inverse_penalties": [0.1]},
        "boosting:xgboost": {"n_estimators": 1},
        "boosting:catboost": {"iterations": 1},
        "boosting:lightgbm": {"num_iterations": 1},
    }
    settings = one_round.get(name, {})
    test = market(2, "direction")
    selection = market(1, "direction")
    answers = []
    for number, target in enumerate((selection.target, 1 - selection.target)):
        model = build(name, "direction")
        model.settings = model.Settings(**settings)
        model.recipe = model.recipe.model_copy(update={"max_epochs": 1})
        context = TrainingContext(seed=7, state_dir=tmp_path / str(number))
        model.fit(market(0, "direction"), replace(selection, target=target), context)
        answers.append(model.predict(test).probability)
    np.testing.assert_array_equal(answers[0], answers[1])


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_window_gets_the_same_bits_alone_as_among_many_and_its_target_is_not_read(name, task, tmp_path):
    """A promoted model forecasts one bar at a time; the run forecast the whole test set at once."""
    model = fitted(name, task, tmp_path)
    test = market(2, task)
    together = model.predict(test)
    folder = tmp_path / "model"
    folder.mkdir()
    model.save(folder)
    loaded = type(model).load(folder)
    for number in (0, 77, len(test) - 1):
        alone = test.every(len(test), number)
        unknown = replace(alone, target=np.full(1, np.nan, dtype=np.float32))
        found = loaded.predict(unknown)
        assert found.prediction[0] == together.prediction[number]
        if together.probability is not None:
            assert found.probability is not None
            np.testing.assert_array_equal(found.probability[0], together.probability[number])


@pytest.mark.parametrize("name", registry.names())
def test_other_channels_and_nan_are_refused(name, tmp_path):
    model = fitted(name, "direction", tmp_path)
    test = market(2, "direction")
    with pytest.raises(ModelError, match="fitted on 3 channels"):
        model.predict(replace(test, channel_names=("a", "b", "x")))
    broken = test.matrix.copy()
    broken[50, 1] = np.nan
    with pytest.raises(ModelError, match="NaN or infinite"):
        model.predict(replace(test, matrix=broken))


def test_learning_models_beat_the_base_rate(tmp_path):
    test = market(2, "direction")
    for name in ("linear:logistic", "boosting:xgboost", "boosting:catboost"):
        predictions = fitted(name, "direction", tmp_path / name.replace(":", "-")).predict(test)
        assert (predictions.prediction == test.target).mean() > 0.75


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
    monkeypatch.setitem(registry._models, "other:xgboost", registry.get("xgboost"))
    with pytest.raises(ModelError, match="ambiguous: boosting:xgboost, other:xgboost"):
        registry.get("xgboost")


def test_a_class_that_breaks_the_contract_is_refused_at_registration():
    class Empty(Model):
        metadata = ModelMetadata(has_budget=False, input="last_bar")

    with pytest.raises(
        ModelError, match=r"`Settings` .* is missing; these methods are missing: fit, forecast"
    ):
        registry.register("test:empty")(Empty)
    with pytest.raises(ModelError, match="must look like"):
        registry.register("nocolon")(Empty)
    assert "test:empty" not in registry.names()


def test_asking_for_metadata_imports_no_heavy_library():
    code = "import sys; from lib.models import registry; registry.names(); print(' '.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not {"torch", "transformers", "sklearn", "xgboost", "catboost"} & set(loaded.stdout.split())


def test_settings_are_strict():
    for name in registry.names():
        assert issubclass(registry.get(name).Settings, StrictModel)
        with pytest.raises(ValueError, match="nonsense"):
            registry.get(name).Settings(nonsense=1)


def test_a_missing_weights_file_is_named(tmp_path):
    model = fitted("naive:base_rate", "direction", tmp_path)
    folder = tmp_path / "model"
    folder.mkdir()
    model.save(folder)
    recorded = json.loads((folder / "checksums.json").read_text())
    assert list(recorded) == ["model.json"]
    shutil.move(folder / "model.json", tmp_path / "elsewhere.json")
    with pytest.raises(IntegrityError, match=r"model\.json: missing"):
        type(model).load(folder)

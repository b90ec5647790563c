"""The content of scaling.json: questions with curves and verdicts, controls, tables of models, warnings.

Combines what the other modules of `lib.scaling` measure and judge; computes nothing of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import polars as pl

from lib.config.base import is_classification
from lib.config.experiment import PlannedExperiment
from lib.config.workflow import EvaluationConfig
from lib.inference.power import LOGIT_GAP, detectable
from lib.scaling.axes import CASE, Case, case_of
from lib.scaling.baselines import baseline_tables
from lib.scaling.control_runs import PlantedAuc, control_outcomes
from lib.scaling.controls import control_name
from lib.scaling.diagnosis import diagnose
from lib.scaling.hypotheses import hypotheses_of
from lib.scaling.ledger import deflated_trading, ledger
from lib.scaling.questions import answers_of
from lib.scaling.run_index import PROBLEM, RunIndex, StudyRuns
from lib.scaling.samples import PredictionFiles, Reader, calibration_reader
from lib.scaling.walk_forward import walk_forward_entries
from lib.scoring.json_values import plain

_LISTED = 10


def scaling_summary(
    experiments: Mapping[str, PlannedExperiment],
    runs: pl.DataFrame,
    predictions: Reader,
    cfg: EvaluationConfig,
    planted_auc: PlantedAuc | None = None,
    primary: str | None = None,
    search_trials: int = 0,
    seen: set[str] | None = None,
    waiting: Mapping[str, str] = MappingProxyType({}),
    minimum_train_windows: int = 0,
    predicted: Sequence[Sequence[Mapping[str, Any]]] = (),
    confirmatory: int = 0,
    opened: str | None = None,
) -> dict[str, Any]:
    """All results of the study, as strict JSON values.

    Args:
        experiments: as they are planned, by name, in the order of declaration.
        runs: the table of `collect_runs`.
        predictions: given a run's path and a split, its predictions; called once per finished run.
        cfg: draws, confidence and seed.
        planted_auc: for positive controls.
        primary: label of the symbol whose test windows decide; None or absent from a run: all symbols.
        search_trials: trials of all searches of the study.
        seen: digests of test predictions accessed before (see `ledger`); those read now are added.
        waiting: declared experiments that cannot run yet, with what they wait for.
        minimum_train_windows: runs trained on fewer are recorded.
        predicted: recorded predictions for the largest scale points, made before their training.
        confirmatory: contrasts of all confirmatory questions of the study, which are one family though
            `experiments` may be those of one phase.
        opened: when the study's own test was first opened as a confirmation; None: never.

    Returns:
        `confidence, waiting, questions, interactions, joint_law, diagnosis, walk_forward, power, baselines,
        trading, controls, controls_passed, controls_text, too_good, test_access, ledger, problems, warnings`.
        `questions` holds, for the experiments of role question, one entry per axis along which their runs
        differ in nothing else.
    """
    seen = set() if seen is None else seen
    material = StudyRuns(
        RunIndex(runs),
        PredictionFiles(predictions, primary, seen),
        cfg,
        PredictionFiles(calibration_reader(predictions), primary, what="calibration"),
        predicted=predicted,
        opened=opened,
    )
    material.usable(material.index.rows)  # every access to a test set counts, whatever comes of it
    _put_on_record(material)
    _note_waiting(waiting, material)
    _note_few_windows(minimum_train_windows, material)
    suspects = _note_too_good(material)
    controls = control_outcomes(experiments, material, planted_auc)
    hypotheses = hypotheses_of(experiments, material.index)
    answers = answers_of(hypotheses, material, controls, confirmatory)
    diagnoses = [diagnose(one, material, controls) for one in hypotheses]
    questions = [e for e in experiments.values() if e.role == "question"]
    margins = _margins(questions, material)
    rows = material.index.rows
    summary: dict[str, Any] = {
        "confidence": cfg.confidence,
        "waiting": dict(waiting),
        "questions": answers.questions,
        "interactions": answers.interactions,
        "diagnosis": [entry for found, _ in diagnoses for entry in found],
        "joint_law": [entry for _, laws in diagnoses for entry in laws],
        "walk_forward": walk_forward_entries(experiments, material),
        "controls": controls,
        **_controls(controls, material),
        "too_good": suspects,
        "baselines": (tables := baseline_tables(list(margins), material)),
        "power": _power(tables, material, margins),
        "trading": deflated_trading(rows, search_trials),
        "test_access": len(seen),
        "ledger": ledger(rows, len(seen), search_trials),
    }
    summary["problems"] = [vars(trouble) for trouble in material.troubles]
    summary["warnings"] = list(dict.fromkeys(trouble.text for trouble in material.troubles))
    plain_summary: dict[str, Any] = plain(summary)
    return plain_summary


def _controls(entries: Sequence[Mapping[str, Any]], material: StudyRuns) -> dict[str, Any]:
    if not entries:
        text = "No controls are declared: nothing shows that this study finds a signal, or finds none."
        material.notice("control", "controls", text)
        return {"controls_passed": None, "controls_text": text}
    failed = [entry for entry in entries if not entry["passed"]]
    for entry in failed:
        where = control_name(entry)
        material.notice("control", where, f"Control {where} did not pass: {entry['reason']}")
    if failed:
        text = f"{len(failed)} of {len(entries)} controls did not pass: {failed[0]['reason']}"
    else:
        text = f"All {len(entries)} controls came out as they must."
    return {"controls_passed": not failed, "controls_text": text}


def _margins(questions: Sequence[PlannedExperiment], material: StudyRuns) -> dict[tuple[Case, bool], float]:
    """The smallest margin declared for each case, in folds or on the study's own split."""
    found: dict[tuple[Case, bool], float] = {}
    for experiment in questions:
        for row in material.index.of_experiment(experiment):
            key = case_of(row), experiment.walk_forward
            found[key] = min(experiment.margin, found.get(key, experiment.margin))
    return found


def _power(
    tables: Sequence[Mapping[str, Any]], material: StudyRuns, margins: Mapping[tuple[Case, bool], float]
) -> list[dict[str, Any]]:
    """Power of each test set: as planned from its size, and as measured between its models."""
    out = []
    cfg = material.cfg
    for table in tables:
        case: Case = tuple(table[column] for column in CASE)
        # Windows of the primary symbol, which decides; symbols of one date are not independent labels.
        rate, n = table["base_rate"], table["n"]
        planned = detectable(table["dates"], rate, case[6], cfg.confidence, cfg.power)
        reaches = [line["detectable_difference"] for line in table["rows"] if line["detectable_difference"]]
        measured = sorted(reaches)[len(reaches) // 2] if reaches else None
        margin = margins[case, bool(table["folds"])]
        reach = None
        if is_classification(case[5]):
            reach = measured if measured is not None else planned.log_loss
        out.append(
            {
                "problem": dict(zip(CASE, case, strict=True)),
                "folds": table["folds"],
                "n": n,
                "effective_n": planned.effective_n,
                "base_rate": rate,
                "detectable_auc": planned.auc,
                "detectable_log_loss": reach,
                "planned_auc": planned.auc,
                "planned_log_loss": planned.log_loss,
                "planned_relative_mse": planned.relative_mse,
                "assumed_logit_gap": LOGIT_GAP,
                "measured_difference": measured,
                "margin": margin,
                "enough": None if reach is None else reach <= margin,
                "text": _power_text(planned.effective_n, planned.auc, reach, margin, cfg.power),
            }
        )
    return out


def _power_text(
    effective_n: float, auc: float | None, reach: float | None, margin: float, power: float
) -> str:
    if reach is None:
        return f"About {effective_n:.0f} independent test labels."
    enough = "enough for" if reach <= margin else "not enough for"
    smallest = f" an AUC of {auc:.3f} and" if auc is not None else ""
    return (
        f"About {effective_n:.0f} independent test labels show{smallest} a difference in log loss of "
        f"{reach:.4f} with a chance of {power:.0%}: {enough} the margin of {margin:g}."
    )


def _put_on_record(material: StudyRuns) -> None:
    """Record runs that are missing, broken, repeated or collapsed, once, before anything is measured."""
    index = material.index
    for kind, where, text in material.predictions.troubles:
        material.notice(kind, where, text)
    for name in dict.fromkeys(row["experiment"] for row in index.rows):
        rows = [row for row in index.rows if row["experiment"] == name]
        if paths := [str(row["path"]) for row in rows if row["status"] == "missing"]:
            text = f"{name}: {len(paths)} of {_runs(len(rows), 'is', 'are')} missing: {_list(paths)}."
            material.notice("missing", name, text)
    for row in index.rows:
        if row["status"] == "failed":
            material.notice("failed", str(row["path"]), f"{row['path']}: {row['problem']}; run left out.")
    if index.repeated:
        which = _runs(len(index.repeated), "is", "are")
        text = f"{which} declared twice; the first counts: {_list(index.repeated)}."
        material.notice("duplicate", "runs", text)
    paths = [str(row["path"]) for row in index.rows if row["test_collapsed"] and row["family"] != "naive"]
    if paths:
        which = _runs(len(paths), "forecasts", "forecast")
        text = f"{which} nearly the same value for every test sample: {_list(paths)}."
        material.notice("collapsed", "runs", text)


def _note_waiting(waiting: Mapping[str, str], material: StudyRuns) -> None:
    for name, why in waiting.items():
        material.notice("waiting", name, f"{name} is declared and not in these results: {why}.")


def _note_too_good(material: StudyRuns) -> list[str]:
    """Record runs whose alarm went off although nothing was planted for them to find."""
    planted = ("leak_control", "positive_control", "law_control")
    rows = [row for row in material.index.rows if row.get("too_good") and row["role"] not in planted]
    found = list(dict.fromkeys(str(row["path"]) for row in rows))
    if found:
        text = f"Too good to be true on validation: {_list(found)}. Look for channels that know the future."
        material.notice("too_good", "study", text)
    return found


def _note_few_windows(minimum: int, material: StudyRuns) -> None:
    """Record runs that were trained on fewer windows than the study's minimum, which the study allows."""
    few: dict[str, int] = {}
    for row in material.index.rows:
        if row["status"] == "done" and row["n_train"] is not None and row["n_train"] < minimum:
            where = "/".join(map(str, (row[column] for column in PROBLEM)))
            few[where] = min(int(row["n_train"]), few.get(where, int(row["n_train"])))
    for where, n in few.items():
        text = f"{where}: trained on {n} windows only, fewer than the minimum of {minimum}."
        material.notice("few_windows", where, text)


def _runs(n: int, one: str, many: str) -> str:
    return f"1 run {one}" if n == 1 else f"{n} runs {many}"


def _list(paths: list[str]) -> str:
    more = f" and {len(paths) - _LISTED} more" if len(paths) > _LISTED else ""
    return ", ".join(paths[:_LISTED]) + more

"""Law controls: whether the verdict on forecasts whose law is known is the one that was planted.

They take the whole path of a question, from dataset to verdict, except for the network: see
`reference:oracle`.
"""

from __future__ import annotations

from typing import Any

from lib.config.experiment import PlannedExperiment
from lib.scaling.axes import AXES
from lib.scaling.control_runs import described_control
from lib.scaling.controls import ControlResult, law_control
from lib.scaling.curves import measure_curve
from lib.scaling.questions import verdict_of
from lib.scaling.run_index import PROBLEM, StudyRuns, problems_of


def law_entries(name: str, experiment: PlannedExperiment, material: StudyRuns) -> list[dict[str, Any]]:
    """Outcome of a law control: one entry per problem and model, over all sizes and seeds."""
    entries = []
    for problem in problems_of(experiment):
        for model in experiment.models:
            rows = [
                row
                for budget in experiment.budgets
                for row in material.index.find(problem, model, budget, experiment.seeds)
            ]
            if not rows:
                continue
            entry: dict[str, Any] = {"experiment": name, "role": experiment.role}
            entry |= dict(zip(PROBLEM, problem, strict=True)) | {"compares_sizes": False, "folds": []}
            if all(row["status"] != "done" for row in rows):
                result = ControlResult(False, "The control has not been run.", None, None, None)
                verdict = None
            else:
                curve = measure_curve(AXES["parameters"], rows, material)
                decision = verdict_of(curve, experiment.margin, material)
                verdict = decision.verdict
                result = law_control(str(experiment.expects), verdict, decision.reason)
            entry |= described_control(model, "*", None, result)
            entries.append(entry | {"expects": experiment.expects, "verdict": verdict})
    return entries

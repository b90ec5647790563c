"""PyTorch, scikit-learn, XGBoost and LightGBM work in one process, each with a parallel loop.

Called by setup.sh on macOS, where it also says how many OpenMP runtimes were loaded: it must be one (see
share_openmp.py). On Linux several are usual and do no harm. Says nothing about results: the tests do.
"""

from __future__ import annotations

import sys

import lightgbm
import numpy as np
import torch
import xgboost
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_info

ROWS, CHANNELS, THREADS = 4_000, 8, 2


def run_loops() -> None:
    """One parallel computation of each library, with two threads."""
    generator = np.random.default_rng(1)
    x = generator.normal(size=(ROWS, CHANNELS))
    y = (x[:, 0] + generator.normal(size=ROWS) > 0).astype(int)
    torch.set_num_threads(THREADS)
    weights = torch.zeros(CHANNELS, requires_grad=True)
    inputs = torch.as_tensor(x, dtype=torch.float32)
    torch.nn.functional.binary_cross_entropy_with_logits(
        inputs @ weights, torch.as_tensor(y, dtype=torch.float32)
    ).backward()
    torch.ones(2_000_000).exp_().sum()  # long enough for PyTorch to share it among threads
    models = (
        HistGradientBoostingClassifier(max_iter=5),
        xgboost.XGBClassifier(n_estimators=5, n_jobs=THREADS),
        lightgbm.LGBMClassifier(n_estimators=5, n_jobs=THREADS, verbose=-1),
    )
    for model in models:
        hit = float(np.mean(model.fit(x, y).predict(x) == y))
        if not hit > 0.6:
            raise SystemExit(
                f"envs/check_openmp.py: {type(model).__name__} learned nothing ({hit:.2f} right)."
            )


def runtimes() -> set[str]:
    """Files of the OpenMP runtimes in this process."""
    return {library["filepath"] for library in threadpool_info() if library["user_api"] == "openmp"}


if __name__ == "__main__":
    run_loops()
    found = sorted(runtimes())
    if sys.platform == "darwin" and len(found) != 1:
        raise SystemExit(
            f"envs/check_openmp.py: one OpenMP runtime in a process is safe, and here are {len(found)}: "
            f"{', '.join(found)}. Remove .venv and run make setup again; "
            "if it stays so, fix envs/share_openmp.py."
        )
    print(f"OpenMP: four libraries computed in one process, with {', '.join(found)}", file=sys.stderr)

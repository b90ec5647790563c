"""The house: which room may know which, and what a room may not know at all."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LIB = ROOT / "lib"
ORDER = (
    "errors",
    "config",
    "data",
    "features",
    "datasets",
    "metrics",
    "training",
    "models",
    "tuning",
    "inference",
    "scoring",
    "scaling",
    "report",
    "study",
    "extras",
    "jobs",
)
MODULES = sorted(LIB.rglob("*.py"))


def imported_rooms(path: Path) -> set[str]:
    """Packages of lib that a module imports, wherever in the module it does so."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lib"):
            parts = node.module.split(".")
            rooms |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {a.name.split(".")[1] for a in node.names if a.name.startswith("lib.")}
    return rooms


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(LIB).as_posix())
def test_each_room_imports_only_the_rooms_before_it(path):
    own = path.relative_to(LIB).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    allowed = set(ORDER[: ORDER.index(own) + 1])
    assert imported_rooms(path) <= allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(LIB).as_posix())
def test_lib_knows_no_path_of_the_workflow(path):
    """Paths of data/ and results/ belong to the rules (those in the configuration are the user's)."""
    if path.relative_to(LIB).parts[0] in {"config", "jobs"}:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            assert not node.value.startswith(("data/raw", "data/processed", "results/runs", "results/hpo"))


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("lib.study.plan", {"torch", "transformers", "sklearn", "xgboost", "mlflow", "pandas_ta", "arch"}),
        ("lib.scoring.run_scores", {"torch", "transformers", "mlflow", "pandas_ta"}),
        ("lib.scaling.run_table", {"torch", "transformers", "mlflow", "pandas_ta"}),
        ("lib.scoring.folders", {"torch", "transformers", "mlflow", "pandas_ta"}),
        ("lib.scaling.summary", {"torch", "transformers", "mlflow", "pandas_ta"}),
        ("lib.report.render", {"torch", "transformers", "mlflow", "pandas_ta"}),
        (
            "lib.study.preflight.preflight",
            {"torch", "transformers", "sklearn", "xgboost", "mlflow", "wandb", "arch"},
        ),
        ("lib.training.engine", {"transformers", "mlflow", "wandb", "pandas_ta", "xgboost"}),
    ],
)
def test_a_job_imports_only_what_it_needs(module, forbidden):
    code = f"import sys, {module}; print(' '.join(sorted({{n.split('.')[0] for n in sys.modules}})))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not forbidden & set(out.stdout.split())

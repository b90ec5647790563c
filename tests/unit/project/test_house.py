"""The house: which room may know which, and what a room may not know at all."""

import ast
import subprocess
import sys
from collections import Counter
from functools import cache
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
    "results",
)
MODULES = sorted(LIB.rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_rooms(path: Path) -> set[str]:
    """Packages of lib that a module imports, wherever in the module it does so."""
    rooms = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lib"):
            parts = node.module.split(".")
            rooms |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {a.name.split(".")[1] for a in node.names if a.name.startswith("lib.")}
    return rooms


def test_each_room_imports_only_the_rooms_before_it():
    for path in MODULES:
        name = path.relative_to(LIB).as_posix()
        own = name.split("/")[0].removesuffix(".py")
        if own != "__init__":
            assert imported_rooms(path) <= set(ORDER[: ORDER.index(own) + 1]), name


def test_no_two_modules_and_no_two_classes_share_a_name():
    """One name, one meaning: whoever looks for a module or a class by its name finds one."""
    modules = Counter(path.stem for path in MODULES if path.stem != "__init__")
    classes = Counter(
        node.name for path in MODULES for node in parsed(path).body if isinstance(node, ast.ClassDef)
    )
    assert not [name for name, count in (modules + classes).items() if count > 1]


def test_lib_knows_no_path_of_the_workflow():
    """Paths of data/ and results/ belong to the rules (those in the configuration are the user's)."""
    for path in MODULES:
        name = path.relative_to(LIB).as_posix()
        if not name.startswith(("config/", "jobs/")):
            assert not paths_in(parsed(path)), name


def paths_in(tree: ast.Module) -> list[str]:
    """Strings of a module, docstrings apart, that are paths of the workflow."""
    docs = {
        id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)
    }
    strings = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]
    return [s for s in strings if s.startswith(("data/raw", "data/processed", "results/runs", "results/hpo"))]


def test_a_path_with_brackets_is_no_pattern():
    """Polars takes `[2026]` in a path for a pattern, unless told not to; bytes are no path."""
    taken = [
        f"{path.relative_to(LIB)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("pl.read_parquet", "pl.read_csv", "pl.scan_parquet", "pl.scan_csv")
        and not ast.unparse(node.args[0]).endswith(".encode()")
        and "glob" not in [word.arg for word in node.keywords]
    ]
    assert taken == []


HEAVY = {"torch", "transformers", "sklearn", "xgboost", "mlflow", "wandb", "pandas_ta_classic", "arch"}


@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        (("lib.study.plan", "lib.study.preflight.preflight"), HEAVY),
        (
            (
                "lib.scoring.run_scores",
                "lib.scaling.run_table",
                "lib.scoring.folders",
                "lib.scaling.summary",
                "lib.report.render",
            ),
            {"torch", "transformers", "mlflow", "pandas_ta_classic"},
        ),
        (("lib.training.engine",), {"transformers", "mlflow", "wandb", "pandas_ta_classic", "xgboost"}),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_jobs_import_only_what_they_need(modules, forbidden):
    """After each module, so that the one that imports too much is named."""
    code = (
        "import importlib, sys\n"
        f"for module in {modules}:\n"
        "    importlib.import_module(module)\n"
        f"    print(module, *sorted({forbidden} & {{name.split('.')[0] for name in sys.modules}}))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.split() == list(modules)


def test_no_script_touches_the_search_path():
    """`python -m` from the project's folder finds lib: also in clones that share an environment.

    An editable install names one clone, and a job of another would import its lib: Snakemake adds the folder
    of the workflow behind the environment's. The profile has no other way, see there.
    """
    scripts = [*(ROOT / "workflow_scripts").glob("*.py"), *(ROOT / "tests" / "benchmarks").glob("*.py")]
    assert not [path.name for path in scripts if "sys.path" in path.read_text(encoding="utf-8")]

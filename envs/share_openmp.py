"""On a Mac, let all libraries of .venv use one OpenMP runtime: the one that PyTorch brings.

The wheels of XGBoost and LightGBM look for Homebrew's, without which they cannot be imported; scikit-learn
brings one of its own. Two runtimes in a process abort or crash it (PyTorch's issues 191933 and 155201), and
DYLD_LIBRARY_PATH is taken away from programs that macOS protects. So XGBoost and LightGBM are pointed at
PyTorch's folder, and scikit-learn's copy becomes a link to PyTorch's: dyld takes files with one inode for one
library.

Called by setup.sh on macOS after each install; what is done already stays. Installs nothing, and does not try
whether it works: check_openmp.py does.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HOMEBREW = "/opt/homebrew/opt/libomp/lib"
TORCH = "@loader_path/../../torch/lib"
"""The folder of PyTorch's libraries as the two below see it, in as many bytes as HOMEBREW has."""
POINTED = ("xgboost/lib/libxgboost.dylib", "lightgbm/lib/lib_lightgbm.dylib")
LINKED = "sklearn/.dylibs/libomp.dylib"
RUNTIME = "torch/lib/libomp.dylib"


def share_openmp(packages: Path) -> list[str]:
    """Make the libraries in a folder of installed packages use PyTorch's OpenMP.

    Returns:
        The files that were changed; none where all was done before.

    Raises:
        SystemExit: a package is built in another way than this knows, or one of Apple's tools refused.
    """
    if not (packages / RUNTIME).is_file():
        raise SystemExit(_unknown(packages / RUNTIME, "is missing"))
    changed = [name for name in POINTED if _point(packages / name)]
    return changed + ([LINKED] if _link(packages / LINKED, packages / RUNTIME) else [])


def _point(library: Path) -> bool:
    """Replace the folder of Homebrew's runtime in a library; True when something was done."""
    content = library.read_bytes() if library.is_file() else b""
    if f"{TORCH}\0".encode() in content:
        return False
    if f"{HOMEBREW}\0".encode() not in content:
        raise SystemExit(_unknown(library, f"is missing or does not look for OpenMP in {HOMEBREW}"))
    # On a copy: uv may share the file with its cache, and macOS kills a process whose signed library changes.
    copy = library.with_name(f"{library.name}.new")
    shutil.copy2(library, copy)
    for command in (
        ["install_name_tool", "-rpath", HOMEBREW, TORCH, copy],
        ["codesign", "--force", "--sign", "-", copy],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            copy.unlink()
            raise SystemExit(f"envs/share_openmp.py: {command[0]} refused {library}: {done.stderr.strip()}")
    copy.replace(library)
    return True


def _link(library: Path, runtime: Path) -> bool:
    """Put a link to the runtime in the place of a library; True when something was done."""
    if library.is_symlink() and library.resolve() == runtime.resolve():
        return False
    if not library.is_file():
        raise SystemExit(_unknown(library, "is missing"))
    link = library.with_name(f"{library.name}.new")
    link.unlink(missing_ok=True)
    link.symlink_to(Path("../..") / RUNTIME)
    link.replace(library)
    return True


def _unknown(path: Path, what: str) -> str:
    return (
        f"envs/share_openmp.py: {path} {what}. The locked packages changed: see which OpenMP runtime each "
        "library looks for (otool -L, otool -l), and fix envs/share_openmp.py."
    )


if __name__ == "__main__":
    for name in share_openmp(Path(sysconfig.get_path("purelib"))):
        print(f"{name} uses PyTorch's OpenMP", file=sys.stderr)

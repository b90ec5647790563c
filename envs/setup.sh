#!/usr/bin/env bash
# Make .venv from the locked packages. Needs some python3 with pip; brings uv and Python 3.12 if they are absent.
set -euo pipefail
cd "$(dirname "$0")/.."

find_uv() {
    if command -v uv >/dev/null 2>&1; then
        command -v uv
    elif [ -x .bootstrap/bin/uv ]; then
        echo .bootstrap/bin/uv
    else
        install_uv >&2 && echo .bootstrap/bin/uv
    fi
}

# The first python3 may belong to an active environment without pip, so every one on the path is asked.
install_uv() {
    local candidate
    while read -r candidate; do
        if "$candidate" -m pip --version >/dev/null 2>&1; then
            "$candidate" -m pip install --quiet --disable-pip-version-check --target .bootstrap uv
            return
        fi
    done < <(type -ap python3; echo /usr/bin/python3)
    echo "No python3 with pip was found. Install pip, or uv itself (https://docs.astral.sh/uv/)."
    return 1
}

# What a program called python is: usable, or for Intel (which Rosetta runs on a Mac, but PyTorch is not made for), or
# neither. A pyenv shim answers to the name python3.12 without being one, so each is asked to run.
kind_of() {
    "$1" -c 'import platform, sys
intel = sys.platform == "darwin" and platform.machine() != "arm64"
print("other" if sys.version_info[:2] != (3, 12) else "intel" if intel else "usable")' 2>/dev/null || echo none
}

find_python() {
    local candidate
    for candidate in python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python3.12 \
        /opt/homebrew/bin/python3.12 /usr/local/bin/python3.12; do
        case $(kind_of "$candidate") in
            usable)
                command -v "$candidate"
                return
                ;;
            intel) echo "Passing over $(command -v "$candidate"): it is a Python for Intel." >&2 ;;
        esac
    done
    "$1" python install --quiet 3.12 >&2
    "$1" python find --managed-python 3.12
}

uv=$(find_uv)
if [ "$(uname -s)" = Darwin ]; then
    envs/check_mac.sh "$uv"
fi
if [ "$(kind_of .venv/bin/python)" != usable ]; then
    "$uv" venv --quiet --clear --python "$(find_python "$uv")" .venv
fi
# Compiled once here: some environments forbid Python to keep what it compiles, and every job would do it again.
# Of what uv says, the downloads as they begin and end, and the times; not the names of all packages.
echo "Installing the locked packages into .venv (2 GB on a Mac; 7 GB on Linux, where PyTorch brings CUDA) ..." >&2
"$uv" pip sync --require-hashes --compile-bytecode --python .venv/bin/python envs/requirements.lock 2>&1 |
    awk '!/^ [-+~] / { print; fflush() }' >&2
if [ "$(uname -s)" = Darwin ]; then
    .venv/bin/python envs/share_openmp.py
    .venv/bin/python envs/check_openmp.py
fi

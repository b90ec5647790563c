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
        python3 -m pip install --quiet --disable-pip-version-check --target .bootstrap uv >&2
        echo .bootstrap/bin/uv
    fi
}

# A pyenv shim answers to the name python3.12 without being one, so each candidate is asked to run.
find_python() {
    local candidate
    for candidate in python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python3.12 \
        /opt/homebrew/bin/python3.12 /usr/local/bin/python3.12; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    "$1" python install --quiet 3.12 >&2
    "$1" python find --managed-python 3.12
}

uv=$(find_uv)
if ! { [ -x .venv/bin/python ] && .venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))'; }; then
    "$uv" venv --quiet --clear --python "$(find_python "$uv")" .venv
fi
echo "Installing the locked packages into .venv (about 7 GB on Linux, where PyTorch brings CUDA) ..." >&2
"$uv" pip sync --quiet --require-hashes --python .venv/bin/python envs/requirements.lock

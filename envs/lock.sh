#!/usr/bin/env bash
# Resolve pyproject.toml again into envs/requirements.lock (universal, with hashes, without index addresses).
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .bootstrap/bin/uv)
"$uv" pip compile --quiet pyproject.toml --group dev --python-version 3.12 --universal --generate-hashes \
    --no-emit-index-url --prerelease=if-necessary-or-explicit --custom-compile-command "make lock" "$@" \
    --output-file envs/requirements.lock

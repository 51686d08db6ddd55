#!/usr/bin/env bash
# Checks the Python code without building it: format, lint and types.
set -euo pipefail
cd "$(dirname "$0")"

./install.sh tools
tools=$PWD/../target/python/tools/bin
code=(--config pyproject.toml --quiet . ../examples ../tests/conformance/client-python)
"$tools/ruff" format --check "${code[@]}" || { echo "Format it: target/python/tools/bin/ruff format" >&2; exit 1; }
"$tools/ruff" check "${code[@]}"

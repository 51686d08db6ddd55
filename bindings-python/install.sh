#!/usr/bin/env bash
# Installs what builds, checks and tests the package, unless it matches the lock files already: one virtual environment in
# target/python for each file of requirements/, or for those that are named. Needs Python 3.11 or later with venv.
set -euo pipefail
cd "$(dirname "$0")"
python_minor=11

# If several processes start at once, one installs, and the others wait.
if [ -z "${MCP_REAUTH_INSTALLING-}" ] && command -v flock >/dev/null; then
    MCP_REAUTH_INSTALLING=1 exec flock pyproject.toml ./install.sh "$@"
fi

# Finds a Python that is new enough and has venv.
python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        "$name" -c "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, $python_minor))" 2>/dev/null || continue
        echo "$name"
        return
    done
    echo "Python 3.$python_minor or later with venv (Debian's package python3-venv) is needed for the Python package." >&2
    return 1
}

[ $# -gt 0 ] || set -- tools mcp2 mcp1
for name in "$@"; do
    packages=requirements/$name.txt environment=../target/python/$name
    cmp -s "$packages" "$environment/installed-from.txt" && continue
    echo "Installing what the Python package needs in target/python/$name (pip install) ..." >&2
    rm -rf "$environment"
    mkdir -p ../target/python
    "$(python)" -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: \
        --require-hashes --requirement "$packages"
    cp "$packages" "$environment/installed-from.txt"
done

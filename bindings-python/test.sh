#!/usr/bin/env bash
# Tests the Python package: all of it, or only the test files with one of the given words in their name. Build the package
# first. Most tests run on the wheel, as users get it; those with the mark `testing` on a native part with functions for
# tests.
set -euo pipefail
cd "$(dirname "$0")"
python=$PWD/../target/python

# The servers of the tests, and that native part.
cargo build --locked -p mcp-reauth-cli
cargo build --locked -p mcp-reauth-python --features testing
rm -rf "$python/testing"
mkdir -p "$python/testing/mcp_reauth"
ln -s "$PWD"/python/mcp_reauth/* "$python/testing/mcp_reauth/"
rm -f "$python/testing/mcp_reauth/_native.abi3.so"
cp ../target/debug/lib_native.* "$python/testing/mcp_reauth/_native.abi3.so" 2>/dev/null

words=''
for word in "$@"; do words+="${words:+ or }$word"; done
# run ENVIRONMENT MARKS [ARGUMENT...]: runs the tests with these marks.
run() {
    local ended=0
    "$python/$1/bin/python" -X dev -m pytest -q -p no:cacheprovider ${words:+-k "$words"} -m "$2" "${@:3}" || ended=$?
    # No test is of these marks and words.
    [ $ended -eq 5 ] && [ -n "$words" ] || return $ended
}

echo "mcp 2.x, on the wheel"
run mcp2 'not testing'
echo "mcp 1.x, on the wheel"
run mcp1 'not testing' tests/test_scenarios.py tests/test_transports.py tests/test_concurrency.py
echo "on a native part with functions for tests"
PYTHONPATH=$python/testing run mcp2 testing

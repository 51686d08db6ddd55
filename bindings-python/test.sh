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
case $(uname) in
    Darwin) cp ../target/debug/lib_native.dylib "$python/testing/mcp_reauth/_native.abi3.so" ;;
    *) cp ../target/debug/lib_native.so "$python/testing/mcp_reauth/_native.abi3.so" ;;
esac

# The servers by others.
[ $# -gt 0 ] && [[ "$*" != *third* && "$*" != *fastmcp* ]] || ../tests/third-party/install

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
PYTHONPATH=$python/testing run mcp1 testing tests/test_scenarios.py

# Prints the interpreter, or why there is none.
newer=$(./newer-python) || {
    [ $? -eq 3 ] || exit 1
    echo "SKIPPED: the same wheel by a newer CPython: $newer"
    exit
}
echo "by $("$newer" --version), on the wheel"
packages=$python/newer
if ! cmp -s requirements/mcp2.txt "$packages/installed-from.txt"; then
    rm -rf "$packages"
    "$python/mcp2/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: --no-deps \
        --require-hashes --requirement requirements/mcp2.txt --target "$packages" \
        --python-version "$("$newer" -c 'import sys; print(*sys.version_info[:2], sep=".")')"
    cp requirements/mcp2.txt "$packages/installed-from.txt"
fi
"$python/mcp2/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target "$packages" \
    "$python"/wheels/*.whl
[ -n "$words" ] || words='scenarios or transports or streams or loops'
PYTHONPATH=$packages "$newer" -X dev -m pytest -q -p no:cacheprovider -k "$words" -m 'not testing' || [ $? -eq 5 ]

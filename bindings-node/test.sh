#!/usr/bin/env bash
# Runs the tests of the Node package: all, or those whose file name has one of the given words. The package must be built.
# `--node oldest` runs them by the oldest Node that is supported, `--node current` by a current one (on Linux x64).
set -euo pipefail
cd "$(dirname "$0")"

node=node
if [ "${1-}" = --node ]; then
    nodes=test/nodes/node_modules
    if ! cmp -s test/nodes/package-lock.json $nodes/.installed-from-lock.json; then
        echo "Installing the oldest and a current Node (npm ci) ..."
        (cd test/nodes && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
        mkdir -p $nodes
        cp test/nodes/package-lock.json $nodes/.installed-from-lock.json
    fi
    node=$nodes/node-${2-}/bin/node
    [ -d $nodes/node-oldest ] || { echo "Skipped: npm has these builds of Node for Linux on x64 alone."; exit; }
    [ -x "$node" ] || { echo "--node takes oldest or current, not \"${2-}\"" >&2; exit 2; }
    echo "Node $("$node" --version)"
    [ "$2" != oldest ] || export NODE_OPTIONS="--require $PWD/test/nodes/exit.cjs"
    shift 2
fi

# The servers, and a native part that has what tests need besides.
cargo build --locked -p mcp-reauth-cli
cargo build --locked -p mcp-reauth-node --features testing
mkdir -p build
case $(uname) in
    Darwin) cp ../target/debug/libmcp_reauth_node.dylib build/testing.node ;;
    *) cp ../target/debug/libmcp_reauth_node.so build/testing.node ;;
esac

rm -rf build/test
node_modules/.bin/tsc -p tsconfig.test.json

files=()
for file in build/test/*.test.mjs; do
    [ $# -eq 0 ] && files+=("$file")
    for word in "$@"; do
        [[ $(basename "$file") == *"$word"* ]] && files+=("$file")
    done
done
[ ${#files[@]} -gt 0 ] || { echo "No test file has any of these words in its name: $*" >&2; exit 2; }
# Here and not when the first test needs it: how long it takes is up to the registries, and tests have limits.
[[ ${files[*]} != *third-party* ]] || ../tests/third-party/install
[[ ${files[*]} != *one-way-out* ]] || test/support/tinyproxy.sh
# Most of them wait most of the time. By itself, Node runs one file at a time on two cores.
at_once=()
[[ $("$node" --help) != *--test-concurrency* ]] || at_once=(--test-concurrency=3)
"$node" --test "${at_once[@]}" --test-reporter=spec "${files[@]}"

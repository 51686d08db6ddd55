#!/usr/bin/env bash
# Runs the tests of the Node package: all, or the files with one of the given words in their name. Build the package
# first. `--node oldest` uses the oldest supported Node, `--node current` a current one (on Linux x64).
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

# Builds the servers, and a native part with the functions for tests.
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
# Installs here, not when the first test needs it: downloads can take longer than a test's time limit.
[[ ${files[*]} != *third-party* ]] || ../tests/third-party/install
[[ ${files[*]} != *one-way-out* ]] || test/support/tinyproxy.sh
# The tests mostly wait. By default, Node runs only one file at a time on two cores.
at_once=()
[[ $("$node" --help) != *--test-concurrency* ]] || at_once=(--test-concurrency=3)
"$node" --test "${at_once[@]}" --test-reporter=spec "${files[@]}"

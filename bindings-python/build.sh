#!/usr/bin/env bash
# Builds the wheel as users get it, in target/python/wheels, and installs it where the tests run. On Linux it is built by
# zig, for every system with glibc 2.17 or later (manylinux2014).
set -euo pipefail
cd "$(dirname "$0")"

./install.sh
# If several processes start at once, one builds, and the others wait.
if [ -z "${MCP_REAUTH_BUILDING-}" ] && command -v flock >/dev/null; then
    MCP_REAUTH_BUILDING=1 exec flock build.sh ./build.sh
fi

python=../target/python
rm -rf $python/wheels
# The licences of what is linked are shipped with it.
"$python/tools/bin/python" notices.py "$(rustc --print host-tuple)" >python/mcp_reauth/NOTICES.txt
options=(--release --locked --out $python/wheels)
[ "$(uname)" != Linux ] || options+=(--zig --compatibility manylinux_2_17 --target "$(uname -m)-unknown-linux-gnu")
# No path of this machine in what is shipped.
export RUSTFLAGS="--remap-path-prefix=$HOME=~ --remap-path-prefix=$(cd .. && pwd)=."
# A folder of its own: with another C compiler, cargo would build again what it shares with other crates.
PATH=$PWD/$python/tools/bin:$PATH CARGO_TARGET_DIR=$PWD/$python/build maturin build --quiet "${options[@]}"
for sdk in mcp2 mcp1; do
    $python/$sdk/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall $python/wheels/*.whl
done
ls $python/wheels

#!/usr/bin/env bash
# Provides a tinyproxy for the tests: the installed one, or Debian's in target/tools, without changing the rest of the
# machine. On other systems the tests that need it report that they are skipped.
set -euo pipefail
cd "$(dirname "$0")/../../.."
tools=target/tools/tinyproxy

if command -v tinyproxy >/dev/null || [ -x $tools/usr/bin/tinyproxy ]; then exit; fi
if ! command -v apt-get dpkg >/dev/null; then exit; fi
echo "Installing tinyproxy in $tools (apt-get download) ..."
rm -rf $tools
mkdir -p $tools
cd $tools
# A new machine has no package lists, or old ones.
download() { apt-get download -qq -o APT::Sandbox::User=root tinyproxy-bin; }
if ! download 2>/dev/null && ! { apt-get update -qq && download; }; then
    echo "SKIPPED: tests with tinyproxy, which cannot be downloaded" >&2
    exit
fi
dpkg -x ./*.deb .

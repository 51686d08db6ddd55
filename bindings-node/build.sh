#!/usr/bin/env bash
# Makes the package ready to be used: installs what builds it, builds the native part, compiles the rest.
set -euo pipefail
cd "$(dirname "$0")"

./install.sh
npm run --silent build:native
npm run --silent build

#!/bin/sh
# Installs the official Node client for the conformance test, exactly as locked; says when it cannot.
cd "$(dirname "$0")/node" || exit 0
if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
  echo "No node or npm: the conformance test of the Node client will say that it skips"
elif [ ! -d node_modules ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --silent --no-fund --no-audit --ignore-scripts >/dev/null 2>&1 ||
    echo "The Node client could not be installed: its conformance test will say that it skips"
fi
exit 0
